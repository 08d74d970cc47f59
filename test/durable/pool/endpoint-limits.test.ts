// An endpoint that takes fewer at once than is configured, followed by reports every half second.
import { describe, expect, it } from "vitest";
import { EndpointLimits, UTILIZATION_TARGET, type EndpointOptions, type EndpointReport } from "#durable/pool/endpoint-limits.ts";
import { kernels } from "#test/support/kernels.ts";
import { simulate, type Second } from "#test/wasm/limit/simulated-server.ts";

const URL = "http://a.example";
const REPORT_MS = 500;

function limitsOf(capacity: number): EndpointLimits {
  const limits = new EndpointLimits(kernels());
  limits.configure([endpointOf(capacity)]);
  return limits;
}

function endpointOf(capacity: number, url = URL): EndpointOptions {
  return { url, capacity, limitMin: 1, limitInitial: capacity };
}

const report = (more: Partial<EndpointReport>): EndpointReport => ({
  answers: 0,
  latencyMsSum: 0,
  drops: 0,
  inFlight: 0,
  utilization: null,
  ...more,
});

/** Seconds of a server of so many workers, whose answers are told in reports. */
function serve({ capacity, workers, load, seed }: { capacity: number; workers: number; load: number; seed: number }): Second[] {
  const limits = limitsOf(capacity);
  const seconds: Second[] = [];
  let [reportedAtMs, answers, latencyMsSum] = [0, 0, 0];
  simulate({
    seed,
    workerCount: workers,
    limitInitial: capacity,
    loads: [{ untilMs: 120_000, arrivalsPerSecond: (load * workers * 1_000) / 50, serviceMs: 50 }],
    observe({ nowMs, latencyMs, inFlight }) {
      answers += 1;
      latencyMsSum += latencyMs;
      if (nowMs - reportedAtMs >= REPORT_MS) {
        limits.observe(URL, report({ answers, latencyMsSum, inFlight }), nowMs);
        [reportedAtMs, answers, latencyMsSum] = [nowMs, 0, 0];
      }
      return limits.limitOf(URL);
    },
    everySecond: (second) => void seconds.push(second),
  });
  return seconds;
}

const mean = (numbers: readonly number[]): number => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;

describe("by its latency an endpoint", () => {
  it.for(
    [1, 2, 3].flatMap((seed) => [
      { workers: 20, seed },
      { workers: 50, seed },
      { workers: 100, seed },
    ]),
  )(
    "of $workers workers and a capacity of 200 is not flooded at twice what it can do, and not starved (seed $seed)",
    ({ workers, seed }) => {
      const late = serve({ capacity: 200, workers, load: 2, seed }).slice(60);
      expect(mean(late.map(({ limit }) => limit))).toBeLessThan(2.5 * workers);
      expect(mean(late.map(({ served }) => served))).toBeGreaterThan(0.85 * workers * 20);
    },
  );

  it("that can do what is configured keeps it", () => {
    const late = serve({ capacity: 50, workers: 60, load: 0.5, seed: 4 }).slice(30);
    expect(mean(late.map(({ limit }) => limit))).toBeGreaterThan(45);
    // 600 come a second, 30 are there in the mean.
    expect(mean(late.map(({ refused }) => refused))).toBeLessThan(6);
  });

  it("is never given more than its capacity, whatever is reported", () => {
    const limits = limitsOf(10);
    for (let nowMs = 0; nowMs < 100_000; nowMs += 500) {
      limits.observe(URL, report({ answers: 5_000, latencyMsSum: nowMs % 7, inFlight: 10, utilization: 0 }), nowMs);
      expect(limits.limitOf(URL)).toBeLessThanOrEqual(10);
      expect(limits.limitOf(URL)).toBeGreaterThanOrEqual(1);
    }
  });
});

describe("by its own word an endpoint", () => {
  it("that is loaded in proportion to its requests is held at the target", () => {
    const limits = limitsOf(100);
    for (let nowMs = 0; nowMs < 60_000; nowMs += REPORT_MS) {
      const inFlight = limits.limitOf(URL);
      limits.observe(URL, report({ inFlight, utilization: inFlight / 50 }), nowMs);
    }
    expect(limits.limitOf(URL)).toBeGreaterThanOrEqual(Math.floor(50 * UTILIZATION_TARGET * 0.9));
    expect(limits.limitOf(URL)).toBeLessThanOrEqual(Math.ceil(50 * UTILIZATION_TARGET * 1.1) + 1);
  });

  it("that falls silent is given more again, step by step, after ten seconds and not before", () => {
    const limits = limitsOf(100);
    for (let nowMs = 0; nowMs < 10_000; nowMs += REPORT_MS) limits.observe(URL, report({ inFlight: 40, utilization: 2 }), nowMs);
    const held = limits.limitOf(URL);
    limits.observe(URL, report({}), 19_000);
    expect(limits.limitOf(URL)).toBe(held);
    const opening: number[] = [];
    for (let nowMs = 20_000; nowMs < 80_000; nowMs += REPORT_MS) {
      limits.observe(URL, report({}), nowMs);
      opening.push(limits.limitOf(URL));
    }
    for (const [index, limit] of opening.entries()) expect(limit).toBeLessThanOrEqual(Math.ceil((opening[index - 1] ?? held) * 1.1) + 2);
    expect(opening.at(-1)).toBe(100);
  });

  it.for([0, 1, 100])("that says it is full while %i are there loses a step at a time, not everything", (inFlight) => {
    const limits = limitsOf(100);
    limits.observe(URL, report({ inFlight, utilization: 50 }), 0);
    expect(limits.limitOf(URL)).toBe(70);
  });
});

describe("an endpoint's limit", () => {
  it("is forgotten with the endpoint and with another capacity, and stays otherwise", () => {
    const limits = limitsOf(100);
    limits.observe(URL, report({ inFlight: 100, utilization: 2 }), 0);
    limits.configure([endpointOf(100)]);
    expect(limits.limitOf(URL)).toBe(70);
    limits.configure([endpointOf(120)]);
    expect(limits.limitOf(URL)).toBe(120);
    limits.configure([]);
    expect(limits.limitOf(URL)).toBe(0);
    limits.observe(URL, report({ answers: 1 }), 0);
  });

  it("takes memory for the endpoints there are, not for those there were", () => {
    const own = kernels();
    const limits = new EndpointLimits(own);
    limits.configure([endpointOf(10)]);
    const bytesLeft = own.arena.bytesLeft;
    for (let version = 0; version < 1_000; version += 1) limits.configure([endpointOf(10 + version, `http://${version}.example`)]);
    expect(own.arena.bytesLeft).toBe(bytesLeft);
  });
});
