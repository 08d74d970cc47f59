import { expect, it } from "vitest";
import { Random } from "#cli/load/random.ts";
import { plan, type Plan, type PlanInput, type PlanPolicy } from "#durable/pool/planner.ts";
import type { DemandForecast } from "#durable/pool/plan/demand-forecast.ts";
import { beyondOf } from "#durable/pool/plan/busiest.ts";
import { AT, newPlannerState, OWN_SHADOW, readPlannerState, type PlannerState } from "#durable/pool/plan/planner-state.ts";
import { EXCEEDANCES, FAMILIES, newLevels, setLevels } from "#durable/pool/plan/rungs.ts";
import { PLAN_STEP_MS } from "#durable/pool/plan/settings.ts";
import { trendOf } from "#durable/pool/plan/trend.ts";
import { askFor } from "#shared/forecast/minute-demand.ts";
import { KIB_BYTES } from "#shared/units.ts";

const POLICY: PlanPolicy = {
  shortfallRatio: 0.001,
  drainPrice: 0,
  startMsPrior: 60_000,
  shardSlots: 50,
  countMin: 1,
  countMax: 10_000,
  stepMax: 10_000,
  warmCount: 0,
  costPerHourMax: Infinity,
  pricePerHour: 0,
};

/** Says so at every horizon. */
function saying(soonAt: (p: number) => number, mostAt = soonAt): DemandForecast {
  return {
    quantiles: (_, { probabilities, soon, most }) => {
      soon.set(probabilities.map(soonAt));
      most.set(probabilities.map(mostAt));
    },
  };
}

/** Log-normal demand about `slots`; the maximum until then is a little more. */
const forecastOf = (slots: number, sd = 0.1): DemandForecast => {
  const at = (p: number): number => slots * Math.exp(sd * normalQuantile(p));
  return saying(at, (p) => 1.05 * at(p));
};

/** For certain. */
const sureOf = (soon: number, most = soon): DemandForecast =>
  saying(
    () => soon,
    () => most,
  );

/** Good to some thousandths, and rising: enough for a test's forecast. */
function normalQuantile(p: number): number {
  if (p > 0.5) return -normalQuantile(1 - p);
  const t = Math.sqrt(-2 * Math.log(p));
  return -(t - (2.30753 + 0.27061 * t) / (1 + 0.99229 * t + 0.04481 * t * t));
}

interface Service {
  readonly state: PlannerState;
  fleet: { count: number; readyCount: number } | null;
  nowMs: number;
}

const serviceOf = (fleet: Service["fleet"] = { count: 1, readyCount: 1 }): Service => ({
  state: newPlannerState(POLICY.startMsPrior),
  fleet,
  nowMs: Date.UTC(2026, 0, 5),
});

/** One plan, done at once. */
function step(service: Service, slots: number, input: Partial<PlanInput> = {}): Plan {
  service.nowMs += PLAN_STEP_MS;
  const planned = plan(service.state, {
    nowMs: service.nowMs,
    policy: POLICY,
    forecast: forecastOf(slots),
    wantedSlots: Array.from({ length: 5 }, () => slots),
    fleet: service.fleet,
    startsMs: [],
    ...input,
  });
  if (service.fleet !== null) service.fleet = { count: planned.count, readyCount: planned.count };
  return planned;
}

/** What no plan may do, in words; empty where it does none of it. */
function faultsOf(planned: Plan, { policy, fleet, wantedSlots }: PlanInput): string[] {
  const { countMin, countMax, stepMax, warmCount, costPerHourMax, pricePerHour, shardSlots } = policy;
  const before = fleet?.count ?? 0;
  const need = wantedSlots.reduce((sum, slots) => sum + slots, 0) / wantedSlots.length / shardSlots;
  const paid = pricePerHour > 0 ? Math.floor(costPerHourMax / pricePerHour) : Infinity;
  const reachable = (count: number): number => Math.min(before + stepMax, Math.max(before - stepMax, count));
  const least = reachable(Math.min(paid, countMax, Math.max(countMin, Math.floor(0.715 * need + 0.5))));
  return [
    planned.count < least ? `below the floor: ${planned.count} of ${least}` : "",
    planned.count > Math.max(reachable(countMax), before) ? "above countMax" : "",
    Math.abs(planned.count - before) > stepMax ? "further than stepMax" : "",
    planned.count > before && planned.count + planned.warmCount > paid ? "dearer than costPerHourMax" : "",
    planned.warmCount > warmCount ? "more warm shards than asked for" : "",
    Number.isInteger(planned.count) && planned.count >= 0 ? "" : "no whole count",
  ].filter((fault) => fault !== "");
}

