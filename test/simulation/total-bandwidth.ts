// One tenant's bandwidth over its services: quota, pools and isolates as they run, calls that take time and fail, pools that restart and
// isolates that die, in virtual time. The shells' few lines are said again here: who asks whom when.
import { LeaseLedger } from "#durable/lease/lease-ledger.ts";
import type { LedgerPolicy } from "#durable/lease/lease-policy.ts";
import type { SharedTokens } from "#durable/lease/shared-tokens.ts";
import { lackOf, tokenDemandOf } from "#durable/pool/token-demand.ts";
import { TenantCredits } from "#durable/pool/tenant-credits.ts";
import type { QuotaConfiguration } from "#durable/quota/quota-policy.ts";
import { Quota } from "#durable/quota/quota.ts";
import { totalBandwidthOf } from "#shared/config/quota-policies.ts";
import { LeasedCredit } from "#gateway/lease/byte-credit.ts";
import { FlowBytes } from "#shared/lease/flow-bytes.ts";
import { RenewalPace } from "#gateway/lease/renewal-pace.ts";
import { byteFlowOf } from "#shared/lease/byte-flow.ts";
import { HeldLease } from "#shared/lease/held-lease.ts";
import type { Renewal, RenewalRequest } from "#shared/protocol/lease.ts";
import { TOTAL_BYTES } from "#shared/protocol/quota-rpc.ts";
import { EventClock } from "#test/support/event-clock.ts";
import { seededRandom } from "#test/wasm/seeded-random.ts";

const TENANT = "acme";
const LANE = "https://a.example";
const PIECE_BYTES = 16 * 1_024;
const CALL_MS = 5;
const CLASSES = [
  { className: "gold", weight: 3 },
  { className: "bronze", weight: 1 },
];

export interface Body {
  readonly service: string;
  readonly isolate: number;
  readonly className: string;
  /** When it begins, and ends; without end if left out. */
  readonly fromMs?: number;
  readonly untilMs?: number;
}

export interface TotalScenario {
  readonly bytesPerSecond: number;
  readonly bodies: readonly Body[];
  readonly seconds: number;
  /** Calls to the quota fail, pools restart, isolates die. */
  readonly isStormy?: boolean;
  /** All bodies rest for so long, and begin again together: then a whole burst is there. */
  readonly restMs?: number;
  /** What a canary replaces. */
  readonly sharedOf?: (credits: TenantCredits) => SharedTokens | undefined;
}

export interface TotalResult {
  readonly bytes: number;
  /** Of body, by its place in the list. */
  readonly perBody: readonly number[];
  /** Bytes of all, second by second. */
  readonly perSecond: readonly number[];
  /** The most that went beyond a burst and what was earned, over any interval: 0 at the most. */
  readonly overshoot: number;
  readonly quotaCalls: number;
  readonly faults: number;
}

interface SimPool {
  readonly service: string;
  ledger: LeaseLedger;
  credits: TenantCredits;
  life: number;
  waiting: (() => void)[];
  hasFailed: boolean;
}

