// What the minutes' forecaster promises, through the kernel; the twin says the same (fine-conformance.test.ts).
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { askFor, QUANTILE_COUNT_MAX, UPLIFT_LOG_MAX } from "#shared/forecast/minute-demand.ts";
import { FineForecaster } from "#wasm/binding/forecast/fine-forecaster.ts";
import { kernels } from "../../support/kernels.ts";
import { seededRandom } from "../seeded-random.ts";

const STEP_MS = 10_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const HORIZONS_MS = [MINUTE_MS, 5 * MINUTE_MS, HOUR_MS];
const START_MS = Date.UTC(2026, 0, 5);

function forecasterOf({
  stepMs = STEP_MS,
  horizonsMs = HORIZONS_MS,
}: { stepMs?: number; horizonsMs?: readonly number[] } = {}): FineForecaster {
  return new FineForecaster(kernels(), { stepMs, horizonsMs });
}

/** A day's shape times a log-normal error. */
function dailyLevel(timeMs: number): number {
  return 300 * Math.exp(0.8 * Math.sin((2 * Math.PI * timeMs) / DAY_MS));
}

interface Calibration {
  readonly values: Float64Array;
  readonly stepMs: number;
  /** Bins before the first forecast that counts. */
  readonly learning: number;
  readonly horizonsMs: readonly number[];
  readonly ask: (horizonMs: number) => number;
  readonly actual: (at: number, steps: number) => number;
}

/** How often what came stayed at or below what was said, by horizon. */
function sharesBelow(forecaster: FineForecaster, { values, stepMs, learning, horizonsMs, ask, actual }: Calibration): number[] {
  const [below, counts] = [horizonsMs.map(() => 0), horizonsMs.map(() => 0)];
  for (const [bin, value] of values.entries()) {
    forecaster.observe(value, START_MS + bin * stepMs);
    if (bin < learning || bin % 7 !== 0) continue;
    for (const [index, horizonMs] of horizonsMs.entries()) {
      const steps = Math.round(horizonMs / stepMs);
      if (bin + steps >= values.length) continue;
      counts[index] = (counts[index] ?? 0) + 1;
      if (actual(bin, steps) <= ask(horizonMs)) below[index] = (below[index] ?? 0) + 1;
    }
  }
  return below.map((count, index) => count / (counts[index] ?? 1));
}

