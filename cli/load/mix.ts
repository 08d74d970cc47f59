// Who arrives: the mix over tenants, services, classes, urgencies and ways in. Stated in --help and in the report.
import type { ActiveConfiguration } from "../gateway-api.ts";
import type { Random } from "./random.ts";

export interface Caller {
  readonly tenant: string;
  readonly device: string;
  readonly service: string;
  readonly className: string;
}

export type Way = "GET" | "POST" | "socket";

export interface Arrival extends Caller {
  readonly urgency: number;
  readonly way: Way;
}

export interface Mix {
  readonly tenants: readonly TenantShare[];
  readonly devicesPerTenant: number;
  readonly socketsShare: number;
}

export interface TenantShare {
  readonly tenant: string;
  /** Classes of each service, highest first. */
  readonly services: readonly { readonly service: string; readonly classes: readonly string[] }[];
}

export const POST_BODY_BYTES = 1_024;
export const MESSAGES_PER_SOCKET = 5;
const URGENCIES = [
  { urgency: 3, weight: 70 },
  { urgency: 1, weight: 15 },
  { urgency: 5, weight: 15 },
] as const;
const METHODS = [
  { way: "GET", weight: 80 },
  { way: "POST", weight: 20 },
] as const;

export const MIX_HELP = `The mix: tenants evenly; services evenly among the tenant's; classes 1:2:4 from the highest to the lowest that the
tenant has there; Priority u=3 70 %, u=1 15 %, u=5 15 %; 80 % GET, 20 % POST with ${POST_BODY_BYTES} bytes; of all arrivals
--sockets-share opens a WebSocket, sends ${MESSAGES_PER_SOCKET} messages one after another, each after the last one's echo, and closes.`;

/** What each tenant whose keys are at hand may reach; `missing` are those whose keys are not. */
export function tenantShares(
  { classes, services, tenants }: ActiveConfiguration["configuration"],
  tenantsWithKeys: readonly string[],
): { shares: TenantShare[]; missing: string[] } {
  const classOrder = Object.keys(classes);
  const reachable = Object.entries(tenants)
    .map(([tenant, { services: quotas }]) => ({
      tenant,
      services: Object.keys(services)
        .map((service) => ({ service, classes: classOrder.filter((name) => Object.hasOwn(quotas[service] ?? {}, name)) }))
        .filter((entry) => entry.classes.length > 0),
    }))
    .filter((share) => share.services.length > 0);
  return {
    shares: reachable.filter(({ tenant }) => tenantsWithKeys.includes(tenant)),
    missing: reachable.map(({ tenant }) => tenant).filter((tenant) => !tenantsWithKeys.includes(tenant)),
  };
}

/** Draws one arrival; always the same number of random numbers for the same mix. */
export function drawArrival({ tenants, devicesPerTenant, socketsShare }: Mix, random: Random): Arrival {
  const { tenant, services } = pick(tenants, random);
  const { service, classes } = pick(services, random);
  const className = classes[random.weighted(classes.map((_, rank) => 2 ** rank))] ?? "";
  const device = `d-${random.below(devicesPerTenant) + 1}`;
  const { urgency } = URGENCIES[random.weighted(URGENCIES.map(({ weight }) => weight))] ?? URGENCIES[0];
  const isSocket = random.uniform() < socketsShare;
  const { way } = METHODS[random.weighted(METHODS.map(({ weight }) => weight))] ?? METHODS[0];
  return { tenant, device, service, className, urgency, way: isSocket ? "socket" : way };
}

/** The mix as the report states it. */
export function describeMix({ tenants, devicesPerTenant, socketsShare }: Mix): Record<string, unknown> {
  const share = (weights: readonly { weight: number }[], weight: number): number =>
    weight / weights.reduce((sum, entry) => sum + entry.weight, 0);
  return {
    tenants: Object.fromEntries(
      tenants.map(({ tenant, services }) => [tenant, Object.fromEntries(services.map(({ service, classes }) => [service, classes]))]),
    ),
    devicesPerTenant,
    classWeights: "doubling from the highest class to the lowest",
    urgencies: Object.fromEntries(URGENCIES.map(({ urgency, weight }) => [urgency, share(URGENCIES, weight)])),
    methods: Object.fromEntries(METHODS.map(({ way, weight }) => [way, share(METHODS, weight)])),
    postBodyBytes: POST_BODY_BYTES,
    socketsShare,
    messagesPerSocket: MESSAGES_PER_SOCKET,
  };
}

function pick<T>(items: readonly T[], random: Random): T {
  const item = items[random.below(items.length)];
  if (item === undefined) throw new RangeError("Cannot pick from a list: it is empty, expected at least one item");
  return item;
}
