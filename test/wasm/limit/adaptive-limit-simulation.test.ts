// The gradient limit in front of a server, in virtual time: workers 50 ms each, so that the knee is at as many requests.
import { describe, expect, it } from "vitest";
import { GradientLimit } from "#wasm/binding/adaptive-limit.ts";
import { kernels } from "../../support/kernels.ts";
import { type Load, type Observation, type Second, simulate } from "./simulated-server.ts";

const SERVICE_MS = 50;
const HOUR_MS = 3_600_000;

interface Run {
  readonly seed: number;
  readonly workerCount: number;
  readonly loads: readonly Load[];
  readonly limitInitial?: number;
  readonly timeoutMs?: number;
  readonly observe?: (observation: Observation) => number;
}

/** What happened, by second. */
function run({ limitInitial = 20, observe, ...simulation }: Run): Second[] {
  const subject = new GradientLimit(kernels(), { limitInitial });
  const seconds: Second[] = [];
  simulate({
    limitInitial,
    observe: observe ?? ((sample) => subject.observe(sample)),
    everySecond: (second) => seconds.push(second),
    ...simulation,
  });
  return seconds;
}

function loadOf(workerCount: number, ratio: number, { untilMs, serviceMs = SERVICE_MS }: { untilMs: number; serviceMs?: number }): Load {
  return { untilMs, serviceMs, arrivalsPerSecond: (ratio * workerCount * 1_000) / SERVICE_MS };
}

