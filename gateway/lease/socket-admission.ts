// A socket's slot, by name: of the pool of its region, or of the home pool. The Shard object takes it over, and with that it is the home pool's.
import { quotaOf } from "#shared/config/quota-policies.ts";
import type { Region } from "#shared/config/regions.ts";
import type { Outcome } from "#shared/errors/outcomes.ts";
import type { Refusal } from "#shared/errors/refusal.ts";
import { flowOf } from "#shared/identifier/entitlement.ts";
import type { AcquireRequest, GrantedSlot } from "#shared/protocol/pool-rpc.ts";
import type { MovedFrom } from "#shared/protocol/shard-rpc.ts";
import type { AdmissionInput } from "./admission.ts";
import { affinityKeyOf } from "./affinity-key.ts";
import { regionOfSocket } from "./placement.ts";
import type { PoolPlace } from "./pool-place.ts";
import { callPool, isUnreachable, refuseUnreachable, warnOf } from "./pool-call.ts";

export interface AdmittedSocket {
  readonly ok: true;
  readonly slot: GrantedSlot;
  /** Whose regional pool named it; null: the home pool did. */
  readonly region: Region | null;
  /** Ends the slot, however often it is called, unless the Shard object has it. */
  end(outcome: Outcome): void;
  handOver(): void;
}

/** `movedFrom`: the slot that the session has on another shard; it is the home pool's, and the new one takes its place there. */
export async function admitSocket(
  input: AdmissionInput,
  movedFrom: Pick<MovedFrom, "slotId"> | null = null,
): Promise<AdmittedSocket | Refusal> {
  const { scope, identifier, active, service } = input;
  const { env, isolate, requestId, ctx } = scope;
  const place = placeOf(input, movedFrom !== null);
  const request: AcquireRequest = {
    slotId: requestId,
    holder: isolate.holder,
    service: identifier.service,
    flow: flowOf(identifier),
    urgency: identifier.urgency,
    affinityKey: affinityKeyOf(input),
    kind: "socket",
    device: identifier.device,
    isMove: movedFrom !== null,
    inPlaceOf: movedFrom?.slotId,
    waitMsMax: Math.max(0, scope.startedAtMs + service.deadlineMs - Date.now()),
    configurationVersion: active.snapshot.version,
    ...(place.region && { region: place.region }),
  };
  // A device that goes away ends its request's context at once, unless somebody still waits: here, for the slot's end.
  const ended = Promise.withResolvers<void>();
  ctx.waitUntil(ended.promise);
  const release = async (outcome: Outcome): Promise<void> => {
    try {
      await callPool(env, place, (pool) => pool.release({ slotId: requestId, holder: isolate.holder, flow: request.flow, outcome }));
    } catch (error) {
      warnOf("release-failed", identifier.service, error);
    }
    ended.resolve();
  };
  try {
    const answer = await callPool(env, place, (pool) => pool.acquire(request));
    isolate.configuration.expire(answer.configurationVersion);
    if (!answer.ok) {
      ended.resolve();
      return answer;
    }
    let hasEnded = false;
    return {
      ok: true,
      slot: answer.slot,
      region: place.region,
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

function placeOf({ scope, identifier, active, service }: AdmissionInput, isMove: boolean): PoolPlace {
  const quota = quotaOf(active.snapshot.configuration, identifier);
  const region = isMove ? null : regionOfSocket({ ...scope, service, quota, flow: flowOf(identifier) });
  return { service: identifier.service, region, home: service.regions?.[0] };
}
