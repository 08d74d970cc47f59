// Which of its service's pools a request asks: the one of its caller's region, where what it may use is lent there.
import type { Region } from "#shared/config/regions.ts";
import { REGIONS } from "#shared/config/regions.ts";
import type { QuotaConfig, ServiceConfig } from "#shared/config/schema.ts";
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

/** Slots are lent to regions, and a longest wait is each request's own; every other limit has one keeper, the home pool. */
function isKeptAtHome(quota: QuotaConfig | undefined): boolean {
  if (quota === undefined) return false;
  const { ratePerSecond, bandwidthBytesPerSecond, cpuSecondsPerSecond, memoryBytesMax, queueLengthMax } = quota;
  return [ratePerSecond, bandwidthBytesPerSecond, cpuSecondsPerSecond, memoryBytesMax, queueLengthMax].some((limit) => limit !== undefined);
}

function overriddenRegion({ headers }: Request, { IS_LOOPBACK }: PlacementInput["env"], regions: readonly Region[]): Region | undefined {
  if (IS_LOOPBACK !== "true") return undefined;
  const name = headers.get(REGION_HEADER);
  const region = REGIONS.find((known) => known === name);
  return region === undefined ? undefined : nearestOf(region, regions);
}