function randomInputs(seed: number, check: (planned: Plan, input: PlanInput) => void): void {
  const random = new Random(seed);
  const service = serviceOf();
  for (let round = 0; round < 2_000; round++) {
    const countMin = random.below(4);
    const policy = {
      ...POLICY,
      shortfallRatio: [0, 1e-4, 1e-3, 1e-2, 0.5][random.below(5)] ?? 0,
      drainPrice: random.below(2) * 0.1,
      countMin,
      countMax: countMin + 1 + random.below(60),
      stepMax: 1 + random.below(20),
      warmCount: random.below(4),
      costPerHourMax: random.below(10),
      pricePerHour: random.below(2) * 0.2,
    };
    const slots = random.uniform() < 0.1 ? 0 : 4_000 * random.uniform() ** 2;
    const fleet = { count: random.below(60), readyCount: 0 };
    fleet.readyCount = random.below(fleet.count + 1);
    service.nowMs += random.below(3) * PLAN_STEP_MS + (random.uniform() < 0.01 ? -3_600_000 : 0);
    const input: PlanInput = {
      nowMs: service.nowMs,
      policy,
      // Right, far too low, far too high.
      forecast: forecastOf(slots * ([1, 0.01, 50][random.below(3)] ?? 1), 0.05 + random.uniform()),
      wantedSlots: Array.from({ length: 1 + random.below(6) }, () => slots * (0.5 + random.uniform())),
      fleet,
      startsMs: random.uniform() < 0.05 ? [random.below(900_000)] : [],
    };
    check(plan(service.state, input), input);
  }
}

it.for([1, 2, 3])("stays within every bound and never below the floor, whatever is forecast (seed %i)", (seed) => {
  randomInputs(seed, (planned, input) => expect(faultsOf(planned, input)).toEqual([]));
});

it("canary: a planner that trusts the forecast alone is found", () => {
  const found = new Set<string>();
  randomInputs(4, (planned, input) => {
    const asked = askFor(Float64Array.of(0.5));
    input.forecast.quantiles(0, asked);
    const trusting = { ...planned, count: Math.max(1, Math.round((asked.soon[0] ?? 0) / 50)) };
    for (const fault of faultsOf(trusting, input)) found.add(fault.replace(/:.*/, ""));
  });
  expect([...found]).toEqual(expect.arrayContaining(["below the floor", "above countMax", "further than stepMax"]));
});

it.for([
  { slots: 0, startMs: 0 },
  { slots: 40, startMs: 10_000 },
  { slots: 1_000, startMs: 60_000 },
  { slots: 20_000, startMs: 900_000 },
])("provides more on every rung from bold to careful ($slots slots)", ({ slots, startMs }) => {
  const levels = newLevels();
  setLevels(levels, {
    forecast: forecastOf(slots, 0.2),
    startMs,
    shardSlots: 50,
    need: slots / 50,
    trend: slots / 50,
    ceiling: (3 * slots) / 50 + 1,
    least: 1,
  });
  for (const { first, end } of FAMILIES) {
    for (let rung = first; rung < end; rung++) {
      expect(levels.down[rung]).toBeGreaterThanOrEqual(levels.up[rung] ?? Infinity);
      if (rung === first) continue;
      expect(levels.up[rung]).toBeGreaterThanOrEqual(levels.up[rung - 1] ?? Infinity);
      expect(EXCEEDANCES[rung]).toBeLessThan(EXCEEDANCES[rung - 1] ?? 0);
    }
  }
});

it("starts shard k + 1 where demand in its slab is likelier than p, exactly so for a forecast without doubt", () => {
  const levels = newLevels();
  const upAt = (slots: number): number[] => {
    setLevels(levels, { forecast: sureOf(slots), startMs: 60_000, shardSlots: 50, need: 0, trend: 0, ceiling: 100, least: 1 });
    return [5, 10, 16].map((rung) => levels.up[rung] ?? 0); // p = .5, .1, .01
  };
  // 4.3 shards: the fifth is used for .3 of it.
  expect(upAt(4.3 * 50)).toEqual([4, 5, 5]);
  expect(upAt(4.05 * 50)).toEqual([4, 4, 5]);
  expect(upAt(4 * 50)).toEqual([4, 4, 4]);
});

