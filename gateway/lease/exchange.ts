// The calls by which an isolate's requests ask a service's pool, and hear of it: each in the context of the request that sets it off, for all of
// them (outbox.ts). A promise that another request's call resolves wakes its own request in its own context, but is not enough to keep that alive:
// each has a timer of its own, with which it looks after itself where that call is lost.
import { refuse } from "#shared/errors/refusal.ts";
import type { ExchangeMessage, SlotVerdict } from "#shared/protocol/exchange.ts";
import { SECOND_MS } from "#shared/units.ts";
import type { RequestScope } from "../request-scope.ts";
import type { ExchangeCall, Heard, Waiting } from "./outbox.ts";
import { callPoolOnce, mayRepeat, warnOf } from "./pool-call.ts";
import type { ServiceLease } from "./service-lease.ts";

/** The runtime ends a context 30 s after its answer: no call is begun so near to it that it could be lost. */
const CARRY_MS_MAX = 20 * SECOND_MS;
/** So many calls a request makes one after the other: what it may call in all is limited (50 times where one pays nothing), its endpoint included. Beyond
 * it, one at a time, as it asks, looks or ends. */
const CARRIED_MAX = 32;
/** Who has heard nothing for so long looks whether a call is on its way that will bring it. So what was lost with a call is found within a second and
 * a half: a slot by name lives for two. */
const LOOK_MS = SECOND_MS / 2;
/** So long after its time is up nobody hears anything any more. */
const LATE_MS_MAX = 2 * SECOND_MS;
/** Failed so often in a row, a pool is left alone until somebody has something to say to it. */
const FAILURES_MAX = 3;

/** After something was put in the outbox: sends it, or sees to it that it is sent, behind whatever the request does. */
export function seeToOutbox(scope: RequestScope, lease: ServiceLease, nowMs: number): void {
  const dueInMs = lease.outbox.seeToInMs(nowMs);
  if (dueInMs !== null) scope.ctx.waitUntil(exchange(scope, lease, dueInMs));
}

/**
 * The pool's word on one request; "cancelled" where its device has gone meanwhile. Throws what the last of the calls threw where the pool
 * cannot be asked; null: no word came.
 */
export async function askAndHear(scope: RequestScope, lease: ServiceLease, waiting: Omit<Waiting, "tell">): Promise<SlotVerdict | null> {
  const { outbox } = lease;
  const { slotId } = waiting.ask;
  const { signal } = scope.request;
  if (signal.aborted) return goneOf(slotId, Date.now());
  let news = Promise.withResolvers<void>();
  let heard: Exclude<Heard, { carries: true }> | null | undefined;
  const hear = (word: Heard | null): void => {
    if (word === null || !("carries" in word)) heard = word;
    news.resolve();
  };
  const leave = (word: Heard | null, nowMs: number): void => {
    outbox.cancel(slotId);
    hear(word);
    seeToOutbox(scope, lease, nowMs);
  };
  const look = (): void => {
    const nowMs = Date.now();
    if (nowMs > waiting.waitsUntilMs + LATE_MS_MAX) return leave(null, nowMs);
    if (outbox.awaits(slotId)) timer = setTimeout(look, LOOK_MS);
    seeToOutbox(scope, lease, nowMs);
  };
  const goAway = (): void => {
    const nowMs = Date.now();
    leave({ verdict: goneOf(slotId, nowMs) }, nowMs);
  };
  outbox.ask({ ...waiting, tell: hear });
  let timer = setTimeout(look, LOOK_MS);
  signal.addEventListener("abort", goAway);
  seeToOutbox(scope, lease, Date.now());
  for (await news.promise; heard === undefined; await news.promise) {
    news = Promise.withResolvers();
    seeToOutbox(scope, lease, Date.now());
  }
  clearTimeout(timer);
  signal.removeEventListener("abort", goAway);
  if (heard !== null && "error" in heard) throw heard.error;
  return heard?.verdict ?? null;
}

function goneOf(slotId: string, nowMs: number): SlotVerdict {
  return { ...refuse("cancelled", "The device went away."), slotId, askedAtMs: nowMs };
}

/** How many calls each has made. */
const carried = new WeakMap<RequestScope, number>();

async function exchange(scope: RequestScope, lease: ServiceLease, firstInMs: number): Promise<void> {
  const { outbox } = lease;
  const beganAtMs = Date.now();
  let failures = 0;
  for (let dueInMs: number | null = firstInMs; dueInMs !== null; dueInMs = outbox.seeToInMs(Date.now())) {
    if (dueInMs > 0) await new Promise((wake) => setTimeout(wake, dueInMs));
    const call = outbox.take(Date.now());
    if (call !== null) carried.set(scope, (carried.get(scope) ?? 0) + 1);
    failures = call === null || (await send(scope, lease, call)) ? 0 : failures + 1;
    if (failures >= FAILURES_MAX && !outbox.isAwaiting) return;
    if ((carried.get(scope) ?? 0) >= CARRIED_MAX || Math.abs(Date.now() - beganAtMs) > CARRY_MS_MAX) return outbox.handOver();
  }
}

/** False: no answer came. */
async function send({ env, isolate }: RequestScope, { outbox, place }: ServiceLease, call: ExchangeCall): Promise<boolean> {
  const { sentAtMs: _, ...words } = call;
  const { service, region } = place;
  const whose = { service, holder: isolate.holder, configurationVersion: isolate.configurationVersion, ...(region && { region }) };
  const message: ExchangeMessage = { ...whose, ...words };
  try {
    const answer = await callPoolOnce(env, place, (pool) => pool.exchange(message));
    isolate.configuration.expire(answer.configurationVersion);
    outbox.answered(call, answer);
    return true;
  } catch (error) {
    warnOf("exchange-failed", service, error);
    outbox.failed(call, { error, mayRepeat: mayRepeat(error) });
    return false;
  }
}
