import { refuse, type LeaseFacts, type Refusal } from "#shared/errors/refusal.ts";
import { queueDetail, queueState } from "#shared/protocol/quota-state.ts";
import type { Shed } from "#shared/protocol/pool-rpc.ts";
import type { HeldLease } from "#shared/lease/held-lease.ts";
import { leaseFactsOf } from "./flow-quota.ts";
import type { FlowMeter } from "./flow-meter.ts";
import type { Outbox } from "./outbox.ts";

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

/** The pool's word, from now on that of the isolate: to newcomers, and to those that are about to ask. */
export function followShed(shed: Shed, { service, meter, outbox, held, nowMs }: ShedPlace): void {
  meter.noteShed(shed, nowMs);
  const refusal = shedRefusal(service, meter, leaseFactsOf(held, shed.flow, nowMs));
  const count = outbox.refuse(shed, refusal, nowMs);
  for (let told = 0; told < count; told += 1) meter.refuse(refusal.outcome);
}

interface ShedPlace {
  readonly service: string;
  readonly meter: FlowMeter;
  readonly outbox: Outbox;
  readonly held: HeldLease;
  readonly nowMs: number;
}
