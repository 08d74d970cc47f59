// One service's forecaster whole: two signals, the hourly core, local time, events, its blob.
import { describe, expect, it } from "vitest";
import { learnedModel } from "#shared/forecast/learned-model.ts";
import { askFor } from "#shared/forecast/minute-demand.ts";
import { DemandForecaster, type DemandOptions } from "#wasm/binding/forecast/demand-forecaster.ts";
import { LEARNED_CONSTANTS_BASE64 } from "#wasm/binding/forecast/learned-constants.ts";
import { kernels } from "../../support/kernels.ts";
import { seededRandom } from "../seeded-random.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const START_MS = Date.UTC(2026, 0, 5);
/** Every 30 s is enough to fill an hour, and quick. */
const TICK_MS = 30_000;

function forecasterOf(options: DemandOptions = {}): DemandForecaster {
  return new DemandForecaster(kernels({ memoryBytes: 512 * 1_024 }), options);
}

function levelAt(timeMs: number): number {
  return 300 * Math.exp(0.8 * Math.sin((2 * Math.PI * timeMs) / DAY_MS));
}

/** Runs `forecaster` through a time, `demand` arrivals a second and twice as many at once. */
function live(
  forecaster: DemandForecaster,
  [fromMs, untilMs]: readonly [number, number],
  demand: (timeMs: number) => number = levelAt,
): void {
  for (let timeMs = fromMs; timeMs < untilMs; timeMs += TICK_MS)
    forecaster.observe({ timeMs, arrivals: demand(timeMs), concurrency: 2 * demand(timeMs) });
}

