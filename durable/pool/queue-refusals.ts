// How the queue says no: one place for its sentences and its numbers. Pure.
import { refuse, type QueueFacts, type Refusal } from "#shared/errors/refusal.ts";
import type { AcquireRequest } from "#shared/protocol/pool-rpc.ts";
import type { QuotaState } from "#shared/protocol/quota-state.ts";
import { SECOND_MS } from "#shared/units.ts";
import type { Awaited } from "./fleet/awaited.ts";

/** Said where nothing was served lately to estimate from. */
const RETRY_AFTER_MS = SECOND_MS;

export interface QueueEnd {
  readonly queue: QueueFacts;
  /** Until a slot would be free; null: nothing was served lately to estimate from. */
  readonly slotInMs: number | null;
}

/**
 * Its time was up. `slots`: the tenant's own, where all of them were in use: then that is what it waited for. `awaited`: the service
 * has no shard, and what is known of its first.
 */
export function expiredRefusal({ queue, slotInMs }: QueueEnd, slots: QuotaState | null, awaited: Awaited | null): Refusal {
  const more = { retryAfterMs: awaited?.inMs ?? slotInMs ?? RETRY_AFTER_MS, queue };
  if (awaited !== null) return refuse("expired-in-queue", `Your time was up after ${queue.waitMs} ms in the queue: ${awaited.line}`, more);
  if (slots === null) return refuse("expired-in-queue", `Your time was up after ${queue.waitMs} ms in the queue.`, more);
  const detail = `Your tenant and class had all their ${slots.quota} slots for the ${queue.waitMs} ms that you could wait.`;
  return refuse("rejected-quota", detail, { ...more, violated: [slots], decidedBy: "queue" });
}

/** Its time would be up before its turn. */
export function wantRefusal({ service, waitMsMax }: AcquireRequest, { queue, slotInMs }: QueueEnd): Refusal {
  const inMs = Math.ceil(slotInMs ?? RETRY_AFTER_MS);
  const detail = `A slot of service ${service} will be free for you in about ${inMs} ms, and you can wait for ${Math.floor(waitMsMax)} ms.`;
  return refuse("rejected-capacity", detail, { retryAfterMs: inMs, queue });
}

export function fullRefusal(isOfFlow: boolean, { queue, slotInMs }: QueueEnd): Refusal {
  const what = isOfFlow ? "The queue of your tenant and class" : "The service's queue";
  return refuse("rejected-queue-full", `${what} is full.`, { retryAfterMs: slotInMs ?? RETRY_AFTER_MS, queue });
}

export function displacedRefusal(queue: QueueFacts): Refusal {
  const detail = "A more urgent request took the place in the full queue of your tenant and class.";
  return refuse("rejected-queue-full", detail, { retryAfterMs: RETRY_AFTER_MS, queue });
}
