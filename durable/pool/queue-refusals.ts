// How the queue says no: one place for its sentences and its numbers. Pure.
import { refuse, type QueueFacts, type Refusal } from "#shared/errors/refusal.ts";
import type { AcquireRequest } from "#shared/protocol/pool-rpc.ts";
import type { QuotaState } from "#shared/protocol/quota-state.ts";
import { SECOND_MS } from "#shared/units.ts";
import type { FlowLimits } from "./flow-quotas.ts";
import type { Awaited } from "./fleet/awaited.ts";

/** Said where nothing was served lately to estimate from. */
const RETRY_AFTER_MS = SECOND_MS;

export interface QueueEnd {
  readonly queue: QueueFacts;
  /** Until a slot would be free; null: nothing was served lately to estimate from. */
  readonly slotInMs: number | null;
}

/** Why nothing came in time, as far as it is known. */
export interface Expiry {
  /** The tenant's own slots, where all of them were in use: then that is what it waited for. */
  readonly slots: QuotaState | null;
  /** The service has no shard; what is known of its first. */
  readonly awaited: Awaited | null;
  /** How long the flow may wait, where its deadline was later. */
  readonly waitMsMax: number | null;
}

/** Its time was up. */
export function expiredRefusal({ queue, slotInMs }: QueueEnd, { slots, awaited, waitMsMax }: Expiry): Refusal {
  const waited: QuotaState[] = waitMsMax === null ? [] : [{ kind: "wait", quota: waitMsMax, remaining: 0 }];
  // Nobody's limit: then it is what its outcome stands for, the service's capacity.
  const more = { retryAfterMs: awaited?.inMs ?? slotInMs ?? RETRY_AFTER_MS, queue, ...(waited.length > 0 && { violated: waited }) };
  if (awaited !== null) return refuse("expired-in-queue", `Your time was up after ${queue.waitMs} ms in the queue: ${awaited.line}`, more);
  if (slots === null) {
    const whose = waitMsMax === null ? "." : `: your tenant and class wait for ${waitMsMax} ms at most.`;
    return refuse("expired-in-queue", `Your time was up after ${queue.waitMs} ms in the queue${whose}`, more);
  }
  const detail = `${slotsDetail(slots, "had")} for the ${queue.waitMs} ms that you could wait.`;
  return refuse("rejected-quota", detail, { ...more, violated: [slots, ...waited], decidedBy: "queue" });
}

/** All slots that a flow may have are in use: its own, or as many as the memory allows that their bodies may take. */
export function slotsState({ memory }: Pick<FlowLimits, "memory">, slots: number): QuotaState {
  if (memory?.isSlots === true) return { kind: "memory", quota: memory.bytesMax, remaining: 0 };
  return { kind: "slots", quota: slots, remaining: 0 };
}

export function slotsDetail({ kind, quota }: QuotaState, have: "have" | "had"): string {
  if (kind === "total-slots") return `Your tenant ${have === "have" ? "has" : "had"} all its ${quota} slots`;
  if (kind === "memory") return `The bodies of your tenant and class ${have} their part of ${quota} bytes of memory`;
  return `Your tenant and class ${have} all their ${quota} slots`;
}

/** Its time would be up before its turn. */
export function wantRefusal({ service, waitMsMax }: AcquireRequest, { queue, slotInMs }: QueueEnd): Refusal {
  const inMs = Math.ceil(slotInMs ?? RETRY_AFTER_MS);
  const detail = `A slot of service ${service} will be free for you in about ${inMs} ms, and you can wait for ${Math.floor(waitMsMax)} ms.`;
  return refuse("rejected-capacity", detail, { retryAfterMs: inMs, queue });
}

export function fullRefusal(isOfFlow: boolean, { queue, slotInMs }: QueueEnd): Refusal {
  const what = isOfFlow ? "The queue of your tenant and class" : "The service's queue";
  // Its outcome stands for the flow's own queue.
  const violated: QuotaState[] = [{ kind: isOfFlow ? "queue" : "capacity", quota: 0, remaining: 0 }];
  return refuse("rejected-queue-full", `${what} is full.`, { retryAfterMs: slotInMs ?? RETRY_AFTER_MS, queue, violated });
}

export function displacedRefusal(queue: QueueFacts): Refusal {
  const detail = "A more urgent request took the place in the full queue of your tenant and class.";
  return refuse("rejected-queue-full", detail, { retryAfterMs: RETRY_AFTER_MS, queue });
}
