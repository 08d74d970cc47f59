import { refuse, type LeaseFacts, type Refusal } from "#shared/errors/refusal.ts";
import { queueDetail, queueState } from "#shared/protocol/quota-state.ts";
import type { FlowMeter } from "./flow-meter.ts";

/** The pool's word for the flow, said again by the isolate. */
export function shedRefusal(
  service: string,
  { shedRetryAfterMs, shedQueueLength, shedMemoryBytes }: FlowMeter,
  lease: LeaseFacts,
): Refusal {
  const facts = { retryAfterMs: shedRetryAfterMs, decidedBy: "lease", lease } as const;
  if (shedQueueLength === null)
    return refuse("rejected-capacity", `The queue for service ${service} is longer than your deadline: refused at the edge.`, facts);
  return refuse("rejected-queue-full", `${queueDetail(shedQueueLength, shedMemoryBytes)} Refused at the edge.`, {
    ...facts,
    violated: [queueState(shedQueueLength, shedMemoryBytes)],
  });
}
