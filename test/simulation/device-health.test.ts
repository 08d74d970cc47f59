import { describe, expect, it } from "vitest";
import { HEALTH, type HealthSettings } from "#durable/pool/health/health-settings.ts";
import { HOUR_MS, MINUTE_MS, SECOND_MS } from "#shared/units.ts";
import { DeviceHealthSimulation, type HealthResult, type Lie, type Scenario } from "./device-health-simulation.ts";

const IS_LONG = process.env["TIDEGATE_LONG"] === "1";
const SEEDS = IS_LONG ? 500 : 4;
const REPORT_MS = 10 * SECOND_MS;
const FAULT_FROM_MS = 5 * MINUTE_MS;
/** Three reports, of which the first saw half of it, and two times until a shard tells its pool. */
const FOUND_MS_MAX = 45 * SECOND_MS;

const SHARDS = Array.from({ length: 8 }, (_, index) => ({ shardId: `s-${index + 1}`, lane: index < 4 ? "a" : "b" }));
const tenantsOf = (count: number, devices: number): Scenario["tenants"] =>
  Array.from({ length: count }, (_, index) => ({ tenant: `t-${index + 1}`, devices }));
const HEALTHY: Scenario = { shards: SHARDS, tenants: tenantsOf(10, 24), badNetworks: 0.08, reportMs: REPORT_MS };

/** The worst that can be said, of one shard; elsewhere all is as good as it can be. */
const againstShard =
  (target: string): Lie =>
  ({ shardId }) =>
    shardId === target ? { latencyMs: 600_000, drops: 2 ** 40 } : { latencyMs: 0, drops: 0 };
const everywhereWorst: Lie = () => ({ latencyMs: 600_000, drops: 2 ** 40 });
const everywhereBest: Lie = () => ({ latencyMs: 0, drops: 0 });

const sum = (counts: ReadonlyMap<string, number>): number => [...counts.values()].reduce((total, count) => total + count, 0);

/** The first seed of which it is not true, with what it says; null: there is none. */
function firstFailure(
  scenario: Scenario,
  { untilMs, settings }: { untilMs: number; settings?: HealthSettings },
  check: (result: HealthResult) => void,
): string | null {
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    try {
      check(new DeviceHealthSimulation(seed, scenario, settings).run(untilMs));
    } catch (error) {
      return `seed ${seed}: ${error instanceof Error ? error.message : String(error)}`;
    }
  }
  return null;
}

const nothingIsDrained = ({ drains }: HealthResult): void => {
  if (drains.length > 0) throw new Error(`${drains[0]?.shardId} was drained after ${drains[0]?.atMs} ms`);
};

describe("devices that are well", () => {
  it(
    `never have a shard drained, though a twelfth of them have bad networks, for an hour of each of ${SEEDS} seeds`,
    { timeout: 600_000 },
    () => {
      expect(firstFailure(HEALTHY, { untilMs: HOUR_MS }, nothingIsDrained)).toBeNull();
    },
  );
});

describe("a fault", () => {
  const foundInTime = ({ drains, suspectedAtMs }: HealthResult): void => {
    if (suspectedAtMs === null || suspectedAtMs - FAULT_FROM_MS > FOUND_MS_MAX)
      throw new Error(`suspected after ${(suspectedAtMs ?? Infinity) - FAULT_FROM_MS} ms`);
    if (drains.length !== 1 || !drains[0]?.isFault) throw new Error(`drained: ${JSON.stringify(drains)}`);
  };
  const slow = { fromMs: FAULT_FROM_MS, at: "s-3", kind: "slow" } as const;

  it.for([
    { name: "of ten tenants' devices", scenario: HEALTHY },
    { name: "of three tenants' devices", scenario: { ...HEALTHY, tenants: tenantsOf(3, 60) } },
    { name: "of the only tenant's devices", scenario: { ...HEALTHY, tenants: tenantsOf(1, 160) } },
    {
      name: "though a tenant says that nothing is",
      scenario: { ...HEALTHY, tenants: [...tenantsOf(9, 24), { tenant: "liar", devices: 200, lie: everywhereBest }] },
    },
    {
      name: "though a tenant says that everything is",
      scenario: { ...HEALTHY, tenants: [...tenantsOf(9, 24), { tenant: "liar", devices: 200, lie: everywhereWorst }] },
    },
  ])("of a shard that is slow is found within 45 s, and nothing else, $name", { timeout: 600_000 }, ({ scenario }) => {
    expect(firstFailure({ ...scenario, fault: slow }, { untilMs: FAULT_FROM_MS + 10 * MINUTE_MS }, foundInTime)).toBeNull();
  });

  it("of a shard that drops is found, and nothing else", { timeout: 600_000 }, () => {
    const scenario: Scenario = { ...HEALTHY, fault: { ...slow, kind: "dropping" } };
    expect(
      firstFailure(scenario, { untilMs: FAULT_FROM_MS + 10 * MINUTE_MS }, ({ drains, suspectedAtMs }) => {
        if (suspectedAtMs === null || suspectedAtMs - FAULT_FROM_MS > 2 * MINUTE_MS) throw new Error(`suspected at ${suspectedAtMs}`);
        if (drains.length !== 1 || !drains[0]?.isFault) throw new Error(`drained: ${JSON.stringify(drains)}`);
      }),
    ).toBeNull();
  });

  /** Two endpoints with one shard each: there is nothing of its own to hold the second one against, and a new shard of it is no better. */
  const ENDPOINT: Scenario = {
    ...HEALTHY,
    shards: SHARDS.slice(3, 5),
    tenants: tenantsOf(5, 12),
    churnMs: 5 * SECOND_MS,
    fault: { fromMs: FAULT_FROM_MS, at: "b", kind: "slow" },
  };
  const seldom = ({ drains }: HealthResult): void => {
    // After 0, 20, 60, 140 and 300 minutes.
    if (drains.length > 5) throw new Error(`drained ${drains.length} times`);
  };

  it("of an endpoint, which no new shard of it mends, has its shard drained less and less often", { timeout: 600_000 }, () => {
    expect(firstFailure(ENDPOINT, { untilMs: 8 * HOUR_MS }, seldom)).toBeNull();
  });

  it("canary: is drained again and again where the pause does not grow", { timeout: 600_000 }, () => {
    expect(firstFailure(ENDPOINT, { untilMs: 8 * HOUR_MS, settings: { ...HEALTH, againMsMax: 20 * MINUTE_MS } }, seldom)).toMatch(
      /drained \d+ times/,
    );
  });
});