describe("fine forecaster", () => {
  it("says the first value for every horizon, between wide bounds, and 0 before any", () => {
    const forecaster = forecasterOf();
    expect(forecaster.quantile(HOUR_MS, 0.9)).toBe(0);
    forecaster.observe(100, START_MS);
    for (const { mean, lower, upper } of forecaster.profile([...HORIZONS_MS, 6 * HOUR_MS])) {
      expect(mean).toBeCloseTo(100, 3);
      expect(lower).toBeLessThan(60);
      expect(upper).toBeGreaterThan(135);
    }
  });

  it.for([
    { name: "independent errors about a day's shape", noise: () => 0.3, seed: 1 },
    {
      name: "errors that are larger by night",
      noise: (timeMs: number) => (Math.sin((2 * Math.PI * timeMs) / DAY_MS) < 0 ? 0.5 : 0.1),
      seed: 2,
    },
    { name: "one that wanders too", noise: () => 0.15, seed: 3, walk: 0.02 },
  ])("keeps to every probability: $name", ({ noise, seed, walk = 0 }) => {
    const stepMs = MINUTE_MS;
    const random = seededRandom(seed);
    let drift = 0;
    const values = Float64Array.from({ length: 16 * 1_440 }, (_, bin) => {
      const timeMs = START_MS + bin * stepMs;
      drift = 0.999 * drift + walk * random.normal();
      return dailyLevel(timeMs) * Math.exp(drift + noise(timeMs) * random.normal());
    });
    for (const p of [0.025, 0.25, 0.5, 0.9, 0.975]) {
      const forecaster = forecasterOf({ stepMs });
      const ask = (horizonMs: number): number => forecaster.quantile(horizonMs, p);
      const actual = (at: number, steps: number): number => values[at + steps] ?? 0;
      const shares = sharesBelow(forecaster, { values, stepMs, learning: 6 * 1_440, horizonsMs: HORIZONS_MS, ask, actual });
      const tolerance = 0.012 + 0.05 * Math.sqrt(p * (1 - p));
      for (const share of shares) expect(Math.abs(share - p)).toBeLessThan(tolerance);
    }
  });

  it("keeps to the probabilities of the highest value of a window", () => {
    const stepMs = STEP_MS;
    const random = seededRandom(4);
    const values = Float64Array.from(
      { length: 5 * 8_640 },
      (_, bin) => dailyLevel(START_MS + bin * stepMs) * Math.exp(0.2 * random.normal()),
    );
    const actual = (at: number, steps: number): number => Math.max(...values.subarray(at + 1, at + 1 + steps));
    for (const p of [0.1, 0.5, 0.9, 0.99]) {
      const forecaster = forecasterOf({ stepMs });
      const ask = (windowMs: number): number => forecaster.maxQuantile(windowMs, p);
      // 150 s is fitted by nobody: what lies between two horizons is interpolated.
      const horizonsMs = [MINUTE_MS, 150_000, 5 * MINUTE_MS, HOUR_MS];
      const shares = sharesBelow(forecaster, { values, stepMs, learning: 2 * 8_640, horizonsMs, ask, actual });
      for (const share of shares) expect(Math.abs(share - p)).toBeLessThan(0.015 + 0.12 * Math.sqrt(p * (1 - p)));
    }
  });

  it("is better with every day: half of persistence's error at an hour, once a few days have been seen", () => {
    const forecaster = forecasterOf({ stepMs: MINUTE_MS });
    const random = seededRandom(5);
    const values = Float64Array.from(
      { length: 8 * 1_440 },
      (_, bin) => dailyLevel(START_MS + bin * MINUTE_MS) * Math.exp(0.03 * random.normal()),
    );
    const errors = Array.from({ length: 8 }, () => ({ own: 0, persistence: 0 }));
    for (const [bin, value] of values.entries()) {
      forecaster.observe(value, START_MS + bin * MINUTE_MS);
      const [actual, day] = [values[bin + 60], errors[Math.floor(bin / 1_440)]];
      if (actual === undefined || day === undefined) continue;
      day.own += Math.abs(actual - forecaster.quantile(HOUR_MS, 0.5));
      day.persistence += Math.abs(actual - value);
    }
    const ratios = errors.map(({ own, persistence }) => own / persistence);
    expect(ratios[0]).toBeLessThan(1);
    expect(ratios[3]).toBeLessThan(0.5);
    expect(ratios[6]).toBeLessThan(0.4);
  });

  it("costs at most 3 % more than persistence on a random walk, which nobody can forecast", () => {
    const random = seededRandom(6);
    const forecaster = forecasterOf({ stepMs: MINUTE_MS });
    let level = 6;
    const values = Float64Array.from({ length: 12 * 1_440 }, () => Math.exp((level += 0.01 * random.normal())));
    const totals = HORIZONS_MS.map(() => ({ own: 0, persistence: 0 }));
    for (const [bin, value] of values.entries()) {
      forecaster.observe(value, START_MS + bin * MINUTE_MS);
      for (const [index, horizonMs] of HORIZONS_MS.entries()) {
        const [actual, total] = [values[bin + horizonMs / MINUTE_MS], totals[index]];
        if (bin < 1_440 || actual === undefined || total === undefined) continue;
        total.own += Math.abs(actual - forecaster.quantile(horizonMs, 0.5));
        total.persistence += Math.abs(actual - value);
      }
    }
    for (const { own, persistence } of totals) expect(own / persistence).toBeLessThan(1.03);
  });
});