function between(seconds: readonly Second[], fromMs: number, untilMs: number): Second[] {
  return seconds.filter(({ atMs }) => atMs > fromMs && atMs <= untilMs);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** What must hold in any second of an overload, once found: at most 3 × the knee, and on average most of the work done. */
function judge(seconds: readonly Second[], { workerCount, serviceMs = SERVICE_MS }: { workerCount: number; serviceMs?: number }): string[] {
  const capacityPerSecond = (workerCount * 1_000) / serviceMs;
  const faults = seconds.filter(({ limit }) => limit > 3 * workerCount).map(({ atMs, limit }) => `${atMs} ms: limit ${limit}`);
  const servedRatio = mean(seconds.map(({ served }) => served)) / capacityPerSecond;
  if (servedRatio < 0.9) faults.push(`serves ${servedRatio} of the capacity`);
  const latencyRatio = mean(seconds.map(({ latencyMsMean }) => latencyMsMean)) / serviceMs;
  if (latencyRatio > 2) faults.push(`takes ${latencyRatio} × the service time`);
  return faults;
}

describe("gradient limit in front of a server", () => {
  it.for([
    { workerCount: 100, seed: 1 },
    { workerCount: 100, seed: 2 },
    { workerCount: 20, seed: 3 },
    { workerCount: 20, seed: 4 },
  ])("finds the knee of $workerCount workers within 15 s from 20, at twice their load (seed $seed)", ({ workerCount, seed }) => {
    const seconds = run({ seed, workerCount, loads: [loadOf(workerCount, 2, { untilMs: 60_000 })] });
    expect(judge(between(seconds, 15_000, 60_000), { workerCount })).toEqual([]);
    expect(mean(between(seconds, 15_000, 60_000).map(({ limit }) => limit)) / workerCount).toBeGreaterThan(0.9);
  });

  it("finds it within 90 s from ten times above", () => {
    const seconds = run({ seed: 5, workerCount: 10, limitInitial: 100, loads: [loadOf(10, 2, { untilMs: 240_000 })] });
    expect(judge(between(seconds, 90_000, 240_000), { workerCount: 10 })).toEqual([]);
  });

  it.for([
    { ratio: 0.01, seed: 6 },
    { ratio: 0.1, seed: 7 },
    { ratio: 0.5, seed: 8 },
  ])("refuses fewer than one in a thousand at $ratio of the capacity, after 20 s (seed $seed)", ({ ratio, seed }) => {
    const seconds = between(run({ seed, workerCount: 100, loads: [loadOf(100, ratio, { untilMs: 300_000 })] }), 20_000, 300_000);
    const [served, refused] = [mean(seconds.map((second) => second.served)), mean(seconds.map((second) => second.refused))];
    expect(refused).toBeLessThanOrEqual(served / 1_000);
    expect(Math.min(...seconds.map(({ limit }) => limit))).toBeGreaterThanOrEqual(15);
  });

  // concurrency-limits #134, #137.
  it.for([
    { ratio: 1.1, seed: 9 },
    { ratio: 1.02, seed: 10 },
  ])("does not run away in an hour at $ratio of the capacity (seed $seed)", ({ ratio, seed }) => {
    const seconds = run({ seed, workerCount: 20, loads: [loadOf(20, ratio, { untilMs: HOUR_MS })] });
    expect(judge(between(seconds, 15_000, HOUR_MS), { workerCount: 20 })).toEqual([]);
    const [early, late] = [between(seconds, 60_000, 660_000), between(seconds, HOUR_MS - 600_000, HOUR_MS)];
    expect(mean(late.map(({ limit }) => limit)) / mean(early.map(({ limit }) => limit))).toBeLessThan(1.25);
  });

  it("serves nine tenths of what is left within 20 s after answers became three times slower, and of all within 10 s after they recovered", () => {
    const steps = [60_000, 180_000, 300_000] as const;
    const loads = [
      loadOf(20, 1.2, { untilMs: steps[0] }),
      loadOf(20, 1.2, { untilMs: steps[1], serviceMs: 3 * SERVICE_MS }),
      loadOf(20, 1.2, { untilMs: steps[2] }),
    ];
    const seconds = run({ seed: 11, workerCount: 20, loads });
    expect(judge(between(seconds, 15_000, steps[0]), { workerCount: 20 })).toEqual([]);
    expect(judge(between(seconds, steps[0] + 20_000, steps[1]), { workerCount: 20, serviceMs: 3 * SERVICE_MS })).toEqual([]);
    expect(mean(between(seconds, steps[1] + 10_000, steps[2]).map(({ served }) => served))).toBeGreaterThan(0.9 * 400);
    expect(judge(between(seconds, steps[1] + 60_000, steps[2]), { workerCount: 20 })).toEqual([]);
  });

  it("comes down to where answers are in time, in a stable overload whose answers all time out", () => {
    const seconds = run({
      seed: 12,
      workerCount: 10,
      limitInitial: 1_000,
      timeoutMs: 1_000,
      loads: [loadOf(10, 10, { untilMs: 120_000 })],
    });
    expect(Math.max(...between(seconds, 60_000, 120_000).map(({ limit }) => limit))).toBeLessThan(200);
    expect(mean(between(seconds, 60_000, 120_000).map(({ served }) => served))).toBeGreaterThan(0.9 * 200);
  });

  it("canary: a limit that only grows fails the same check", () => {
    let limit = 20;
    const observe = ({ inFlight }: Observation): number => (limit += inFlight * 2 >= limit ? 0.01 : 0);
    const seconds = run({ seed: 9, workerCount: 20, loads: [loadOf(20, 1.1, { untilMs: 600_000 })], observe });
    expect(judge(between(seconds, 15_000, 600_000), { workerCount: 20 })).not.toEqual([]);
  });

  it("canary: room added at any gradient, and a baseline that follows the latency, fail the same check", () => {
    let [limit, baselineMs, sumMs, count] = [20, 0, 0, 0];
    const observe = ({ latencyMs, inFlight }: Observation): number => {
      [sumMs, count] = [sumMs + latencyMs, count + 1];
      if (count < 100) return limit;
      const meanMs = sumMs / count;
      [sumMs, count] = [0, 0];
      baselineMs = baselineMs === 0 ? meanMs : baselineMs + (meanMs - baselineMs) / 300;
      const wanted = limit * Math.max(0.5, Math.min(1, (1.5 * baselineMs) / meanMs)) + 4;
      if (inFlight * 2 >= limit) limit = Math.min(1_000, 0.8 * limit + 0.2 * wanted);
      return limit;
    };
    const seconds = run({ seed: 9, workerCount: 20, loads: [loadOf(20, 1.1, { untilMs: 600_000 })], observe });
    expect(judge(between(seconds, 15_000, 600_000), { workerCount: 20 })).not.toEqual([]);
  });
});
