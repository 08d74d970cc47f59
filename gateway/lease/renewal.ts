// The calls that keep a service's lease: each in the context of the request that sets it off, one of a kind at a time. What
// does not arrive is repaired by the next, and by the lease's end.
import { SECOND_MS } from "#shared/units.ts";
import type { RequestScope } from "../request-scope.ts";
import { seeToOutbox } from "./exchange.ts";
import { callPool, warnOf } from "./pool-call.ts";
import type { ServiceLease } from "./service-lease.ts";

/** An isolate without requests gives its slots back, and says what it measured, after so long … */
const LINGER_MS = SECOND_MS;
/** … and looks again so soon where a renewal is on its way … */
const LINGER_LOOK_MS = 100;
/** … and looks for it no longer than this; the next request that ends looks again. */
const LINGER_MS_MAX = 20 * SECOND_MS;

/** Renews now. False: no answer came, or none that gives a lease. */
export async function renew(scope: RequestScope, lease: ServiceLease, configurationVersion: number): Promise<boolean> {
  const { env, isolate } = scope;
  const edge = isolate.takeEdgeCounts();
  const message = lease.message(configurationVersion, Date.now());
  const withEdge = { ...message, telemetry: { ...message.telemetry, edge } };
  const tellAgain = (): void => {
    lease.failed(message, Date.now());
    isolate.restoreEdgeCounts(edge);
  };
  try {
    const answer = await callPool(env, lease.place, (pool) => pool.renew(withEdge));
    lease.apply(answer, Date.now());
    isolate.configuration.expire(answer.configurationVersion);
    // A later one has overtaken it: what it told was not counted.
    if (!answer.lease.ok && answer.lease.reason === "stale") tellAgain();
    return answer.lease.ok;
  } catch (error) {
    tellAgain();
    warnOf("renewal-failed", lease.place.service, error);
    return false;
  }
}

/** After a request began, ended or looked: renews where it is time, behind its answer. */
export function renewIfDue(scope: RequestScope, lease: ServiceLease, nowMs: number): void {
  if (lease.pace.isDue(nowMs)) scope.ctx.waitUntil(renew(scope, lease, scope.isolate.configurationVersion));
}

/** After a request ended: what was granted by name goes back at once; what the isolate no longer needs, a little later. */
export function settle(scope: RequestScope, lease: ServiceLease, nowMs: number): void {
  seeToOutbox(scope, lease, nowMs);
  renewIfDue(scope, lease, nowMs);
  const dueInMs = lease.pace.seeToInMs(nowMs);
  if (dueInMs !== null) scope.ctx.waitUntil(renewLater(scope, lease, dueInMs));
  if (lease.running === 0 && lease.pace.beginLinger(nowMs, LINGER_MS)) scope.ctx.waitUntil(linger(scope, lease, nowMs));
}

async function renewLater(scope: RequestScope, lease: ServiceLease, delayMs: number): Promise<void> {
  await new Promise((wake) => setTimeout(wake, delayMs));
  if (lease.pace.isDue(Date.now())) await renew(scope, lease, scope.isolate.configurationVersion);
}

async function linger(scope: RequestScope, lease: ServiceLease, sinceMs: number): Promise<void> {
  // A clock that was set back says nothing of how long that is.
  for (let nowMs = sinceMs; Math.abs(nowMs - sinceMs) < LINGER_MS_MAX; nowMs = Date.now()) {
    const idleMs = lease.idleMs(nowMs);
    if (idleMs >= LINGER_MS && !lease.pace.isRenewing(nowMs)) {
      // Whoever falls idle while this renewal is on its way looks after it anew.
      lease.pace.keepLingering(0, nowMs);
      lease.fallIdle();
      if (lease.hasNews) await renew(scope, lease, scope.isolate.configurationVersion);
      // What did not arrive is told again a little later, unless somebody else has come who sees to it.
      if (!lease.pace.hasFailed || !lease.pace.beginLinger(Date.now(), LINGER_MS)) return;
    }
    const leftMs = Math.max(lease.pace.hasFailed ? LINGER_MS : LINGER_LOOK_MS, LINGER_MS - idleMs);
    lease.pace.keepLingering(2 * leftMs, nowMs);
    await new Promise((wake) => setTimeout(wake, leftMs));
  }
}