describe("time", () => {
  function taught(days: number): { forecaster: FineForecaster; timeMs: number } {
    const forecaster = forecasterOf({ stepMs: MINUTE_MS });
    for (let bin = 0; bin < days * 1_440; bin += 1) forecaster.observe(dailyLevel(START_MS + bin * MINUTE_MS), START_MS + bin * MINUTE_MS);
    return { forecaster, timeMs: START_MS + days * DAY_MS };
  }

  it("takes an outage for nothing, whether it is silent or declared", () => {
    const [silent, declared] = [taught(4), taught(4)];
    const backMs = silent.timeMs + 3 * HOUR_MS;
    for (let timeMs = declared.timeMs; timeMs < backMs; timeMs += MINUTE_MS)
      expect(declared.forecaster.observe(Number.NaN, timeMs)).toBe("missing");
    expect(declared.forecaster.counts.missing).toBe(180);
    for (const { forecaster } of [silent, declared]) {
      for (let timeMs = backMs; timeMs < backMs + DAY_MS; timeMs += MINUTE_MS) {
        forecaster.observe(dailyLevel(timeMs), timeMs);
        const said = forecaster.quantile(HOUR_MS, 0.5);
        expect(Math.abs(Math.log(said / dailyLevel(timeMs + HOUR_MS)))).toBeLessThan(0.25);
      }
    }
    expect(silent.forecaster.profile(HORIZONS_MS)).toEqual(declared.forecaster.profile(HORIZONS_MS));
  });

  it("canary: an outage that is told as demand of zero does spoil the next hours", () => {
    const { forecaster, timeMs } = taught(4);
    const backMs = timeMs + 3 * HOUR_MS;
    for (let atMs = timeMs; atMs < backMs; atMs += MINUTE_MS) forecaster.observe(0, atMs);
    forecaster.observe(dailyLevel(backMs), backMs);
    expect(Math.abs(Math.log(forecaster.quantile(HOUR_MS, 0.5) / dailyLevel(backMs + HOUR_MS)))).toBeGreaterThan(0.25);
  });

  it("averages the values of a bin, and leaves out late ones, counted", () => {
    const [one, other] = [forecasterOf(), forecasterOf()];
    for (let bin = 0; bin < 500; bin += 1) {
      const timeMs = START_MS + bin * STEP_MS;
      expect(one.observe(100 + bin, timeMs)).toBe("opened");
      expect(other.observe(90 + bin, timeMs)).toBe("opened");
      expect(other.observe(110 + bin, timeMs + 9_999)).toBe("merged");
      if (bin > 3 && bin % 5 === 0) expect(other.observe(1e9, timeMs - 20_000)).toBe("late");
    }
    expect(other.profile(HORIZONS_MS)).toEqual(one.profile(HORIZONS_MS));
    expect(other.counts).toEqual({ missing: 0, late: 99, refused: 0, clockSteps: 0 });
  });

  it.for([
    { name: "an hour back", shiftMs: -HOUR_MS, steps: 1 },
    { name: "nine minutes back, which is only late", shiftMs: -9 * MINUTE_MS, steps: 0 },
    { name: "an hour forward", shiftMs: HOUR_MS, steps: 0 },
    { name: "ten years forward", shiftMs: 3_653 * DAY_MS, steps: 0 },
    { name: "ten years back", shiftMs: -3_653 * DAY_MS, steps: 1 },
  ])("goes on after a clock was set: $name", ({ shiftMs, steps }) => {
    const { forecaster, timeMs } = taught(3);
    for (let index = 0; index < 3 * 1_440; index += 1) {
      const atMs = timeMs + index * MINUTE_MS;
      forecaster.observe(dailyLevel(atMs + shiftMs), atMs + shiftMs);
    }
    const lastMs = timeMs + 3 * DAY_MS - MINUTE_MS + shiftMs;
    expect(Math.abs(Math.log(forecaster.quantile(HOUR_MS, 0.5) / dailyLevel(lastMs + HOUR_MS)))).toBeLessThan(0.1);
    expect(forecaster.counts.clockSteps).toBe(steps);
  });

  it("comes back from one value of the year 2200", () => {
    const { forecaster, timeMs } = taught(3);
    forecaster.observe(5, Date.UTC(2200, 0, 1));
    for (let atMs = timeMs; atMs < timeMs + DAY_MS; atMs += MINUTE_MS) forecaster.observe(dailyLevel(atMs), atMs);
    expect(Math.abs(Math.log(forecaster.quantile(HOUR_MS, 0.5) / dailyLevel(timeMs + DAY_MS + HOUR_MS)))).toBeLessThan(0.1);
  });

  it.for([
    { name: "clocks go forward", atMs: Date.UTC(2026, 2, 29, 1), before: 1, after: 2 },
    { name: "clocks go back", atMs: Date.UTC(2026, 9, 25, 1), before: 2, after: 1 },
  ])("looks back by local time: $name", ({ atMs, before, after }) => {
    // People keep local time: a sharp morning at 8.
    const demand = (timeMs: number): number => {
      const localHour = ((timeMs + (timeMs < atMs ? before : after) * HOUR_MS) % DAY_MS) / HOUR_MS;
      return 50 + 400 / (1 + Math.exp(-8 * (localHour - 8))) - 400 / (1 + Math.exp(-8 * (localHour - 18)));
    };
    const [local, universal] = [forecasterOf({ stepMs: MINUTE_MS }), forecasterOf({ stepMs: MINUTE_MS })];
    local.setLocalTime({ offsetMs: before * HOUR_MS, changeAtMs: atMs, offsetAfterMs: after * HOUR_MS });
    const losses = { local: 0, universal: 0 };
    for (let timeMs = atMs - 10 * DAY_MS; timeMs < atMs + DAY_MS; timeMs += MINUTE_MS) {
      for (const forecaster of [local, universal]) forecaster.observe(demand(timeMs), timeMs);
      if (timeMs < atMs) continue;
      losses.local += Math.abs(local.quantile(HOUR_MS, 0.5) - demand(timeMs + HOUR_MS));
      losses.universal += Math.abs(universal.quantile(HOUR_MS, 0.5) - demand(timeMs + HOUR_MS));
    }
    expect(losses.local).toBeLessThan(0.5 * losses.universal);
  });
});

