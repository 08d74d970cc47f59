// Admission as the routes see it: a verdict, and a slot that ends exactly once. Cheapest first: a slot that this isolate
// holds; a refusal that the pool has told it; a call to the pool, which grants one or lets the request wait there.
import type { Outcome } from "#shared/errors/outcomes.ts";
import { quotaOf } from "#shared/config/quota-policies.ts";
import { refuse, type Refusal } from "#shared/errors/refusal.ts";
import { flowOf, type AppliedIdentifier } from "#shared/identifier/entitlement.ts";
import type { QuotaConfig, ServiceConfig } from "#shared/config/schema.ts";
import type { AcquireRequest } from "#shared/protocol/pool-rpc.ts";
import { SECOND_MS } from "#shared/units.ts";
import type { ActiveConfiguration } from "../configuration-cache.ts";
import type { RequestScope } from "../request-scope.ts";
import { waitOn, type ByteCredit, type PaceOptions } from "../upstream/pace.ts";
import { affinityKeyOf } from "./affinity-key.ts";
import { LeasedCredit, ShadowCredit } from "./byte-credit.ts";
import { bandwidthRefusal, isBandwidthLimited } from "./flow-quota.ts";
import { regionOf } from "./placement.ts";
import { callPool, isUnreachable, warnOf } from "./pool-call.ts";
import type { PoolPlace } from "./pool-place.ts";
import { renew, renewIfDue, settle } from "./renewal.ts";
import type { HeldSlot } from "./held-slot.ts";
import type { RunningRequest } from "./running-requests.ts";
import type { ServiceLease } from "./service-lease.ts";

/** A pool that moves to another machine is back in seconds. */
const UNREACHABLE_RETRY_MS = 2 * SECOND_MS;

export interface AdmissionInput {
  readonly scope: RequestScope;
  readonly identifier: AppliedIdentifier;
  readonly active: ActiveConfiguration;
  readonly service: ServiceConfig;
}

/** A request with a slot. Whoever has it calls `end` on every way out, and keeps the request's context alive until then. */
export class Admitted implements RunningRequest {
  readonly ok = true;
  readonly outcome: "admitted-local" | "admitted-queued";
  readonly waitMs: number;
  readonly startedAtMs: number;
  before: RunningRequest | null = null;
  after: RunningRequest | null = null;
  readonly #scope: RequestScope;
  readonly #lease: ServiceLease;
  readonly #key: string;
  readonly #quota: QuotaConfig | undefined;
  #failed: Set<string> | null = null;
  #slot: HeldSlot;
  #hasEnded = false;
  #isOverloaded = false;
  #credit: ByteCredit | null = null;

  constructor({
    scope,
    lease,
    slot,
    key,
    quota,
    waitMs,
  }: {
    scope: RequestScope;
    lease: ServiceLease;
    slot: HeldSlot;
    key: string;
    quota: QuotaConfig | undefined;
    waitMs: number;
  }) {
    this.#scope = scope;
    this.#lease = lease;
    this.#slot = slot;
    this.#key = key;
    this.#quota = quota;
    this.waitMs = waitMs;
    this.startedAtMs = slot.startedAtMs;
    lease.requests.enter(this);
    this.outcome = slot.slotId === undefined ? "admitted-local" : "admitted-queued";
  }

  get endpointUrl(): string {
    return this.#slot.lane;
  }

  get shardId(): string {
    return this.#slot.shardId;
  }

