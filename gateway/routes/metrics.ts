import { Hono } from "hono";
import { refuse } from "#shared/errors/refusal.ts";
import type { PoolStats } from "#shared/protocol/pool-rpc.ts";
import { quotaName, type QuotaUsage } from "#shared/protocol/quota-rpc.ts";
import type { Snapshot } from "#shared/protocol/registry-rpc.ts";
import type { AppEnv } from "../app-env.ts";
import { gatewayFamilies } from "../metrics/gateway-families.ts";
import { renderFamilies } from "../metrics/prometheus-text.ts";
import { isOperator } from "../middleware/operator-only.ts";
import { homePool, regionalPool } from "../lease/pool-call.ts";
import { renew } from "../lease/renewal.ts";
import { withRegions } from "../metrics/regional-stats.ts";
import { answerRefusal } from "../problem.ts";
import type { RequestScope } from "../request-scope.ts";

/** Pools, or quotas, asked at the same time. */
const CONCURRENCY_MAX = 32;

/** Prometheus text: what the pools counted, and what this isolate has not reported yet. Open on loopback only. */
export const metrics = new Hono<AppEnv>().get("/metrics", async (c) => {
  const credential = /^bearer +(\S+) *$/i.exec(c.req.header("authorization") ?? "")?.[1] ?? "";
  if (c.env.IS_LOOPBACK !== "true" && !(await isOperator(credential, c.env.OPERATOR_KEY_SHA256))) {
    return answerRefusal(c.var.scope, refuse("unauthorized", "Metrics are the operator's: expected Authorization: Bearer <operator key>."));
  }
  const { isolate, startedAtMs, env } = c.var.scope;
  const { snapshot } = await isolate.configuration.refresh(env, startedAtMs);
  const pools = await readPools(c.var.scope, snapshot);
  const families = gatewayFamilies({
    pools,
    tenants: await readQuotas(c.var.scope, snapshot),
    configurationVersion: snapshot.version,
    verifiedTokenCount: isolate.verifiedTokens.size,
  });
  return c.text(renderFamilies(families), 200, { "content-type": "text/plain; version=0.0.4; charset=utf-8", "cache-control": "no-store" });
});

/** Reports what this isolate has and counted before it reads: a count on its way to a pool would be in no sum, and a sum may not shrink. */
async function readPools(scope: RequestScope, { version, configuration }: Snapshot): Promise<PoolStats[]> {
  const { isolate, env } = scope;
  const services = Object.keys(configuration.services);
  const nowMs = Date.now();
  const reporting = [...isolate.leases].filter((lease) => lease.hasNews && !lease.pace.isRenewing(nowMs));
  await Promise.all(reporting.map(async (lease) => renew(scope, lease, version)));
  const edge = isolate.takeEdgeCounts();
  const telemetry = { flows: [], shards: [], edge };
  const read = async (service: string): Promise<PoolStats> => {
    const [home, ...regions] = configuration.services[service]?.regions ?? [];
    const isTold = service === services[0];
    // Home first: what it counts of a region's requests is what the region had counted before.
    const asked = homePool(env, { service, home }).stats(service, version, isTold ? telemetry : undefined);
    const ofHome = await asked.catch((error: unknown) => {
      // Whatever becomes of the others: else it is counted once more with each that fails.
      if (isTold) isolate.restoreEdgeCounts(edge);
      throw error;
    });
    return withRegions(
      ofHome,
      await Promise.all(regions.map(async (region) => ({ region, stats: await regionalPool(env, service, region).stats() }))),
    );
  };
  const pools: PoolStats[] = [];
  for (let start = 0; start < services.length; start += CONCURRENCY_MAX) {
    pools.push(...(await Promise.all(services.slice(start, start + CONCURRENCY_MAX).map(read))));
  }
  return pools;
}

/** Of tenants without a limit over all services there is none. */
async function readQuotas({ env }: RequestScope, { configuration }: Snapshot): Promise<QuotaUsage[]> {
  const tenants = Object.values(configuration.tenants).flatMap(({ tenant, total }) => (total === undefined ? [] : [tenant]));
  const usages: QuotaUsage[] = [];
  for (let start = 0; start < tenants.length; start += CONCURRENCY_MAX) {
    const asked = tenants.slice(start, start + CONCURRENCY_MAX);
    usages.push(...(await Promise.all(asked.map(async (tenant) => env.QUOTA.get(env.QUOTA.idFromName(quotaName(tenant))).usage(tenant)))));
  }
  return usages;
}