describe("events", () => {
  it("says a known event's uplift before it begins, and forgets it when it ends", () => {
    const forecaster = forecasterOf({ stepMs: MINUTE_MS });
    const [startMs, endMs] = [START_MS + 5 * DAY_MS, START_MS + 5 * DAY_MS + 2 * HOUR_MS];
    forecaster.setEvents([{ startMs, endMs, log: Math.log(3) }]);
    for (let timeMs = START_MS; timeMs < endMs + 3 * HOUR_MS; timeMs += MINUTE_MS) {
      const factor = (atMs: number): number => (startMs <= atMs && atMs < endMs ? 3 : 1);
      forecaster.observe(dailyLevel(timeMs) * factor(timeMs), timeMs);
      if (timeMs < startMs - 2 * HOUR_MS) continue;
      const actual = dailyLevel(timeMs + HOUR_MS) * factor(timeMs + HOUR_MS);
      expect(Math.abs(Math.log(forecaster.quantile(HOUR_MS, 0.5) / actual))).toBeLessThan(0.1);
    }
    expect(forecaster.maxQuantile(MINUTE_MS, 0.99)).toBeLessThan(2 * dailyLevel(endMs + 3 * HOUR_MS));
  });

  it("refuses an uplift of more than a thousand", () => {
    expect(() => forecasterOf().setEvents([{ startMs: 0, endMs: 1, log: 7 }])).toThrow("Cannot expect an event's uplift, in logs");
  });

  it("refuses a ninth event", () => {
    const events = Array.from({ length: 9 }, () => ({ startMs: 0, endMs: 1, log: 0 }));
    expect(() => forecasterOf().setEvents(events)).toThrow("Cannot expect so many events: it is 9, expected an integer from 0 to 8");
  });
});

it("never says NaN, never an upper below a lower, whatever it was told", () => {
  const value = fc.oneof(fc.constantFrom(Number.NaN, Infinity, -Infinity, -5, 0, 1e300, -1e300, 5e-324), fc.double());
  const timeMs = fc.oneof(
    fc.constantFrom(Number.NaN, Infinity, 8.64e15, -8.64e15, 0, 1e300),
    fc.integer({ min: START_MS, max: START_MS + 10 * HOUR_MS }),
  );
  const run = fc.record({
    value,
    timeMs,
    stepMs: fc.constantFrom(0, 1, 10_000, -10_000, 7 * DAY_MS),
    repeats: fc.integer({ min: 1, max: 60 }),
  });
  const uplift = fc.record({ startMs: timeMs, endMs: timeMs, log: fc.double({ min: -UPLIFT_LOG_MAX, max: UPLIFT_LOG_MAX, noNaN: true }) });
  fc.assert(
    fc.property(fc.array(run, { maxLength: 10 }), fc.array(uplift, { maxLength: 8 }), (runs, events) => {
      const forecaster = forecasterOf();
      forecaster.setEvents(events);
      for (const { value: told, timeMs: fromMs, stepMs, repeats } of runs) {
        for (let index = 0; index < repeats; index += 1) forecaster.observe(told, fromMs + index * stepMs);
        for (const horizonMs of [0, MINUTE_MS, 7 * MINUTE_MS, DAY_MS]) {
          let before = 0;
          for (const p of [0, 0.001, 0.025, 0.5, 0.975, 0.999, 1]) {
            const said = forecaster.quantile(horizonMs, p);
            expect(said).toBeGreaterThanOrEqual(before);
            expect(said).toBeLessThanOrEqual(1e15);
            expect(forecaster.maxQuantile(horizonMs, p)).toBeGreaterThanOrEqual(said);
            before = said;
          }
        }
      }
    }),
    { numRuns: 200, seed: 20_261_121 },
  );
});