export function runTotal(
  { bytesPerSecond, bodies, seconds, isStormy = false, restMs = 0, sharedOf = theirs }: TotalScenario,
  seed: number,
): TotalResult {
  const clock = new EventClock(0);
  const random = seededRandom(seed);
  const total = { bandwidthBytesPerSecond: bytesPerSecond, mode: "enforce" as const };
  const services = [...new Set(bodies.map(({ service }) => service))];
  const quota = Quota.fresh(quotaConfiguration(services, total), 0);
  const limits = { tenantsWithTotal: [], totals: { [TENANT]: total }, service: null, classes: CLASSES };
  const result = { bytes: 0, perBody: bodies.map(() => 0), perSecond: Array.from({ length: seconds }, () => 0), quotaCalls: 0, faults: 0 };
  let [lowest, overshoot] = [0, -Infinity];
  const burst = totalBandwidthOf(total)?.burstBytes ?? 0;

  const spent = (body: number, count: number): void => {
    const earned = (bytesPerSecond * clock.wallMs) / 1_000;
    lowest = Math.min(lowest, result.bytes - earned);
    result.bytes += count;
    result.perBody[body] = (result.perBody[body] ?? 0) + count;
    const second = Math.min(seconds - 1, Math.floor(clock.wallMs / 1_000));
    result.perSecond[second] = (result.perSecond[second] ?? 0) + count;
    overshoot = Math.max(overshoot, result.bytes - earned - lowest - burst);
  };

  const openCredits = (): TenantCredits => {
    const credits = new TenantCredits();
    credits.configure(limits);
    credits.tick(clock.wallMs);
    return credits;
  };
  const pools = new Map<string, SimPool>();
  const policyOf = (service: string): LedgerPolicy => ({
    capacity: 1_000,
    lanes: new Map([[LANE, 1_000]]),
    classes: new Map(CLASSES.map(({ className, weight }) => [className, { weight, reserve: 0 }])),
    flow: (name) => ({
      className: name.split("/")[1] ?? "",
      weight: 1,
      slotsMax: 0,
      rate: null,
      shared: sharedOf(pools.get(service)?.credits ?? openCredits()),
    }),
    flowChanged: () => pools.get(service)?.credits.look(`${TENANT}/gold`),
    requestDurationMsMax: 1_000,
    holdersMax: 100,
    flowsPerHolderMax: 10,
  });
  for (const service of services)
    pools.set(service, {
      service,
      ledger: new LeaseLedger(policyOf(service), 0),
      credits: openCredits(),
      life: 1,
      waiting: [],
      hasFailed: false,
    });

  /** As CreditRenewals does. */
  const ask = (pool: SimPool, wants: RenewalRequest["flows"], then: () => void): void => {
    const { credits, ledger } = pool;
    const demands = credits
      .allSharedOf(TENANT)
      .map(({ name, shared }) => tokenDemandOf(name, { shared, totals: ledger.flows.totals, wants }));
    const lease = credits.request(TENANT, demands, { holder: pool.service, life: pool.life });
    // Not twice in a row, and not the first in a life: without any answer a pool goes on without this limit, as it is meant to.
    const mayFail = isStormy && !credits.isUnknown(TENANT) && !pool.hasFailed;
    const failsAt = mayFail ? random.below(6) : 2;
    pool.hasFailed = failsAt < 2;
    result.quotaCalls += 1;
    clock.after(CALL_MS, () => {
      const renewal: Renewal | null = failsAt === 0 ? null : quota.renew(lease, clock.wallMs);
      clock.after(isStormy && random.below(8) === 0 ? 300 : CALL_MS, () => {
        credits.tick(clock.wallMs);
        if (renewal === null || failsAt === 1) credits.failed(TENANT);
        else credits.apply(TENANT, { renewal }, false);
        if (pool.credits === credits) then();
      });
    });
  };
  const settle = (pool: SimPool): void => {
    pool.credits.tick(clock.wallMs);
    const { totals } = pool.ledger.flows;
    const tokensLacked = (flows: readonly string[]): number => flows.reduce((sum, flow) => sum + totals.tokensLackOf(flow), 0);
    const tokensWanted = (flows: readonly string[]): number => flows.reduce((sum, flow) => sum + totals.tokensWantOf(flow), 0);
    if (pool.credits.due({ slots: () => 0, tokensWanted, tokensLacked }).length > 0) ask(pool, [], () => wake(pool));
  };
  const wake = (pool: SimPool): void => {
    for (const run of pool.waiting.splice(0)) run();
  };
  const renewAt = (pool: SimPool, request: RenewalRequest, answered: (renewal: Renewal) => void): void => {
    pool.credits.tick(clock.wallMs);
    const isShort = request.flows.some((flow) => lackOf(flow) > 0 && pool.credits.isEmpty(flow.flow));
    const act = (): void => {
      pool.ledger.tick(clock.wallMs);
      answered(pool.ledger.renew(request, clock.wallMs));
      settle(pool);
    };
    if (!pool.credits.isUnknown(TENANT) && !isShort) return act();
    pool.waiting.push(act);
    if (pool.waiting.length === 1) ask(pool, request.flows, () => wake(pool));
  };

  for (const pool of pools.values()) {
    const tick = (): void => {
      pool.ledger.tick(clock.wallMs);
      settle(pool);
      clock.after(1_000, tick);
    };
    tick();
  }
  const restart = (pool: SimPool): void => {
    result.faults += 1;
    pool.life += 1;
    const rows = pool.ledger.toRows();
    pool.credits = openCredits();
    pool.ledger = LeaseLedger.fromRows(policyOf(pool.service), structuredClone(rows), clock.wallMs);
    pool.waiting = [];
  };

  interface Isolate {
    held: HeldLease;
    pace: RenewalPace;
    bytes: Map<string, FlowBytes>;
    renewedAtMs: number;
    life: number;
  }
  const isolates = new Map<string, Isolate>();
  const begin = (name: string, life: number): Isolate => ({
    held: new HeldLease(`${name}-${life}`),
    pace: new RenewalPace(),
    bytes: new Map(),
    renewedAtMs: clock.wallMs - 1_000,
    life,
  });
  const renewIfDue = (isolate: Isolate, service: string, nowMs: number): void => {
    if (!isolate.pace.isDue(nowMs)) return;
    const flows = [...isolate.bytes].map(([flow, bytes]) => ({
      flow,
      want: 0,
      tokensWant: bytes.want(nowMs - isolate.renewedAtMs, nowMs),
    }));
    isolate.renewedAtMs = nowMs;
    isolate.pace.sent(nowMs);
    const request = isolate.held.request({ flows, lanes: [] }, nowMs);
    clock.after(CALL_MS, () => {
      const pool = pools.get(service);
      if (pool === undefined) return;
      renewAt(pool, request, (renewal) =>
        clock.after(CALL_MS, () => {
          isolate.held.apply(renewal, clock.wallMs);
          isolate.pace.answered(renewal.renewAfterMs);
        }),
      );
    });
  };
  for (const [index, { service, isolate: number, className, fromMs = 0, untilMs = Infinity }] of bodies.entries()) {
    const name = `${service}-${number}`;
    if (!isolates.has(name)) isolates.set(name, begin(name, 1));
    const flow = byteFlowOf(`${TENANT}/${className}`);
    let credit: LeasedCredit | null = null;
    let of: Isolate | null = null;
    const pump = (): void => {
      if (clock.wallMs >= untilMs) return;
      const isolate = isolates.get(name);
      if (isolate === undefined) return;
      if (restMs > 0 && Math.floor(clock.wallMs / restMs) % 2 === 1) return clock.after(restMs - (clock.wallMs % restMs), pump);
      if (credit === null || of !== isolate) {
        of = isolate;
        let bytes = isolate.bytes.get(flow);
        if (bytes === undefined) isolate.bytes.set(flow, (bytes = new FlowBytes(isolate.held, flow)));
        const renewNow = (nowMs: number): void => renewIfDue(isolate, service, nowMs);
        credit = new LeasedCredit({ bytes, pace: isolate.pace, renewIfDue: renewNow, now: () => clock.wallMs });
      }
      const taken = credit.take(PIECE_BYTES);
      spent(index, taken);
      clock.after(taken > 0 ? random.next() : Math.min(1_000, credit.waitMs), pump);
    };
    clock.after(fromMs, pump);
  }
  if (isStormy) {
    const storm = (): void => {
      const pool = pools.get(services[random.below(services.length)] ?? "");
      const names = [...isolates.keys()];
      const name = names[random.below(names.length)] ?? "";
      if (random.below(2) === 0 && pool !== undefined) restart(pool);
      else {
        result.faults += 1;
        isolates.set(name, begin(name, (isolates.get(name)?.life ?? 0) + 1));
      }
      clock.after(200 + random.below(3_000), storm);
    };
    clock.after(1_500, storm);
  }
  clock.until(seconds * 1_000);
  return { ...result, overshoot };
}

function theirs(credits: TenantCredits): SharedTokens | undefined {
  return credits.sharedOf(TENANT, TOTAL_BYTES);
}

function quotaConfiguration(services: readonly string[], total: NonNullable<QuotaConfiguration["total"]>): QuotaConfiguration {
  const flows = services.flatMap((service) =>
    CLASSES.map(({ className }) => [`${service}/${className}`, { className, weight: 1, mode: "enforce" as const }] as const),
  );
  return {
    version: 1,
    tenant: TENANT,
    total,
    classes: { gold: { weight: 3, reserve: 0, urgencyMin: 0 }, bronze: { weight: 1, reserve: 0, urgencyMin: 0 } },
    flows: Object.fromEntries(flows),
    requestDurationMsMax: 1_000,
  };
}
