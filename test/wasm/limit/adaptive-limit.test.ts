import { describe, expect, it } from "vitest";
import { AimdLimit, type AnswerSample, GradientLimit, VegasLimit } from "#wasm/binding/adaptive-limit.ts";
import { AimdLimitReference, GradientLimitReference, VegasLimitReference } from "#wasm/reference/adaptive-limit.ts";
import { kernels } from "../../support/kernels.ts";
import { seededRandom } from "../seeded-random.ts";

const shared = kernels();
type Options = { limitMin?: number; limitMax?: number; limitInitial?: number };

const AIMD = [
  { name: "kernel", make: (options: Options) => new AimdLimit(shared, options) },
  { name: "twin", make: (options: Options) => new AimdLimitReference(options) },
];
const VEGAS = [
  { name: "kernel", make: (options: Options & { alpha?: number; beta?: number }) => new VegasLimit(shared, options) },
  { name: "twin", make: (options: Options & { alpha?: number; beta?: number }) => new VegasLimitReference(options) },
];
const GRADIENT = [
  { name: "kernel", make: (options: Options) => new GradientLimit(shared, options) },
  { name: "twin", make: (options: Options) => new GradientLimitReference(options) },
];

function sampleOf(sample: Partial<AnswerSample>): AnswerSample {
  return { nowMs: 0, latencyMs: 1, inFlight: 0, dropped: false, ...sample };
}

// Netflix concurrency-limits, AIMDLimitTest.
describe.for(AIMD)("AIMD limit, $name", ({ make }) => {
  it.for([
    { name: "raises by one on success", limitInitial: 20, sample: { inFlight: 10 }, want: 21 },
    { name: "lowers to nine tenths on a drop", limitInitial: 30, sample: { latencyMs: 0, dropped: true }, want: 27 },
    { name: "takes a late answer for a drop", limitInitial: 30, sample: { latencyMs: 5_001, inFlight: 30 }, want: 27 },
    { name: "stays while less than half is used", limitInitial: 20, sample: { inFlight: 9 }, want: 20 },
    { name: "stays below its maximum", limitInitial: 200, sample: { inFlight: 200 }, want: 200 },
    { name: "stays above its minimum", limitInitial: 20, sample: { dropped: true }, want: 20 },
  ])("$name", ({ limitInitial, sample, want }) => {
    const limit = make({ limitInitial });
    expect(limit.limit).toBe(limitInitial);
    expect(limit.observe(sampleOf(sample))).toBe(want);
    expect(limit.limit).toBe(want);
  });
});

// Netflix concurrency-limits, VegasLimitTest.
describe.for(VEGAS)("Vegas limit, $name", ({ make }) => {
  it.for([
    {
      name: "raises where nothing queues",
      samples: [
        { latencyMs: 10, inFlight: 10 },
        { latencyMs: 10, inFlight: 11 },
      ],
      want: [10, 16],
    },
    {
      name: "lowers where much queues",
      samples: [
        { latencyMs: 10, inFlight: 10 },
        { latencyMs: 50, inFlight: 11 },
      ],
      want: [10, 9],
    },
    {
      name: "stays within alpha and beta",
      samples: [
        { latencyMs: 10, inFlight: 10 },
        { latencyMs: 14, inFlight: 14 },
      ],
      want: [10, 10],
    },
    {
      name: "lowers on a drop",
      samples: [
        { latencyMs: 10, inFlight: 10 },
        { latencyMs: 10, inFlight: 10, dropped: true },
      ],
      want: [10, 9],
    },
  ])("$name", ({ samples, want }) => {
    const limit = make({ alpha: 3, beta: 6, limitInitial: 10, limitMax: 20 });
    expect(samples.map((sample) => limit.observe(sampleOf(sample)))).toEqual(want);
  });

  it("takes larger steps where the limit is large", () => {
    const limit = make({ limitInitial: 10_000, limitMax: 20_000 });
    const observe = (inFlight: number): number => limit.observe(sampleOf({ latencyMs: 10_000, inFlight }));
    expect([observe(5_000), observe(6_000)]).toEqual([10_000, 10_024]);
  });
});