it("outlives a million repeats and a thousand gaps of ten years", () => {
  const forecaster = forecasterOf();
  for (let index = 0; index < 1_000_000; index += 1) forecaster.observe(7, START_MS);
  for (let index = 0; index < 1_000; index += 1) forecaster.observe(index, START_MS + (index % 2) * 3_653 * DAY_MS + index * STEP_MS);
  for (const { lower, mean, upper } of forecaster.profile(HORIZONS_MS)) {
    expect(lower).toBeLessThanOrEqual(mean);
    expect(mean).toBeLessThanOrEqual(upper);
    expect(upper).toBeLessThan(1e5);
  }
});

describe("judge", () => {
  const HORIZON_AT = 24 + 544;
  const [UPDATES_AT, OWN_AT, PERSISTENCE_AT] = [HORIZON_AT + 104, HORIZON_AT + 144 + 24, HORIZON_AT + 144 + 32];

  /** What it has seen of its own errors, made `factor` times persistence's, as after a week of that. */
  function judged(forecaster: FineForecaster, factor: number): void {
    const blob = forecaster.toBytes();
    const view = new DataView(blob.buffer);
    view.setFloat64(UPDATES_AT, 1e6, true);
    view.setFloat64(OWN_AT, factor * view.getFloat64(PERSISTENCE_AT, true), true);
    const instance = kernels();
    const { offset } = instance.arena.allocate(blob.length, "a blob to sign");
    new Uint8Array(instance.memory, offset, blob.length).set(blob);
    view.setBigInt64(blob.length - 8, instance.exports.xxh64(offset, blob.length - 8, 0n), true);
    expect(forecaster.restore(blob)).toEqual({ ok: true });
  }

  it("yields to what a week showed to be better, says so, and takes over when it is better again", () => {
    const forecaster = forecasterOf({ stepMs: 10 * MINUTE_MS, horizonsMs: [HOUR_MS] });
    let bin = 0;
    const run = (days: number): void => {
      for (const end = bin + days * 144; bin < end; bin += 1)
        forecaster.observe(dailyLevel(START_MS + bin * 600_000), START_MS + bin * 600_000);
    };
    const distance = (): { season: number; persistence: number } => {
      const said = Math.log(forecaster.quantile(HOUR_MS, 0.5));
      const [now, then] = [START_MS + (bin - 1) * 600_000, START_MS + (bin - 1) * 600_000 + HOUR_MS];
      return { season: Math.abs(said - Math.log(dailyLevel(then))), persistence: Math.abs(said - Math.log(dailyLevel(now))) };
    };
    run(5.9);
    expect(forecaster.verdicts()[0]?.yields).toBe(false);
    expect(distance().season).toBeLessThan(distance().persistence);
    judged(forecaster, 1.2);
    run(0.1);
    expect(forecaster.verdicts()[0]?.yields).toBe(true);
    expect(distance().persistence).toBeLessThan(distance().season);
    // Its own errors are small all along: they outweigh the week that was made up.
    run(14);
    expect(forecaster.verdicts()[0]?.yields).toBe(false);
    expect(distance().season).toBeLessThan(distance().persistence);
  });

  it("says what its forecasts were worth, beside persistence and the day before", () => {
    const forecaster = forecasterOf({ stepMs: MINUTE_MS });
    const random = seededRandom(12);
    for (let bin = 0; bin < 20 * 1_440; bin += 1)
      forecaster.observe(dailyLevel(START_MS + bin * MINUTE_MS) * Math.exp(0.1 * random.normal()), START_MS + bin * MINUTE_MS);
    const verdict = forecaster.verdicts()[2];
    // Of a normal error of .1 about a known median: E|e| = .08 of the value; 95 % lie within ± .196.
    expect(verdict?.wape).toBeGreaterThan(0.07);
    expect(verdict?.wape).toBeLessThan(0.11);
    expect(verdict?.persistenceWape).toBeGreaterThan(1.5 * (verdict?.wape ?? 0));
    expect(verdict?.seasonalWape).toBeLessThan(verdict?.persistenceWape ?? 0);
    expect(verdict?.coverageRatio).toBeGreaterThan(0.93);
    expect(verdict?.coverageRatio).toBeLessThan(0.97);
    expect(verdict?.widthRatio).toBeGreaterThan(0.35);
    expect(verdict?.widthRatio).toBeLessThan(0.6);
    expect(Math.abs(verdict?.biasRatio ?? 1)).toBeLessThan(0.02);
    expect(verdict?.pinballRatio).toBeLessThan(0.03);
  });
});

