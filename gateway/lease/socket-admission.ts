// A socket's slot: always the home pool's own, by name, because it outlives every lease. The Shard object takes it over.
import type { Outcome } from "#shared/errors/outcomes.ts";
import type { Refusal } from "#shared/errors/refusal.ts";
import { flowOf } from "#shared/identifier/entitlement.ts";
import type { AcquireRequest, GrantedSlot } from "#shared/protocol/pool-rpc.ts";
import type { MovedFrom } from "#shared/protocol/shard-rpc.ts";
import type { AdmissionInput } from "./admission.ts";
import { affinityKeyOf } from "./affinity-key.ts";
import { callHome, isUnreachable, refuseUnreachable, warnOf } from "./pool-call.ts";

export interface AdmittedSocket {
  readonly ok: true;
  readonly slot: GrantedSlot;
  /** Ends the slot, however often it is called, unless the Shard object has it. */
  end(outcome: Outcome): void;
  handOver(): void;
}

/** `movedFrom`: the slot that the session has on another shard. */
export async function admitSocket(
  input: AdmissionInput,
  movedFrom: Pick<MovedFrom, "slotId"> | null = null,
): Promise<AdmittedSocket | Refusal> {
  const { scope, identifier, active, service } = input;
  const { env, isolate, requestId, ctx } = scope;
  const flow = flowOf(identifier);
  const place = { service: identifier.service, home: service.regions?.[0] };
  const request: AcquireRequest = {
    slotId: requestId,
    holder: isolate.holder,
    service: identifier.service,
    flow,
    urgency: identifier.urgency,
    affinityKey: affinityKeyOf(input),
    kind: "socket",
    device: identifier.device,
    isMove: movedFrom !== null,
    inPlaceOf: movedFrom?.slotId,
    waitMsMax: Math.max(0, scope.startedAtMs + service.deadlineMs - Date.now()),
    configurationVersion: active.snapshot.version,
  };
  // A device that goes away ends its request's context at once, unless somebody still waits: here, for the slot's end.
  const ended = Promise.withResolvers<void>();
  ctx.waitUntil(ended.promise);
  const release = async (outcome: Outcome): Promise<void> => {
    try {
      await callHome(env, place, (pool) => pool.release({ slotId: requestId, holder: isolate.holder, flow, outcome }));
    } catch (error) {
      warnOf("release-failed", identifier.service, error);
    }
    ended.resolve();
  };
  try {
    const answer = await callHome(env, place, (pool) => pool.acquire(request));
    isolate.configuration.expire(answer.configurationVersion);
    if (!answer.ok) {
      ended.resolve();
      return answer;
    }
    let hasEnded = false;
    return {
      ok: true,
      slot: answer.slot,
      end(outcome) {
        if (!hasEnded) void release(outcome);
        hasEnded = true;
      },
      handOver() {
        hasEnded = true;
        ended.resolve();
      },
    };
  } catch (error) {
    void release("internal");
    if (!isUnreachable(error)) throw error;
    warnOf("acquire-failed", identifier.service, error);
    return refuseUnreachable(identifier.service);
  }
}