/** Hours at `slots`, with noise of its root, as occupancy has it. */
function calm(service: Service, { hours, slots, seed = 1 }: { hours: number; slots: number; seed?: number }): void {
  const random = new Random(seed);
  for (let round = 0; round < hours * 360; round++)
    step(service, slots + Math.sqrt(slots) * random.normal(), { forecast: forecastOf(slots) });
}

it.for([
  // Measured 1,000, 300 more than ten seconds ago: by the time that a shard serves another 300 × (start-up + 1.5 steps).
  { startMs: 0, least: 29 },
  { startMs: 10_000, least: 35 },
  // At most twice what is measured, and never further than a minute.
  { startMs: 600_000, least: 40 },
])("follows a rise to when a shard would serve, before the forecaster believes it ($startMs ms)", ({ startMs, least }) => {
  const service = serviceOf();
  const policy = { ...POLICY, startMsPrior: startMs };
  service.state.scalars[AT.startMs] = startMs;
  calm(service, { hours: 2, slots: 700 });
  step(service, 700, { policy, forecast: forecastOf(700) });
  const planned = step(service, 1_000, { policy, forecast: forecastOf(700) });
  expect(planned.count).toBeGreaterThanOrEqual(least - 1);
  expect(planned.count).toBeLessThanOrEqual(least + 1);
});

it("takes noise for no rise", () => {
  const service = serviceOf();
  calm(service, { hours: 24, slots: 700 });
  const random = new Random(2);
  const state = service.state;
  let followed = 0;
  for (let round = 0; round < 1_000; round++) {
    const needSlots = 700 + Math.sqrt(700) * random.normal();
    if (trendOf(state, { needSlots, seconds: 10, startMs: 60_000 }) > needSlots) followed++;
  }
  // Three deviations: one in 700.
  expect(followed).toBeLessThan(10);
});

it("leaves room where demand is beyond all that was seen, in the plan and in no shadow", () => {
  const [usual, beyond] = [serviceOf(), serviceOf()];
  for (const service of [usual, beyond]) {
    calm(service, { hours: 60, slots: 500 });
    service.state.scalars[AT.startMs] = 900_000;
  }
  // The same now, with another past: it was as busy two days ago.
  usual.state.busiest[((usual.state.scalars[AT.hourIndex] ?? 0) - 48) % usual.state.busiest.length] = 60;
  const planned = [usual, beyond].map((service) => {
    let last = step(service, 2_000, { forecast: forecastOf(2_000, 0.01) });
    for (let round = 0; round < 60; round++) last = step(service, 2_000, { forecast: forecastOf(2_000, 0.01) });
    return last;
  });
  expect(planned[0]?.count).toBeLessThanOrEqual(45);
  // Four times as much as ever: room for twice that, less where the rung is bold.
  expect(planned[1]?.count).toBeGreaterThanOrEqual(55);
  expect(planned[1]?.count).toBeLessThanOrEqual(80);
  const rungsOf = ({ state }: Service): number[] => [...state.count.subarray(0, OWN_SHADOW)];
  expect(rungsOf(beyond)).toEqual(rungsOf(usual));
});

it("holds a plan that is only shown against what itself would have left", () => {
  const service = serviceOf(null);
  const policy = { ...POLICY, countMax: 4 };
  const certain = { forecast: forecastOf(500, 0.01), policy };
  for (let round = 0; round < 20; round++) step(service, 500, certain);
  const { hourSeen, hourLoad } = AT;
  const [seen = 0, load = 0] = [service.state.scalars[hourSeen], service.state.scalars[hourLoad]];
  for (let round = 0; round < 20; round++) step(service, 500, certain);
  // Four shards of the ten that are wanted, whatever its rung's shadow has.
  expect((service.state.scalars[hourSeen] ?? 0) - seen).toBeCloseTo(0.6 * ((service.state.scalars[hourLoad] ?? 0) - load), 6);
});

it("knows no record before two days have been seen", () => {
  const service = serviceOf();
  calm(service, { hours: 40, slots: 500 });
  expect(beyondOf(service.state)).toBe(1);
  service.state.scalars[AT.startMs] = 900_000;
  for (let round = 0; round < 60; round++) step(service, 2_000, { forecast: forecastOf(2_000, 0.01) });
  expect(beyondOf(service.state)).toBe(1);
});

it("keeps a shard that may be needed before a new one could be ready", () => {
  const service = serviceOf({ count: 12, readyCount: 12 });
  const soon = sureOf(500, 590);
  const planned = step(service, 500, { forecast: soon });
  expect(planned).toMatchObject({ count: 12, reason: "hold" });
  expect(step(service, 500, { forecast: sureOf(500) })).toMatchObject({ count: 10, reason: "surplus" });
});

