// How many sockets one device, and one tenant, may have at a service. Pure.
import type { LeaseLedger } from "#durable/lease/lease-ledger.ts";
import type { ServiceConfig } from "#shared/config/schema.ts";
import { socketLimitsOf } from "#shared/config/socket-limits.ts";
import { refuse, type Refusal } from "#shared/errors/refusal.ts";
import type { AcquireRequest } from "#shared/protocol/pool-rpc.ts";
import { SECOND_MS } from "#shared/units.ts";

/** A socket's end is no event that could be foreseen. */
const RETRY_AFTER_MS = 5 * SECOND_MS;

/** Null: it may have one more. Sockets of sessions count as long as the session can be resumed. */
export function refuseSocket(
  { kind, flow, device, isMove = false }: AcquireRequest,
  service: Pick<ServiceConfig, "sockets"> | null,
  { sockets }: Pick<LeaseLedger, "sockets">,
): Refusal | null {
  if (kind !== "socket" || isMove || service === null) return null;
  const className = flow.slice(flow.indexOf("/") + 1);
  const { perDeviceMax, perTenantMax } = socketLimitsOf(service.sockets, className);
  const ofFlow = sockets.ofFlow(flow);
  const ofDevice = device === undefined ? 0 : sockets.ofDevice(flow, device);
  if (perDeviceMax !== null && ofDevice >= perDeviceMax)
    return tooMany(`Your device has ${ofDevice} sockets at this service, expected at most ${perDeviceMax}.`, perDeviceMax);
  if (perTenantMax !== null && ofFlow >= perTenantMax)
    return tooMany(`Your tenant and class have ${ofFlow} sockets at this service, expected at most ${perTenantMax}.`, perTenantMax);
  return null;
}

function tooMany(detail: string, quota: number): Refusal {
  return refuse("rejected-quota", detail, { retryAfterMs: RETRY_AFTER_MS, violated: [{ kind: "sockets", quota, remaining: 0 }] });
}
