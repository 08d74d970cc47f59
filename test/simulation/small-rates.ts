// Requests of one flow under a rate that is lent twice: a tenant's total over several services, or a class's rate over several regions. Pools,
// their calls and isolates' leases as they run, calls that take time, in virtual time; `Date` and `setTimeout` are to be faked by who runs it.
import { CreditRenewals } from "#durable/pool/credit-renewals.ts";
import { HomeLease } from "#durable/pool/home-lease.ts";
import { HomeRenewals } from "#durable/pool/home-renewals.ts";
import { configurationOf } from "#durable/pool/pool-configuration.ts";
import { Pool } from "#durable/pool/pool.ts";
import { regionalConfigurationOf } from "#durable/pool/regional-configuration.ts";
import { RegionalParts } from "#durable/pool/regional-parts.ts";
import { RegionalTelemetry } from "#durable/pool/regional-telemetry.ts";
import { quotaConfigurationOf } from "#durable/quota/quota-policy.ts";
import { Quota } from "#durable/quota/quota.ts";
import { totalRateOf } from "#shared/config/quota-policies.ts";
import type { Configuration } from "#shared/config/schema.ts";
import { validateConfiguration } from "#shared/config/validate.ts";
import { HeldLease } from "#shared/lease/held-lease.ts";
import { TokenMeter } from "#shared/lease/token-meter.ts";
import type { RenewalRequest } from "#shared/protocol/lease.ts";
import type { RenewAnswer, RenewMessage } from "#shared/protocol/pool-rpc.ts";
import { EventClock } from "#test/support/event-clock.ts";
import { kernels } from "#test/support/kernels.ts";
import { seededRandom } from "#test/wasm/seeded-random.ts";

