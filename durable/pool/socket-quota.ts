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
  ledger: Pick<LeaseLedger, "named">,
): Refusal | null {
  if (kind !== "socket" || isMove || service === null) return null;
  const [tenant = "", className = ""] = flow.split("/");
  const { perDeviceMax, perTenantMax } = socketLimitsOf(service.sockets, className);
  if (perDeviceMax === null && perTenantMax === null) return null;
  const sockets = ledger.named.filter((slot) => slot.isDurable && slot.flow.startsWith(`${tenant}/`));
  const ofFlow = sockets.filter((slot) => slot.flow === flow).length;
  const ofDevice = sockets.filter((slot) => slot.device === device).length;
  if (perDeviceMax !== null && device !== undefined && ofDevice >= perDeviceMax)
    return tooMany(`Your device has ${ofDevice} sockets at this service, expected at most ${perDeviceMax}.`, perDeviceMax);
  if (perTenantMax !== null && ofFlow >= perTenantMax)
    return tooMany(`Your tenant and class have ${ofFlow} sockets at this service, expected at most ${perTenantMax}.`, perTenantMax);
  return null;
}

function tooMany(detail: string, quota: number): Refusal {
  return refuse("rejected-quota", detail, { retryAfterMs: RETRY_AFTER_MS, violated: [{ kind: "sockets", quota, remaining: 0 }] });
}