  /** RateLimit of the answer; null: nothing is limited, or known. */
  get rateLimit(): string | null {
    const { identifier } = this.#scope;
    if (this.#quota === undefined || identifier === undefined) return null;
    return this.#lease.rateLimitOf(this.#slot.flow, this.#quota, { partition: identifier, nowMs: Date.now() });
  }

  /** Its tenant's bandwidth is limited, or would be: its bodies go through the isolate. */
  get isPaced(): boolean {
    return this.#quota?.bandwidthBytesPerSecond !== undefined;
  }

  /** How its bodies are paced, until the signal; null: they are not. Both directions have one credit. */
  paceOf(cut: { readonly signal: AbortSignal }): PaceOptions | null {
    if (!this.isPaced) return null;
    this.#credit ??= this.#openCredit();
    return this.#credit === null ? null : { credit: this.#credit, signal: cut.signal, wait: waitOn(cut.signal) };
  }

  #openCredit(): ByteCredit | null {
    const bytes = this.#lease.bytesOf(this.#slot.flow);
    if (bytes === null || !isBandwidthLimited(this.#quota)) return bytes && new ShadowCredit(bytes);
    const renewNow = (nowMs: number): void => renewIfDue(this.#scope, this.#lease, nowMs);
    return new LeasedCredit({ bytes, pace: this.#lease.pace, renewIfDue: renewNow, now: Date.now });
  }

  /** Its time is up while a body waits for the tenant's bandwidth: that is why; null: it is not. */
  get lateRefusal(): Refusal | null {
    return this.#credit?.isWaiting === true ? bandwidthRefusal(this.#quota) : null;
  }

  /** The endpoint's answer has begun; `load`: its `endpoint-load-metrics`, or null. */
  answered(status: number, load: string | null): void {
    this.#isOverloaded = status === 429 || status === 503;
    if (load !== null) this.#lease.noteLoad(this.#slot, load);
  }

  /** Ends the slot, however often it is called, and reports what became of the request. `latencyMs`: arrival to response headers. */
  end(outcome: Outcome, latencyMs?: number): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#lease.requests.leave(this);
    const nowMs = Date.now();
    const upstreamMs = latencyMs === undefined ? undefined : latencyMs - this.waitMs;
    this.#lease.end(this.#slot, { outcome, latencyMs, upstreamMs, isOverloaded: this.#isOverloaded, nowMs });
    settle(this.#scope, this.#lease, nowMs);
  }

  /** Its end never came: its context is gone, and so nothing may be started in it. */
  giveUp(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#lease.requests.leave(this);
    this.#lease.end(this.#slot, { outcome: "internal", latencyMs: undefined, upstreamMs: undefined, nowMs: Date.now() });
  }

  /** Keeps the slot of a request that runs on, by renewing where it is time. In how many ms to look again; 0: it is lost. */
  lookAgainInMs(nowMs: number): number {
    if (this.#hasEnded) return Infinity;
    renewIfDue(this.#scope, this.#lease, nowMs);
    return this.#lease.lookAgainInMs(this.#slot, nowMs);
  }

  /** The endpoint failed before it answered: whether the request may be sent again, to another one where there is a slot. */
  beginRetry(): boolean {
    if (this.#hasEnded || !this.#lease.retries.take()) return false;
    this.#failed = (this.#failed ?? new Set()).add(this.#slot.lane);
    this.#slot = this.#lease.move(this.#slot, { key: this.#key, nowMs: Date.now(), avoid: this.#failed }) ?? this.#slot;
    return true;
  }
}

/** A slot at once where this isolate has one: then there is nothing to wait for. */
export function admit(input: AdmissionInput): Admitted | Refusal | Promise<Admitted | Refusal> {
  const { scope, identifier, service } = input;
  const quota = quotaOf(input.active.snapshot.configuration, identifier);
  const region = service.regions === undefined ? null : regionOf({ ...scope, service, quota });
  const lease = scope.isolate.leaseOf(identifier.service, region, service.regions?.[0]);
  lease.use(service);
  lease.retries.earn(service.retry.budgetRatio);
  const flow = flowOf(identifier);
  const key = affinityKeyOf(input);
  // Fresh: the lease takes a time before one that it has seen for a clock that was set back.
  const nowMs = Date.now();
  if (!lease.holdsSlots(nowMs) && !lease.pace.isRenewing(nowMs)) return admitAfterRenewal(input, { lease, flow, key, quota });
  const admitted = admitHere(input, { lease, flow, key, quota, nowMs });
  renewIfDue(scope, lease, nowMs);
  return admitted ?? askPool(input, { lease, flow, key, quota });
}

interface Asked {
  readonly lease: ServiceLease;
  readonly flow: string;
  readonly key: string;
  readonly quota: QuotaConfig | undefined;
}

/** Null: not here. */
function admitHere(
  { scope, identifier: { urgency } }: AdmissionInput,
  { lease, flow, key, quota, nowMs }: Asked & { nowMs: number },
): Admitted | Refusal | null {
  const slot = lease.admit({ flow, urgency, key, quota, nowMs });
  if (slot === null || "ok" in slot) return slot;
  return new Admitted({ scope, lease, slot, key, quota, waitMs: nowMs - scope.startedAtMs });
}

/** The first request of an isolate, or the first for a while. */
async function admitAfterRenewal(input: AdmissionInput, asked: Asked): Promise<Admitted | Refusal> {
  const { scope } = input;
  asked.lease.expect(asked.flow, asked.quota);
  const hasLease = await renew(scope, asked.lease, scope.isolate.configurationVersion);
  const admitted = hasLease ? admitHere(input, { ...asked, nowMs: Date.now() }) : null;
  return admitted ?? askPool(input, asked);
}

async function askPool(input: AdmissionInput, { lease, flow, key, quota }: Asked): Promise<Admitted | Refusal> {
  const { scope, identifier, active, service } = input;
  const { env, isolate, requestId } = scope;
  const askedAtMs = Date.now();
  const { clockEpoch } = lease.ask(flow, requestId, askedAtMs);
  const request: AcquireRequest = {
    slotId: requestId,
    holder: isolate.holder,
    service: identifier.service,
    flow,
    urgency: identifier.urgency,
    affinityKey: key === "" ? null : key,
    kind: "request",
    waitMsMax: lease.waitMsMax(scope.startedAtMs + service.deadlineMs - askedAtMs),
    configurationVersion: active.snapshot.version,
    ...(lease.place.region && { region: lease.place.region }),
  };
  const stopWatching = cancelWhenGone(scope, lease.place);
  try {
    const answer = await callPool(env, lease.place, (pool) => pool.acquire(request));
    stopWatching();
    const nowMs = Date.now();
    isolate.configuration.expire(answer.configurationVersion);
    if (!answer.ok) {
      const { shed, dry } = answer;
      lease.refused(flow, { slotId: requestId, ...(shed && { shed }), ...(dry && { dry }), nowMs });
      return answer;
    }
    const slot = lease.take(flow, answer.slot, { askedAtMs, clockEpoch, nowMs });
    if (slot !== null) return new Admitted({ scope, lease, slot, key, quota, waitMs: nowMs - scope.startedAtMs });
    settle(scope, lease, nowMs);
    return refuse("rejected-capacity", "The slot that was granted came too late to be used.", { retryAfterMs: 0 });
  } catch (error) {
    stopWatching();
    lease.refused(flow, { slotId: requestId, nowMs: Date.now() });
    scope.ctx.waitUntil(giveUp(scope, lease.place));
    if (!isUnreachable(error)) throw error;
    warnOf("acquire-failed", identifier.service, error);
    return refuse("rejected-capacity", `The pool of service ${identifier.service} cannot be reached, and no slot is held here.`, {
      retryAfterMs: UNREACHABLE_RETRY_MS,
      decidedBy: "edge",
    });
  }
}

/** A device whose reset the runtime reports waits no longer. */
function cancelWhenGone(scope: RequestScope, place: PoolPlace): () => void {
  const { request, env, isolate, requestId, ctx } = scope;
  const cancel = (): void => {
    const cancelling = callPool(env, place, (pool) => pool.cancel(requestId, isolate.holder));
    ctx.waitUntil(cancelling.catch((error: unknown) => warnOf("cancel-failed", place.service, error)));
  };
  request.signal.addEventListener("abort", cancel);
  return () => request.signal.removeEventListener("abort", cancel);
}

/** The call may have arrived and its answer not: neither a place in the queue nor a slot may stay behind. */
async function giveUp({ env, isolate, requestId }: RequestScope, place: PoolPlace): Promise<void> {
  try {
    await callPool(env, place, (pool) => pool.cancel(requestId, isolate.holder));
    await callPool(env, place, (pool) => pool.giveBack([requestId], isolate.holder));
  } catch (error) {
    warnOf("give-up-failed", place.service, error);
  }
}