describe.for(GRADIENT)("gradient limit, $name", ({ make }) => {
  /** `windows` windows of the same answers; the limit after the last. */
  function feed(limit: ReturnType<typeof make>, { windows, ...sample }: Partial<AnswerSample> & { windows: number }): number {
    let now = limit.limit;
    for (let window = 0; window < windows; window += 1) {
      for (let i = Math.max(100, now); i > 0; i -= 1) now = limit.observe(sampleOf({ inFlight: now, ...sample }));
    }
    return now;
  }

  it("knows no baseline before its second window", () => {
    const limit = make({});
    feed(limit, { windows: 1, latencyMs: 7 });
    expect(limit.baselineMs).toBeNull();
    feed(limit, { windows: 1, latencyMs: 50 });
    expect(limit.baselineMs).toBe(50);
  });

  it("grows by a fifth of √limit a window while nothing queues, and not while less than half is used", () => {
    const limit = make({ limitInitial: 100 });
    expect(feed(limit, { windows: 2, latencyMs: 50 })).toBe(102);
    expect(feed(limit, { windows: 5, latencyMs: 50, inFlight: 50 })).toBe(102);
    expect(feed(limit, { windows: 1, latencyMs: 50 })).toBe(104);
  });

  it("shrinks by a fifth of what the gradient says once answers take more than 1.5 times as long", () => {
    const limit = make({ limitInitial: 100 });
    feed(limit, { windows: 2, latencyMs: 50 });
    expect(feed(limit, { windows: 1, latencyMs: 76 })).toBe(104);
    expect(feed(limit, { windows: 1, latencyMs: 152 })).toBe(93);
  });

  it("learns that answers became slower, where fewer at once are no faster, within 12 windows and above a third", () => {
    const limit = make({ limitInitial: 100 });
    feed(limit, { windows: 2, latencyMs: 50 });
    let [lowest, windows] = [Infinity, 0];
    for (; limit.baselineMs !== 400 && windows < 50; windows += 1) lowest = Math.min(lowest, feed(limit, { windows: 1, latencyMs: 400 }));
    expect(windows).toBeLessThanOrEqual(12);
    expect(lowest).toBeGreaterThan(33);
  });

  it("shrinks to its minimum on drops, whatever their latency, and ignores a few of them", () => {
    const stable = make({ limitInitial: 100, limitMin: 3 });
    feed(stable, { windows: 2, latencyMs: 5_000 });
    expect(feed(stable, { windows: 40, latencyMs: 5_000, dropped: true })).toBe(3);
    expect(stable.baselineMs).toBe(5_000);
    const few = make({ limitInitial: 100 });
    for (let i = 0; i < 2_000; i += 1) few.observe(sampleOf({ latencyMs: 50, inFlight: 100, dropped: i % 25 === 0 }));
    expect(few.limit).toBeGreaterThan(100);
  });

  it("lives with a clock that stands still: every latency 0", () => {
    const limit = make({ limitMax: 50 });
    expect(feed(limit, { windows: 200, latencyMs: 0 })).toBe(50);
  });
});

describe("adaptive limits", () => {
  it("are the same in the kernel and its twin and within their range, for any samples, 3 × 30,000 of them", () => {
    const random = seededRandom(31);
    const options = { limitMin: 4, limitMax: 3_000, limitInitial: 50 };
    const pairs = [
      [new GradientLimit(shared, { ...options, epochMs: 500 }), new GradientLimitReference({ ...options, epochMs: 500 })],
      [new AimdLimit(shared, options), new AimdLimitReference(options)],
      [new VegasLimit(shared, options), new VegasLimitReference(options)],
    ] as const;
    let [nowMs, scaleMs] = [1_795_000_000_000, 50];
    for (let run = 0; run < 30_000; run += 1) {
      if (random.below(2_000) === 0) scaleMs = 10 ** (6 * random.next() - 1);
      nowMs = random.below(500) === 0 ? Math.floor(random.next() * 8e15) : nowMs + random.next() * 20;
      const latencyMs = random.below(9) === 0 ? 0 : Math.min(86_400_000, scaleMs * random.exponential());
      for (const [index, [kernel, twin]] of pairs.entries()) {
        const sample = { nowMs, latencyMs, inFlight: random.below(2 * kernel.limit), dropped: random.below(30) === 0 };
        const [limit, want] = [kernel.observe(sample), twin.observe(sample)];
        if (limit !== want || !(limit >= (index === 2 ? 1 : 4) && limit <= 3_000))
          expect({ run, index, limit }).toEqual({ run, index, limit: want });
      }
      const [gradient, twin] = pairs[0];
      if (gradient.answersLeft !== twin.answersLeft || gradient.answersLeft < 1)
        expect({ run, left: gradient.answersLeft }).toEqual({ run, left: twin.answersLeft });
    }
  });

  it("of latency changes with the answer that was the last one left, and not before", () => {
    const gradient = new GradientLimit(shared, { limitInitial: 150 });
    const sample = { nowMs: 0, latencyMs: 10, inFlight: 150, dropped: false };
    expect(gradient.answersLeft).toBe(150);
    for (let left = 150; left > 0; left -= 1) gradient.observe(sample);
    const before = gradient.limit;
    for (let left = gradient.answersLeft; left > 1; left -= 1) expect(gradient.observe(sample)).toBe(before);
    expect(gradient.observe(sample)).toBeGreaterThan(before);
  });

  it.for([
    { nowMs: Number.NaN },
    { nowMs: -1 },
    { latencyMs: Number.NaN },
    { latencyMs: Infinity },
    { latencyMs: -1 },
    { latencyMs: 1e300 },
    { inFlight: -1 },
    { inFlight: 0.5 },
    { inFlight: 2 ** 32 },
    { inFlight: Number.NaN },
  ])("refuse the sample %o and keep what they know", (sample) => {
    for (const limit of [new GradientLimit(shared), new AimdLimit(shared), new VegasLimit(shared)]) {
      expect(() => limit.observe(sampleOf(sample))).toThrow(RangeError);
      expect(limit.limit).toBe(20);
      limit.release();
    }
  });

  it.for([{ limitMin: 0 }, { limitMax: 10 }, { limitInitial: 0 }, { limitInitial: 2_000 }, { limitMax: Number.NaN }, { limitMax: 1e300 }])(
    "refuse the options %o",
    (options) => {
      expect(() => new GradientLimit(shared, options)).toThrow(RangeError);
      expect(() => new AimdLimit(shared, options)).toThrow(RangeError);
    },
  );

  it("refuse ratios and times that are none", () => {
    expect(() => new GradientLimit(shared, { tolerance: 0.9 })).toThrow(RangeError);
    expect(() => new GradientLimit(shared, { epochMs: 0 })).toThrow(RangeError);
    expect(() => new AimdLimit(shared, { backoffRatio: 1 })).toThrow(RangeError);
    expect(() => new AimdLimit(shared, { timeoutMs: Number.NaN })).toThrow(RangeError);
    expect(() => new VegasLimit(shared, { alpha: 3, beta: 2 })).toThrow(RangeError);
  });
});