const KEY = { kty: "OKP", crv: "Ed25519", alg: "EdDSA", kid: "k", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" };
const LANE = "https://e.example";
const FLOW = "acme/gold";
const START_MS = 1_000_000;
/** One way. */
const CALL_MS = 3;
const REGIONS = ["weur", "enam", "apac", "wnam"] as const;

export interface SmallRate {
  readonly ratePerSecond: number;
  readonly burst?: number;
  /** Requests a second at each service, or region; the first region is the home pool's. */
  readonly offered: readonly number[];
  readonly seconds: number;
  /** Isolates hold tokens; else each request asks its pool. */
  readonly hasLeases: boolean;
  readonly seed: number;
}

export interface SmallRateResult {
  readonly served: readonly number[];
  readonly offered: number;
  /** What one bucket that sees every request would have served. */
  readonly ideal: number;
  /** The most that went beyond a burst and what was earned, over any interval: 0 at the most. */
  readonly overshoot: number;
  /** Calls of a pool to the quota, or to the home pool. */
  readonly calls: number;
}

interface Place {
  readonly pool: Pool;
  /** Waits for what `acquire` of the object waits for, or its `renew`. */
  readonly ensure: (wants: RenewalRequest["flows"] | "request") => Promise<void>;
  readonly renewDue: () => void;
  /** Whether one that was refused asks again at once. */
  readonly mayAskAgain: () => boolean;
}

export async function runTotalRate(scenario: SmallRate, setTime: (atMs: number) => void): Promise<SmallRateResult> {
  const { ratePerSecond, burst, offered } = scenario;
  const services = offered.map((_, index) => `s${index}`);
  const total = { ratePerSecond, ...(burst === undefined ? {} : { burst }) };
  const configuration = configurationWith(services, { total, services: Object.fromEntries(services.map((name) => [name, { gold: {} }])) });
  const quota = Quota.fresh(quotaConfigurationOf(configuration, "acme", 1), START_MS);
  const places = (later: Later): readonly Place[] =>
    services.map((name) => {
      const pool = new Pool(kernels({ memoryBytes: 2 * 2 ** 20 }), START_MS);
      pool.configure(configurationOf(name, 1, configuration), { nextNumber: 1, nowMs: START_MS });
      const renew = later(({ lease }: { lease: RenewalRequest }) => ({ renewal: quota.renew(lease, Date.now()), configurationVersion: 1 }));
      const renewals = new CreditRenewals(pool, { quotaOf: () => ({ renew }), life: () => 1, onChanged: () => undefined });
      const request = [{ flow: FLOW, want: 1, tokensWant: 1, tokensNow: 1 }];
      return {
        pool,
        ensure: async (wants) => renewals.ensure(wants === "request" ? request : wants, Date.now()),
        renewDue: () => renewals.renewDue(Date.now()),
        mayAskAgain: () => false,
      };
    });
  return run(places, { ...scenario, burst: totalRateOf(total)?.burst ?? 0 }, setTime);
}

export async function runRegionalRate(scenario: SmallRate, setTime: (atMs: number) => void): Promise<SmallRateResult> {
  const { ratePerSecond, burst = ratePerSecond, offered } = scenario;
  const regions = REGIONS.slice(0, offered.length);
  const configuration = configurationWith(["svc"], { services: { svc: { gold: { ratePerSecond, burst } } } }, regions);
  const home = new Pool(kernels({ memoryBytes: 2 * 2 ** 20 }), START_MS);
  home.configure(configurationOf("svc", 1, configuration), { nextNumber: 1, nowMs: START_MS });
  const regionOf = (region: (typeof REGIONS)[number], later: Later): Place => {
    const lease = new HomeLease();
    const pool = new Pool(kernels({ memoryBytes: 2 * 2 ** 20 }), START_MS, new RegionalParts(lease));
    pool.configure(regionalConfigurationOf({ name: "svc", region }, 1, configuration), { nextNumber: null, nowMs: START_MS });
    const renew = later((message: RenewMessage): RenewAnswer => {
      const answer = home.renew(message.lease, Date.now());
      return { ...answer, table: home.routes.tableFor(message.tableVersion), configurationVersion: 1 };
    });
    const onAnswer = ({ table }: RenewAnswer): void => {
      if (table === null || table.version <= pool.routes.version) return;
      pool.routes.load(
        table.shards.map((shard) => ({ ...shard, state: "active" as const })),
        table.version,
      );
      pool.policyChanged(Date.now());
    };
    const telemetry = new RegionalTelemetry();
    const sockets = { list: () => ({ handed: [], fresh: new Set<string>() }), settle: () => undefined };
    const input = { homeOf: () => ({ renew }), home: lease, telemetry, sockets: () => sockets, life: () => 1, onAnswer };
    const renewals = new HomeRenewals(pool, input);
    const request = [{ flow: FLOW, want: 1, tokens: 1, tokensNow: 1 }];
    return {
      pool,
      mayAskAgain: () => lease.isUnknown(request),
      ensure: async (flows) => {
        const wants =
          flows === "request"
            ? request
            : flows.map(({ flow, want, tokensWant, tokensHeld }) => ({ flow, want, tokens: Math.max(0, tokensWant - tokensHeld) }));
        await renewals.ensure(wants, Date.now());
      },
      renewDue: () => renewals.renewDue(Date.now()),
    };
  };
  const places = (later: Later): readonly Place[] => [
    { pool: home, ensure: () => Promise.resolve(), renewDue: () => undefined, mayAskAgain: () => false },
    ...regions.slice(1).map((region) => regionOf(region, later)),
  ];
  return run(places, { ...scenario, burst }, setTime);
}

type Later = <Request, Answer>(answer: (request: Request) => Answer) => (request: Request) => Promise<Answer>;

async function run(
  placesOf: (later: Later) => readonly Place[],
  { ratePerSecond, burst, offered, seconds, hasLeases, seed }: SmallRate & { readonly burst: number },
  setTime: (atMs: number) => void,
): Promise<SmallRateResult> {
  const clock = new EventClock(START_MS);
  const random = seededRandom(seed);
  let calls = 0;
  const later: Later = (answer) => (request) => {
    calls += 1;
    return new Promise((resolve) => {
      clock.after(CALL_MS, () => {
        const answered = answer(request);
        clock.after(CALL_MS, () => resolve(answered));
      });
    });
  };
  setTime(START_MS);
  const places = placesOf(later);
  const served = places.map(() => 0);
  const [arrivedAtMs, servedAtMs]: [number[], number[]] = [[], []];
  let names = 0;
  for (const [index, { pool, ensure, renewDue, mayAskAgain }] of places.entries()) {
    const [held, meter] = [new HeldLease(`isolate-${index}`), new TokenMeter()];
    let [renewAtMs, sentAtMs, dryUntilMs, isRenewing] = [0, START_MS - 1_000, 0, false];
    const settle = (): void => {
      renewDue();
      pool.decide(clock.wallMs);
      pool.ledger.takeChanges();
    };
    const renew = async (): Promise<void> => {
      if (isRenewing || clock.wallMs < renewAtMs) return;
      isRenewing = true;
      const tokensWant = meter.want(clock.wallMs - sentAtMs);
      sentAtMs = clock.wallMs;
      const request = held.request({ flows: [{ flow: FLOW, want: 2, tokensWant }], lanes: [{ lane: LANE, want: 2 }] }, clock.wallMs);
      await ensure(request.flows);
      const { lease } = pool.renew(request, clock.wallMs);
      held.apply(lease, clock.wallMs);
      renewAtMs = clock.wallMs + lease.renewAfterMs;
      isRenewing = false;
      settle();
    };
    const ask = async (): Promise<boolean> => {
      if (clock.wallMs < dryUntilMs) return false;
      const slotId = `${index}-${(names += 1)}`;
      const named = { slotId, holder: `isolate-${index}`, service: pool.configuration.name, flow: FLOW, affinityKey: null } as const;
      const request = { ...named, urgency: 3, kind: "request", waitMsMax: 1_000, configurationVersion: 1 } as const;
      await ensure("request");
      let verdict = pool.acquire(request, clock.wallMs);
      for (let turn = 1; turn < 3 && verdict?.dry !== undefined && mayAskAgain(); turn += 1) {
        await ensure("request");
        verdict = pool.acquire(request, clock.wallMs);
      }
      settle();
      if (verdict?.dry !== undefined) dryUntilMs = clock.wallMs + verdict.dry.forMs;
      pool.giveBack([slotId], `isolate-${index}`, clock.wallMs);
      return verdict === null || verdict.ok;
    };
    const arrive = async (): Promise<void> => {
      arrivedAtMs.push(clock.wallMs);
      const isHeld = hasLeases && held.spend(FLOW, 1, clock.wallMs) === 1;
      if (isHeld) meter.spend(1);
      else meter.lack(1);
      if (!isHeld && !(await ask())) return;
      served[index] = (served[index] ?? 0) + 1;
      servedAtMs.push(clock.wallMs);
    };
    const next = (): void => clock.after((random.exponential() * 1_000) / (offered[index] ?? 1), () => (void arrive(), next()));
    const every = (ms: number, act: () => void): void => clock.after(ms, () => (act(), every(ms, act)));
    next();
    every(1_000, settle);
    if (hasLeases) every(20, () => void renew());
  }
  for (let atMs = START_MS; atMs < START_MS + seconds * 1_000; atMs += 1) {
    setTime(atMs);
    clock.until(atMs);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return {
    served,
    offered: arrivedAtMs.length,
    ideal: idealOf(arrivedAtMs, ratePerSecond, burst),
    overshoot: overshootOf(servedAtMs, ratePerSecond, burst),
    calls,
  };
}

function idealOf(arrivedAtMs: readonly number[], ratePerSecond: number, burst: number): number {
  let [tokens, lastMs, count] = [burst, START_MS, 0];
  for (const atMs of arrivedAtMs) {
    tokens = Math.min(burst, tokens + ((atMs - lastMs) * ratePerSecond) / 1_000);
    lastMs = atMs;
    if (tokens < 1) continue;
    tokens -= 1;
    count += 1;
  }
  return count;
}

function overshootOf(servedAtMs: readonly number[], ratePerSecond: number, burst: number): number {
  let [lowest, overshoot] = [Infinity, -Infinity];
  for (const [index, atMs] of servedAtMs.entries()) {
    const earned = ((atMs - START_MS) * ratePerSecond) / 1_000;
    lowest = Math.min(lowest, index - earned);
    overshoot = Math.max(overshoot, index + 1 - earned - lowest - burst);
  }
  return overshoot;
}

function configurationWith(services: readonly string[], tenant: object, regions?: readonly string[]): Configuration {
  const validated = validateConfiguration([
    { file: "classes.yaml", document: { classes: { gold: { weight: 1, reserve: 0 } } } },
    ...services.map((service) => ({
      file: `services/${service}.yaml`,
      document: { service, endpoints: [{ url: LANE, capacity: 1_000 }], ...(regions !== undefined && { regions }) },
    })),
    { file: "tenants/acme.yaml", document: { tenant: "acme", keys: { jwks: [KEY] }, ...tenant } },
  ]);
  if (!validated.ok) throw new Error(JSON.stringify(validated.errors));
  return validated.configuration;
}
