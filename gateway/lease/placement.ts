// Which of its service's pools a request asks: the one of its caller's region, where what it may use is lent there.
import type { Region } from "#shared/config/regions.ts";
import { REGIONS } from "#shared/config/regions.ts";
import type { QuotaConfig, ServiceConfig } from "#shared/config/schema.ts";
import { isCountLimited } from "#shared/config/socket-limits.ts";
import { LENT_BURST_MIN } from "#shared/lease/token-meter.ts";
import { nearestOf, placeCaller, REGION_HEADER, type CallerLocation } from "#shared/placement.ts";
import type { GatewayEnv } from "../gateway-env.ts";

interface PlacementInput {
  readonly request: Request;
  readonly env: Pick<GatewayEnv, "IS_LOOPBACK">;
  readonly service: Pick<ServiceConfig, "regions">;
  readonly quota: QuotaConfig | undefined;
}

/** Null: the home pool. */
export function regionOf({ request, env, service: { regions }, quota }: PlacementInput): Region | null {
  if (regions === undefined || regions.length === 1 || isKeptAtHome(quota)) return null;
  const region = overriddenRegion(request, env, regions) ?? placeCaller(request.cf as CallerLocation | undefined, regions);
  return region === undefined || region === regions[0] ? null : region;
}

/** Where a socket's slot is asked for. How many sockets there may be, and what memory they have, is counted in one place. */
export function regionOfSocket(
  input: PlacementInput & { readonly service: Pick<ServiceConfig, "sockets">; readonly flow: string },
): Region | null {
  const isCounted = isCountLimited(input.service.sockets, input.flow) || input.quota?.memoryBytesMax !== undefined;
  return isCounted ? null : regionOf(input);
}

/** Of a small bucket nothing is lent: one pool keeps it for all regions. */
function isKeptAtHome(quota: QuotaConfig | undefined): boolean {
  if (quota?.ratePerSecond === undefined || quota.mode === "shadow") return false;
  return (quota.burst ?? quota.ratePerSecond) < LENT_BURST_MIN;
}

function overriddenRegion({ headers }: Request, { IS_LOOPBACK }: PlacementInput["env"], regions: readonly Region[]): Region | undefined {
  if (IS_LOOPBACK !== "true") return undefined;
  const name = headers.get(REGION_HEADER);
  const region = REGIONS.find((known) => known === name);
  return region === undefined ? undefined : nearestOf(region, regions);
}