describe("liars", () => {
  /** Good networks: whoever leaves, or is sent away, is so by a lie. */
  const GOOD: Scenario = { ...HEALTHY, badNetworks: 0 };
  const onlyThemselves = ({ drains, left, sentAway }: HealthResult): void => {
    nothingIsDrained({ drains, left, sentAway, suspectedAtMs: null });
    const others = [...left, ...sentAway].filter(([tenant]) => !tenant.startsWith("liar"));
    if (others.length > 0) throw new Error(`${others[0]?.[0]} was moved`);
  };
  const withLiars = (count: number, devices: number, lie: Lie): Scenario => ({
    ...GOOD,
    tenants: [...tenantsOf(5, 24), ...Array.from({ length: count }, (_, index) => ({ tenant: `liar-${index}`, devices, lie }))],
  });

  it.for([
    {
      name: "one device",
      scenario: { ...GOOD, tenants: [...tenantsOf(5, 24), { tenant: "liar", devices: 24, liars: 1, lie: everywhereWorst }] },
    },
    { name: "all devices of a tenant, of one shard", scenario: withLiars(1, 200, againstShard("s-3")) },
    { name: "all devices of a tenant, of every shard", scenario: withLiars(1, 200, everywhereWorst) },
    { name: "all devices of two tenants, of one shard", scenario: withLiars(2, 200, againstShard("s-3")) },
  ])("that are $name move nobody else", { timeout: 600_000 }, ({ scenario }) => {
    expect(firstFailure(scenario, { untilMs: 20 * MINUTE_MS }, onlyThemselves)).toBeNull();
  });

  it("that are one device leave their own shard, five times in a day", () => {
    const scenario: Scenario = { ...GOOD, tenants: [{ tenant: "liar", devices: 24, liars: 1, lie: everywhereWorst }] };
    const { left } = new DeviceHealthSimulation(1, scenario).run(24 * HOUR_MS);
    // After 0, 1, 3, 7 and 15 hours.
    expect(sum(left)).toBe(5);
  });

  it("that are a thousand devices of a tenant leave once in ten seconds", { timeout: 600_000 }, () => {
    const { left } = new DeviceHealthSimulation(1, withLiars(1, 1_000, againstShard("s-3"))).run(10 * MINUTE_MS);
    expect(sum(left)).toBeGreaterThan(20);
    expect(sum(left)).toBeLessThanOrEqual(60);
  });

  it("that are alone on a shard have that one drained, now and then, and nobody else's", { timeout: 600_000 }, () => {
    const others = SHARDS.slice(0, 7).map(({ shardId }) => shardId);
    const scenario: Scenario = {
      ...GOOD,
      tenants: [
        ...tenantsOf(5, 24).map((tenant) => ({ ...tenant, on: others })),
        { tenant: "liar-1", devices: 20, on: ["s-8"], lie: againstShard("s-8") },
        { tenant: "liar-1", devices: 20, on: ["s-7"], lie: againstShard("s-8") },
      ],
    };
    const { drains, left, sentAway } = new DeviceHealthSimulation(1, scenario).run(HOUR_MS);
    expect(drains.map(({ shardId }) => shardId)).toEqual(["s-8"]);
    expect([...left.keys(), ...sentAway.keys()].every((tenant) => tenant === "liar-1")).toBe(true);
  });

  const SPOKESMAN: Scenario = {
    ...GOOD,
    tenants: [
      ...tenantsOf(5, 24).map((tenant) => ({ ...tenant, isSilent: true })),
      { tenant: "liar", devices: 100, lie: againstShard("s-3") },
    ],
  };

  it("that are the only ones that say anything move nobody else", { timeout: 600_000 }, () => {
    expect(firstFailure(SPOKESMAN, { untilMs: 20 * MINUTE_MS }, onlyThemselves)).toBeNull();
  });

  it.for([
    { name: "one tenant is enough", settings: { quorum: 1 }, scenario: SPOKESMAN },
    { name: "a tenant's word has no bound", settings: { quorum: 0.01 }, scenario: withLiars(1, 200, againstShard("s-3")) },
  ])("canary: hurt others where $name", { timeout: 600_000 }, ({ settings, scenario }) => {
    expect(firstFailure(scenario, { untilMs: 20 * MINUTE_MS, settings: { ...HEALTH, ...settings } }, onlyThemselves)).toMatch(
      /s-3 was drained/,
    );
  });

  it("canary: move all day where nobody remembers that they did", { timeout: 600_000 }, () => {
    const scenario: Scenario = { ...GOOD, tenants: [{ tenant: "liar", devices: 24, liars: 1, lie: everywhereWorst }] };
    const settings: HealthSettings = { ...HEALTH, leaveAgainMs: 0, againMsMax: 0 };
    expect(sum(new DeviceHealthSimulation(1, scenario, settings).run(HOUR_MS).left)).toBeGreaterThan(5);
  });
});