describe("demand forecaster", () => {
  it("needs at most 64 KiB for one service, with the learned priors too", () => {
    const model = learnedModel(Buffer.from(LEARNED_CONSTANTS_BASE64, "base64"));
    for (const options of [{}, { model }]) {
      const forecaster = forecasterOf(options);
      expect(forecaster.bytes).toBeLessThanOrEqual(64 * 1_024);
      live(forecaster, [START_MS, START_MS + HOUR_MS]);
      expect(forecaster.toBytes().length).toBeLessThanOrEqual(64 * 1_024);
    }
  });

  it("says both signals from the first sample on, and nothing before", () => {
    const forecaster = forecasterOf();
    expect(forecaster.profile("arrivals").map(({ mean }) => mean)).toEqual([0, 0, 0]);
    forecaster.observe({ timeMs: START_MS, arrivals: 5, concurrency: 50 });
    for (const { mean, lower, upper } of forecaster.profile("concurrency")) {
      expect(mean).toBeCloseTo(50, 3);
      expect(lower).toBeLessThan(35);
      expect(upper).toBeGreaterThan(70);
    }
    expect(forecaster.profile("arrivals")[0]?.mean).toBeCloseTo(5, 3);
    expect(forecaster.maxQuantile(MINUTE_MS, 0.9)).toBeGreaterThan(forecaster.quantile(MINUTE_MS, 0.5));
  });

  it("knows the coming day by its hourly core, and the next minutes by themselves, without a step between", () => {
    const forecaster = forecasterOf();
    const nowMs = START_MS + 9 * DAY_MS;
    live(forecaster, [START_MS, nowMs]);
    const horizonsMs = [1, 5, 30, 60, 61, 90, 120, 180, 240, 720, 1_320].map((minutes) => minutes * MINUTE_MS);
    for (const { horizonMs, mean, lower, upper } of forecaster.profile("concurrency", horizonsMs)) {
      expect(Math.abs(Math.log(mean / (2 * levelAt(nowMs + horizonMs))))).toBeLessThan(0.2);
      expect(lower).toBeLessThanOrEqual(mean);
      expect(mean).toBeLessThanOrEqual(upper);
    }
    const [at60, at61] = forecaster.profile("concurrency", [60 * MINUTE_MS, 61 * MINUTE_MS]);
    expect(Math.abs((at61?.mean ?? 0) / (at60?.mean ?? 1) - 1)).toBeLessThan(0.05);
  });

  it("counts silence into the horizon: what is asked for is a time from now, not from the last sample", () => {
    const forecaster = forecasterOf();
    const lastMs = START_MS + 5 * DAY_MS;
    live(forecaster, [START_MS, lastMs]);
    const later = forecaster.quantile(5 * MINUTE_MS, 0.9, lastMs - TICK_MS + 40 * MINUTE_MS);
    expect(later).toBe(forecaster.quantile(45 * MINUTE_MS, 0.9));
    const asked = askFor(Float64Array.of(0.5, 0.9));
    forecaster.quantiles(5 * MINUTE_MS, asked, lastMs - TICK_MS + 40 * MINUTE_MS);
    expect([asked.soon[1], asked.most[1]]).toEqual([later, forecaster.maxQuantile(45 * MINUTE_MS, 0.9)]);
  });

  it("the core helps the minutes: with it an hour ahead is better on the days when a week's shape matters", () => {
    // Weekends are other days; the slots of the week alone have seen each of them once.
    const random = seededRandom(3);
    const demand = (timeMs: number): number => {
      const day = Math.floor(timeMs / DAY_MS) % 7;
      return levelAt(timeMs + (day < 2 ? 5 * HOUR_MS : 0)) * Math.exp(0.05 * random.normal());
    };
    const forecaster = forecasterOf();
    live(forecaster, [START_MS, START_MS + 15 * DAY_MS], demand);
    const [hour, twoHours] = forecaster.judgedProfile("concurrency", [HOUR_MS, 2 * HOUR_MS]);
    const verdict = hour?.judged;
    // Two hours are told, and not judged: nothing is fitted to them.
    expect(twoHours).toEqual({ ...forecaster.profile("concurrency", [2 * HOUR_MS])[0], judged: null });
    expect(verdict?.wape).toBeLessThan(0.5 * (verdict?.persistenceWape ?? 0));
    expect(verdict?.coverageRatio).toBeGreaterThan(0.9);
    expect(verdict?.yields).toBe(false);
  });

  it("keeps the hours of local time when clocks change, in the core too", () => {
    const atMs = Date.UTC(2026, 2, 29, 1);
    const demand = (timeMs: number): number => {
      const localHour = ((timeMs + (timeMs < atMs ? 1 : 2) * HOUR_MS) % DAY_MS) / HOUR_MS;
      return 50 + 400 / (1 + Math.exp(-8 * (localHour - 8))) - 400 / (1 + Math.exp(-8 * (localHour - 18)));
    };
    const error = (timeZone: string): number => {
      const forecaster = forecasterOf({ timeZone });
      live(forecaster, [atMs - 10 * DAY_MS, atMs], demand);
      let loss = 0;
      for (let timeMs = atMs; timeMs < atMs + 20 * HOUR_MS; timeMs += HOUR_MS) {
        live(forecaster, [timeMs, timeMs + HOUR_MS], demand);
        const [row] = forecaster.profile("concurrency", [4 * HOUR_MS]);
        loss += Math.abs((row?.mean ?? 0) - 2 * demand(timeMs + 5 * HOUR_MS - TICK_MS));
      }
      return loss;
    };
    expect(error("Europe/Berlin")).toBeLessThan(0.6 * error("UTC"));
  });

  it.for([
    { name: "three days", silentMs: 3 * DAY_MS },
    { name: "ten years and a half day", silentMs: 3_653 * DAY_MS + DAY_MS / 2 },
  ])("comes back from silence with the hours of the day in place: $name", ({ silentMs }) => {
    const forecaster = forecasterOf();
    live(forecaster, [START_MS, START_MS + 9 * DAY_MS]);
    const nowMs = START_MS + 9 * DAY_MS + silentMs + DAY_MS;
    live(forecaster, [nowMs - DAY_MS, nowMs]);
    for (const { horizonMs, mean } of forecaster.profile("concurrency", [HOUR_MS, 6 * HOUR_MS, 12 * HOUR_MS]))
      expect(Math.abs(Math.log(mean / (2 * levelAt(nowMs + horizonMs))))).toBeLessThan(0.3);
  });

  it("refuses a time zone that is none", () => {
    expect(() => forecasterOf({ timeZone: "Mars/Olympus" })).toThrow(RangeError);
  });
});

