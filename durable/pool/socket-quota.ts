// How many sockets one device, and one tenant, may have at a service, and whether its memory has room for one more. Pure.
import type { LeaseLedger } from "#durable/lease/lease-ledger.ts";
import { socketLimitsOf } from "#shared/config/socket-limits.ts";
import { refuse, type Refusal } from "#shared/errors/refusal.ts";
import type { AcquireRequest } from "#shared/protocol/pool-rpc.ts";
import type { QuotaKind, QuotaState } from "#shared/protocol/quota-state.ts";
import { SECOND_MS } from "#shared/units.ts";
import type { PoolConfiguration } from "./pool-configuration.ts";
import type { QuotaGate } from "./quota-gate.ts";

/** A socket's end is no event that could be foreseen. */
const RETRY_AFTER_MS = 5 * SECOND_MS;

interface PoolParts {
  readonly configuration: Pick<PoolConfiguration, "service">;
  readonly ledger: LeaseLedger;
  readonly gate: Pick<QuotaGate, "limitsOf" | "socketBytes" | "memoryUsed">;
}

/** Null: it may have one more. Sockets of sessions count as long as the session can be resumed. */
export function refuseSocket(request: AcquireRequest, pool: PoolParts): Refusal | null {
  if (request.kind !== "socket" || pool.configuration.service === null) return null;
  return (request.isMove === true ? null : refuseCount(request, pool)) ?? refuseMemory(request, pool);
}

function refuseCount({ flow, device }: AcquireRequest, { configuration: { service }, ledger: { sockets } }: PoolParts): Refusal | null {
  if (service === null) return null;
  const className = flow.slice(flow.indexOf("/") + 1);
  const { perDeviceMax, perTenantMax } = socketLimitsOf(service.sockets, className);
  const ofFlow = sockets.ofFlow(flow);
  const ofDevice = device === undefined ? 0 : sockets.ofDevice(flow, device);
  if (perDeviceMax !== null && ofDevice >= perDeviceMax)
    return tooMany(`Your device has ${ofDevice} sockets at this service, expected at most ${perDeviceMax}.`, stateOf(perDeviceMax));
  if (perTenantMax !== null && ofFlow >= perTenantMax)
    return tooMany(
      `Your tenant and class have ${ofFlow} sockets at this service, expected at most ${perTenantMax}.`,
      stateOf(perTenantMax),
    );
  return null;
}

/** A session that finds no room where it is to go stays where it is. */
function refuseMemory({ flow, inPlaceOf }: AcquireRequest, { ledger, gate }: PoolParts): Refusal | null {
  const { memory } = gate.limitsOf(flow);
  if (memory === null) return null;
  const before = ledger.slot(inPlaceOf ?? "");
  const bytes = before === undefined ? (gate.socketBytes(flow) ?? 0) : (before.memoryBytes ?? 0);
  const left = Math.max(0, memory.sharedBytes - gate.memoryUsed(flow, ledger));
  if (bytes <= left) return null;
  const detail = `A socket of your tenant and class takes ${bytes} of its ${memory.bytesMax} bytes of memory, and ${left} are left for it.`;
  // Where none ever fits there is nothing to wait for.
  return tooMany(detail, stateOf(memory.bytesMax, "memory", left), bytes <= memory.sharedBytes ? RETRY_AFTER_MS : null);
}

function stateOf(quota: number, kind: QuotaKind = "sockets", remaining = 0): QuotaState {
  return { kind, quota, remaining };
}

function tooMany(detail: string, violated: QuotaState, retryAfterMs: number | null = RETRY_AFTER_MS): Refusal {
  return refuse("rejected-quota", detail, { ...(retryAfterMs !== null && { retryAfterMs }), violated: [violated] });
}
