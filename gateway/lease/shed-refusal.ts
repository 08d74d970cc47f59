import { refuse, type LeaseFacts, type Refusal } from "#shared/errors/refusal.ts";
import type { FlowMeter } from "./flow-meter.ts";

/** The pool's word for the flow, said again by the isolate. */
export function shedRefusal(service: string, { shedRetryAfterMs, shedQueueLength }: FlowMeter, lease: LeaseFacts): Refusal {
  const facts = { retryAfterMs: shedRetryAfterMs, decidedBy: "lease", lease } as const;
  if (shedQueueLength === null)
    return refuse("rejected-capacity", `The queue for service ${service} is longer than your deadline: refused at the edge.`, facts);
  return refuse("rejected-queue-full", `The queue of your tenant and class is full: ${shedQueueLength} wait. Refused at the edge.`, {
    ...facts,
    violated: [{ kind: "queue", quota: shedQueueLength, remaining: 0 }],
  });
}