it("drains a shard only after it has stood idle for what a drain costs", () => {
  const service = serviceOf({ count: 20, readyCount: 20 });
  const policy = { ...POLICY, drainPrice: 45 / 3_600 };
  const counts = Array.from({ length: 6 }, () => step(service, 500, { policy }).count);
  // At 10, 20, 30 and 40 seconds it has not.
  expect(counts.slice(0, 4)).toEqual([20, 20, 20, 20]);
  expect(counts[4]).toBeLessThan(20);
});

it("accepts no shortfall below what is needed now", () => {
  const service = serviceOf();
  const wrong = forecastOf(1);
  for (const slots of [10, 499, 500, 501, 3_000]) {
    expect(step(service, slots, { policy: { ...POLICY, shortfallRatio: 0 }, forecast: wrong }).count).toBeGreaterThanOrEqual(slots / 50);
  }
});

it.for([Number.NaN, -5, Infinity])("follows what is measured where the forecaster says %d", (said) => {
  const service = serviceOf();
  const broken = sureOf(said);
  for (const slots of [10, 500, 3_000, 0, 700]) {
    const planned = step(service, slots, { forecast: broken });
    expect(planned.count).toBeGreaterThanOrEqual(Math.floor(slots / 50));
    // And the ceiling ends it: three times the busiest minute, one shard, and the stretch of a rung.
    expect(planned.count).toBeLessThanOrEqual((3 * 3_000) / 50 + 2);
  }
});

it("counts warm shards in the cost, and gives them up first", () => {
  const policy = { ...POLICY, warmCount: 3, pricePerHour: 1, costPerHourMax: 14 };
  const certain = sureOf(600);
  expect(step(serviceOf(), 600, { policy, forecast: certain })).toMatchObject({ count: 12, warmCount: 2, reason: "forecast" });
  expect(step(serviceOf(), 600, { policy: { ...policy, costPerHourMax: 8 }, forecast: certain })).toMatchObject({
    count: 8,
    warmCount: 0,
    reason: "costPerHourMax",
  });
});

it("lets a service sleep that nobody wants, where it may", () => {
  const nobody = sureOf(0);
  const asleep = { ...POLICY, countMin: 0 };
  expect(step(serviceOf(), 0, { forecast: nobody, policy: asleep }).count).toBe(0);
  expect(step(serviceOf(), 0, { forecast: nobody }).count).toBe(1);
  // Woken by the first slot that is wanted, or by a forecast.
  expect(step(serviceOf({ count: 0, readyCount: 0 }), 1, { forecast: nobody, policy: asleep }).count).toBe(1);
  expect(step(serviceOf({ count: 0, readyCount: 0 }), 0, { forecast: forecastOf(60), policy: asleep }).count).toBeGreaterThanOrEqual(1);
});

it("learns the start-up time", () => {
  const service = serviceOf();
  expect(step(service, 100).startMs).toBe(60_000);
  expect(step(service, 100, { startsMs: [300_000] }).startMs).toBe(300_000);
  expect(step(service, 100, { startsMs: Array.from({ length: 40 }, () => 20_000) }).startMs).toBe(20_000);
  // One in ten may be slow.
  expect(step(service, 100, { startsMs: [900_000, 900_000] }).startMs).toBe(20_000);
  expect(step(service, 100, { startsMs: Array.from({ length: 4 }, () => 900_000) }).startMs).toBe(900_000);
});

it("is the same after being stored, and forgets what it cannot read", () => {
  const service = serviceOf();
  const random = new Random(9);
  for (let round = 0; round < 1_000; round++) step(service, 300 + 200 * random.uniform());
  const { bytes } = service.state;
  expect(bytes.length).toBeLessThanOrEqual(64 * KIB_BYTES);
  const restored = readPlannerState(bytes.slice());
  if (restored === null) throw new Error("the state is readable");
  const twin: Service = { ...service, state: restored };
  for (let round = 0; round < 500; round++) {
    const slots = 300 + 400 * random.uniform();
    expect(step(twin, slots)).toEqual(step(service, slots));
  }
  expect(readPlannerState(bytes.slice(1))).toBeNull();
  expect(readPlannerState(new Uint8Array(bytes.length))).toBeNull();
  expect(readPlannerState(new Uint8Array(bytes.length).fill(255))).toBeNull();
});