describe("events", () => {
  const dayOf = (index: number): number => START_MS + index * DAY_MS + 12 * HOUR_MS;
  const events = [6, 7, 8].map((index) => ({ name: "sale", startMs: dayOf(index), endMs: dayOf(index) + 2 * HOUR_MS, upliftRatio: 1.5 }));
  const demand = (timeMs: number): number =>
    levelAt(timeMs) * (events.some(({ startMs, endMs }) => startMs <= timeMs && timeMs < endMs) ? 4 : 1);

  it("learns from what recurs: of the third sale it expects what the first two did", () => {
    const forecaster = forecasterOf({ events });
    const expected: number[] = [];
    let fromMs = START_MS;
    for (const { startMs } of events) {
      const untilMs = startMs - 30 * MINUTE_MS;
      live(forecaster, [fromMs, untilMs], demand);
      expected.push(forecaster.quantile(HOUR_MS, 0.5) / (2 * levelAt(untilMs + HOUR_MS)));
      fromMs = untilMs;
    }
    expect(expected[0]).toBeGreaterThan(1.3);
    expect(expected[0]).toBeLessThan(1.7);
    expect(expected[2]).toBeGreaterThan(2.5);
    expect(expected[2]).toBeLessThan(4.5);
    expect(forecaster.learnedUplift("sale")?.count).toBe(2);
    expect(Math.exp(forecaster.learnedUplift("sale")?.log ?? 0)).toBeGreaterThan(3.3);
  });

  it("leaves the season as it is: a day after the last sale nothing of it is expected", () => {
    const forecaster = forecasterOf({ events: events.map((event) => ({ ...event, upliftRatio: 4 })) });
    const untilMs = dayOf(9) - 30 * MINUTE_MS;
    live(forecaster, [START_MS, untilMs], demand);
    for (const { horizonMs, mean } of forecaster.profile("concurrency", [HOUR_MS, 2 * HOUR_MS]))
      expect(Math.abs(Math.log(mean / (2 * levelAt(untilMs + horizonMs))))).toBeLessThan(0.2);
  });
});

describe("blob", () => {
  it("goes on where it was", () => {
    const [one, other] = [forecasterOf({ timeZone: "Europe/Berlin" }), forecasterOf({ timeZone: "Europe/Berlin" })];
    const nowMs = START_MS + 3 * DAY_MS + 17 * MINUTE_MS;
    live(one, [START_MS, nowMs]);
    expect(other.restore(one.toBytes())).toEqual({ ok: true });
    for (const forecaster of [one, other]) live(forecaster, [nowMs, nowMs + 5 * HOUR_MS]);
    for (const signal of ["arrivals", "concurrency"] as const) expect(other.profile(signal)).toEqual(one.profile(signal));
    expect(other.toBytes()).toEqual(one.toBytes());
  });

  it("refuses what was changed anywhere, and starts afresh", () => {
    const forecaster = forecasterOf();
    live(forecaster, [START_MS, START_MS + 2 * HOUR_MS]);
    const blob = forecaster.toBytes();
    const random = seededRandom(8);
    for (let run = 0; run < 100; run += 1) {
      const at = run < 20 ? run : random.below(blob.length);
      expect(forecaster.restore(blob.with(at, (blob[at] ?? 0) ^ (1 << random.below(8)))).ok).toBe(false);
      expect(forecaster.quantile(MINUTE_MS, 0.5)).toBe(0);
    }
    for (const bytes of [0, 3, 100, blob.length - 1]) expect(forecaster.restore(blob.subarray(0, bytes)).ok).toBe(false);
    expect(forecaster.restore(blob)).toEqual({ ok: true });
    expect(forecaster.toBytes()).toEqual(blob);
  });
});

it("never throws, never says NaN, for whatever sample", () => {
  const forecaster = forecasterOf({ timeZone: "America/St_Johns" });
  const random = seededRandom(11);
  const any = (): number => [Number.NaN, Infinity, -1, 0, 1e300, 5, 700][random.below(7)] ?? 0;
  const times = [Number.NaN, Infinity, -8.64e15, 8.64e15, 0, START_MS, START_MS + DAY_MS, START_MS - DAY_MS];
  for (let run = 0; run < 3_000; run += 1) {
    const timeMs = (times[random.below(times.length)] ?? 0) + run * 10_000;
    forecaster.observe({ timeMs, arrivals: any(), concurrency: any() });
    for (const { lower, mean, upper } of forecaster.profile(run % 2 === 0 ? "arrivals" : "concurrency", [MINUTE_MS, 5 * HOUR_MS])) {
      expect(lower).toBeLessThanOrEqual(mean);
      expect(mean).toBeLessThanOrEqual(upper);
    }
  }
});
