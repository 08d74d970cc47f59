import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TokenBucket, type TokenRate } from "#wasm/binding/token-bucket.ts";
import { TokenBucketReference } from "#wasm/reference/token-bucket.ts";
import { kernels } from "../../support/kernels.ts";
import { seededRandom } from "../seeded-random.ts";

const START_MS = 1_795_000_000_000;
const shared = kernels();

/** One kernel bucket for all: a rate with nothing owed is a new bucket. */
function freshKernel(rate: TokenRate): TokenBucket {
  const bucket = new TokenBucket(shared, rate);
  bucket.release();
  return bucket;
}

const IMPLEMENTATIONS = [
  { name: "kernel", make: freshKernel },
  { name: "twin", make: (rate: TokenRate) => new TokenBucketReference(rate) },
];

const anyRate = fc.record({
  tokens: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 2 ** 32 - 1 })),
  periodMs: fc.oneof(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 86_400_000 })),
  burst: fc.oneof(fc.integer({ min: 1, max: 10 }), fc.integer({ min: 1, max: 50_000 })),
});

// 10 tokens at most, 2 a second.
const RATE: TokenRate = { tokens: 2, periodMs: 1_000, burst: 10 };

describe.for(IMPLEMENTATIONS)("token bucket, $name", ({ make }) => {
  it.for([
    { name: "grants from a full bucket", taken: 0, waitedMs: 0, cost: 1, want: { ok: true } },
    { name: "grants the whole burst at once", taken: 0, waitedMs: 0, cost: 10, want: { ok: true } },
    { name: "says when to return", taken: 10, waitedMs: 0, cost: 1, want: { ok: false, retryAfterMs: 500 } },
    { name: "says when to return for more", taken: 10, waitedMs: 0, cost: 10, want: { ok: false, retryAfterMs: 5_000 } },
    { name: "counts what has come since", taken: 10, waitedMs: 499, cost: 1, want: { ok: false, retryAfterMs: 1 } },
    { name: "grants what has come since", taken: 10, waitedMs: 500, cost: 1, want: { ok: true } },
    { name: "never grants more than a burst", taken: 10, waitedMs: 86_400_000, cost: 11, want: { ok: false, retryAfterMs: Infinity } },
    { name: "waits for a clock that went back", taken: 10, waitedMs: -60_000, cost: 1, want: { ok: false, retryAfterMs: 60_500 } },
    { name: "takes a new time from one that was wrong", taken: 10, waitedMs: -60_001, cost: 1, want: { ok: false, retryAfterMs: 500 } },
  ])("$name", ({ taken, waitedMs, cost, want }) => {
    const bucket = make(RATE);
    if (taken > 0) expect(bucket.take({ cost: taken, nowMs: START_MS })).toEqual({ ok: true });
    expect(bucket.peek({ cost, nowMs: START_MS + waitedMs })).toEqual(want);
    expect(bucket.take({ cost, nowMs: START_MS + waitedMs })).toEqual(want);
  });

  it("gives back what was not used, up to the burst", () => {
    const bucket = make(RATE);
    bucket.take({ cost: 10, nowMs: START_MS });
    bucket.giveBack(3);
    expect(bucket.remaining(START_MS)).toBe(3);
    bucket.giveBack(2 ** 32 - 1);
    expect(bucket.remaining(START_MS)).toBe(10);
  });

  it("charges what is known afterwards, down to none and not below", () => {
    const bucket = make(RATE);
    bucket.charge({ cost: 4, nowMs: START_MS });
    expect(bucket.remaining(START_MS)).toBe(6);
    bucket.charge({ cost: 2 ** 32 - 1, nowMs: START_MS });
    expect(bucket.remaining(START_MS)).toBe(0);
    expect(bucket.peek({ cost: 1, nowMs: START_MS })).toEqual({ ok: false, retryAfterMs: 500 });
  });

  it("keeps what is owed when its rate changes", () => {
    const bucket = make(RATE);
    bucket.take({ cost: 8, nowMs: START_MS });
    bucket.configure({ tokens: 1, periodMs: 10_000, burst: 20 });
    expect(bucket.remaining(START_MS)).toBe(12);
    bucket.configure({ tokens: 1, periodMs: 10_000, burst: 5 });
    expect(bucket.remaining(START_MS)).toBe(0);
  });

  it("never admits more than burst + rate × elapsed over any interval, whatever the clock does within a minute", () => {
    fc.assert(
      fc.property(
        anyRate,
        fc.array(fc.record({ stepMs: fc.integer({ min: -1_000, max: 3_000 }), cost: fc.integer({ min: 1, max: 12 }) }), { maxLength: 60 }),
        (rate, steps) => {
          const bucket = make(rate);
          const admitted: { atMs: number; cost: number }[] = [];
          let [nowMs, latestMs] = [START_MS, 0];
          for (const { stepMs, cost } of steps) {
            nowMs = Math.max(nowMs + stepMs, latestMs - 50_000);
            latestMs = Math.max(latestMs, nowMs);
            if (!bucket.take({ cost, nowMs }).ok) continue;
            admitted.push({ atMs: latestMs, cost });
            let sum = 0n;
            for (const { atMs, cost: earlier } of admitted.toReversed()) {
              sum += BigInt(earlier);
              const allowed = BigInt(rate.burst) * BigInt(rate.periodMs) + BigInt(rate.tokens) * BigInt(latestMs - atMs);
              expect(sum * BigInt(rate.periodMs) <= allowed).toBe(true);
            }
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  // The other direction: a bucket that admits nothing never admits too much.
  it("admits exactly ⌊burst + rate × elapsed⌋ to whoever asks every millisecond, at up to a token a millisecond", () => {
    const slowRate = fc.record({
      tokens: fc.integer({ min: 1, max: 7 }),
      periodMs: fc.integer({ min: 7, max: 100 }),
      burst: fc.integer({ min: 2, max: 20 }), // A bucket of one is full before whoever asks next.
    });
    fc.assert(
      fc.property(slowRate, fc.integer({ min: 0, max: 300 }), (rate, durationMs) => {
        const bucket = make(rate);
        let admitted = 0;
        while (bucket.take({ cost: 1, nowMs: START_MS }).ok) admitted += 1;
        expect(admitted).toBe(rate.burst);
        for (let t = 1; t <= durationMs; t += 1) if (bucket.take({ cost: 1, nowMs: START_MS + t }).ok) admitted += 1;
        expect(admitted).toBe(rate.burst + Math.floor((rate.tokens * durationMs) / rate.periodMs));
      }),
      { numRuns: 150 },
    );
  });

  it("names the wait exactly: admitted after it, refused a millisecond before", () => {
    fc.assert(
      fc.property(anyRate, fc.array(fc.tuple(fc.nat(2_000), fc.integer({ min: 1, max: 60_000 })), { maxLength: 20 }), (rate, steps) => {
        const bucket = make(rate);
        let nowMs = START_MS;
        for (const [stepMs, cost] of steps) {
          nowMs += stepMs;
          const verdict = bucket.take({ cost, nowMs });
          if (verdict.ok || verdict.retryAfterMs === Infinity || nowMs + verdict.retryAfterMs > 2 ** 43) continue;
          expect(verdict.retryAfterMs).toBeGreaterThanOrEqual(1);
          expect(Number.isInteger(verdict.retryAfterMs)).toBe(true);
          expect(bucket.peek({ cost, nowMs: nowMs + verdict.retryAfterMs - 1 }).ok).toBe(false);
          nowMs += verdict.retryAfterMs;
          expect(bucket.take({ cost, nowMs })).toEqual({ ok: true });
        }
      }),
      { numRuns: 300 },
    );
  });

  it("does not drift: a third of a token every millisecond is a million in 3,000 s", () => {
    const bucket = make({ tokens: 1, periodMs: 3, burst: 1 });
    bucket.take({ cost: 1, nowMs: START_MS });
    for (let i = 1; i <= 20_000; i += 1) {
      expect(bucket.take({ cost: 1, nowMs: START_MS + 3 * i - 1 }).ok).toBe(false);
      expect(bucket.take({ cost: 1, nowMs: START_MS + 3 * i }).ok).toBe(true);
    }
  });

  it.for([Number.NaN, Infinity, -1, 0, 0.5, 1e300, 2 ** 32])("refuses a cost of %d", (cost) => {
    const bucket = make(RATE);
    const request = { cost, nowMs: START_MS };
    for (const call of ["take", "peek", "charge"] as const) expect(() => bucket[call](request)).toThrow(RangeError);
    expect(() => bucket.giveBack(cost)).toThrow(RangeError);
    expect(bucket.remaining(START_MS)).toBe(10);
  });

  it.for([Number.NaN, Infinity, -1, -Infinity, 1e300, 2 ** 43 + 1])("refuses the time %d", (nowMs) => {
    expect(() => make(RATE).take({ cost: 1, nowMs })).toThrow(RangeError);
    expect(() => make(RATE).remaining(nowMs)).toThrow(RangeError);
  });
});

describe("token bucket", () => {
  it("is the same in the kernel and its twin, for any rates, costs and clocks, 25,000 calls", () => {
    const random = seededRandom(21);
    const anyOf = (...bounds: number[]): number => 1 + random.below(bounds[random.below(bounds.length)] ?? 1);
    const rateOf = (): TokenRate => {
      const periodMs = anyOf(10, 10_000, 31_622_400_000);
      return {
        tokens: anyOf(3, 1_000, 2 ** 32 - 1),
        periodMs,
        burst: Math.min(anyOf(5, 1_000, 2 ** 40), Math.floor(4_611_686_018_427 / periodMs)),
      };
    };
    let [rate, nowMs] = [rateOf(), START_MS];
    const [kernel, twin] = [new TokenBucket(shared, rate), new TokenBucketReference(rate)];
    for (let run = 0; run < 25_000; run += 1) {
      if (random.below(100) === 0) rate = rateOf();
      if (random.below(50) === 0) for (const bucket of [kernel, twin]) bucket.configure(rate);
      const stepMs = random.next() * anyOf(1, 100, 100_000) * (random.below(5) === 0 ? -1 : 1);
      nowMs = random.below(3_000) === 0 ? random.next() * 2 ** 43 : Math.min(2 ** 43, Math.max(0, nowMs + stepMs));
      const request = { cost: Math.min(2 ** 32 - 1, anyOf(1, 10, rate.burst)), nowMs };
      const call = random.below(8);
      if (call === 0) expect(kernel.peek(request)).toEqual(twin.peek(request));
      else if (call === 1) for (const bucket of [kernel, twin]) bucket.charge(request);
      else if (call === 2) for (const bucket of [kernel, twin]) bucket.giveBack(request.cost);
      else expect({ run, ...kernel.take(request) }).toEqual({ run, ...twin.take(request) });
      expect(kernel.remaining(nowMs)).toBe(twin.remaining(nowMs));
    }
  });

  it.for([
    { tokens: 0, periodMs: 1, burst: 1 },
    { tokens: 1, periodMs: 0, burst: 1 },
    { tokens: 1, periodMs: 1, burst: 0 },
    { tokens: 0.5, periodMs: 1, burst: 1 },
    { tokens: 1, periodMs: Number.NaN, burst: 1 },
    { tokens: 2 ** 32, periodMs: 1, burst: 1 },
    { tokens: 1, periodMs: 31_622_400_000, burst: 146 },
  ])("refuses the rate %o", (rate) => {
    expect(() => new TokenBucket(shared, rate)).toThrow(RangeError);
    expect(() => new TokenBucket(shared, RATE).configure(rate)).toThrow(RangeError);
  });

  it("takes the largest rate there is", () => {
    const bucket = new TokenBucket(shared, { tokens: 1, periodMs: 31_622_400_000, burst: 145 });
    expect(bucket.take({ cost: 145, nowMs: 0 })).toEqual({ ok: true });
    expect(bucket.take({ cost: 1, nowMs: 0 })).toEqual({ ok: false, retryAfterMs: 31_622_400_000 });
  });
});