describe("blob", () => {
  it("goes on bit for bit", () => {
    const [one, other] = [forecasterOf(), forecasterOf()];
    const random = seededRandom(9);
    for (let bin = 0; bin < 3_000; bin += 1) one.observe(100 * random.exponential(), START_MS + bin * STEP_MS);
    expect(other.restore(one.toBytes())).toEqual({ ok: true });
    for (let bin = 3_000; bin < 4_000; bin += 1) {
      const value = 100 * random.exponential();
      for (const forecaster of [one, other]) forecaster.observe(value, START_MS + bin * STEP_MS);
    }
    expect(other.profile(HORIZONS_MS)).toEqual(one.profile(HORIZONS_MS));
    expect(other.toBytes()).toEqual(one.toBytes());
    expect(one.toBytes().length).toBe(one.bytes + 32);
  });

  it("refuses, with a reason and unchanged, what is none of its own", () => {
    const forecaster = forecasterOf();
    forecaster.observe(5, START_MS);
    const blob = forecaster.toBytes();
    const other = forecasterOf({ horizonsMs: [MINUTE_MS, HOUR_MS] });
    expect(other.restore(blob)).toEqual({ ok: false, reason: "other-model" });
    expect(forecaster.restore(blob.subarray(0, 10))).toEqual({ ok: false, reason: "truncated" });
    expect(forecaster.restore(blob.subarray(0, -1))).toEqual({ ok: false, reason: "truncated" });
    const changed = (at: number): Uint8Array => blob.with(at, (blob[at] ?? 0) ^ 1);
    expect(forecaster.restore(changed(0))).toEqual({ ok: false, reason: "unknown-format" });
    expect(forecaster.restore(changed(4))).toEqual({ ok: false, reason: "other-version" });
    expect(forecaster.restore(changed(500))).toEqual({ ok: false, reason: "corrupt" });
    expect(forecaster.restore(new Uint8Array([...blob, 0]))).toEqual({ ok: false, reason: "corrupt" });
    expect(forecaster.quantile(MINUTE_MS, 0.5)).toBeCloseTo(5, 3);
    expect(forecaster.toBytes()).toEqual(blob);
  });
});

it.for([
  { doing: "a step", options: { stepMs: 50, horizonsMs: [MINUTE_MS] } },
  { doing: "no horizon", options: { stepMs: STEP_MS, horizonsMs: [] } },
  { doing: "six", options: { stepMs: STEP_MS, horizonsMs: [1, 2, 3, 4, 5, 6].map((minutes) => minutes * MINUTE_MS) } },
  { doing: "a horizon below a step", options: { stepMs: STEP_MS, horizonsMs: [1_000] } },
  { doing: "horizons that descend", options: { stepMs: STEP_MS, horizonsMs: [HOUR_MS, MINUTE_MS] } },
])("refuses $doing", ({ options }) => {
  expect(() => new FineForecaster(kernels(), options)).toThrow(/^Cannot .*: it is .*, expected/);
});

it("refuses to be asked for a probability or a horizon that is none", () => {
  const forecaster = forecasterOf();
  for (const p of [-0.1, 1.1, Number.NaN]) expect(() => forecaster.quantile(MINUTE_MS, p)).toThrow("Cannot forecast a quantile");
  for (const horizonMs of [-1, Number.NaN, 1e15]) expect(() => forecaster.maxQuantile(horizonMs, 0.5)).toThrow("milliseconds ahead");
  expect(() => forecaster.quantiles(MINUTE_MS, askFor(Float64Array.of(0.5, 2)))).toThrow("Cannot forecast a quantile: it is 2,");
  expect(() => forecaster.quantiles(-1, askFor(Float64Array.of(0.5)))).toThrow("milliseconds ahead");
  expect(() => forecaster.quantiles(MINUTE_MS, askFor(new Float64Array(QUANTILE_COUNT_MAX + 1)))).toThrow(
    "Cannot forecast so many quantiles",
  );
});
