// Hostile arguments through the bindings of limits and sketches, in sequences: nothing traps, nothing is written outside
// the structure, and kernel and twin agree on every answer. What a binding refuses, its twin is not asked.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AimdLimit, GradientLimit, VegasLimit, type AnswerSample } from "#wasm/binding/adaptive-limit.ts";
import { CountMin } from "#wasm/binding/count-min.ts";
import { HyperLogLog } from "#wasm/binding/hyper-log-log.ts";
import type { Kernels } from "#wasm/binding/kernels.ts";
import { QuantileSketch } from "#wasm/binding/quantile-sketch.ts";
import { TokenBucket } from "#wasm/binding/token-bucket.ts";
import { TopK } from "#wasm/binding/top-k.ts";
import { AimdLimitReference, GradientLimitReference, VegasLimitReference } from "#wasm/reference/adaptive-limit.ts";
import { CountMinReference } from "#wasm/reference/count-min.ts";
import { HyperLogLogReference } from "#wasm/reference/hyper-log-log.ts";
import { QuantileSketchReference } from "#wasm/reference/quantile-sketch.ts";
import { TokenBucketReference } from "#wasm/reference/token-bucket.ts";
import { TopKReference } from "#wasm/reference/top-k.ts";
import { guarded, HOSTILE, isAccepted } from "./hostile.ts";

const SEED = 20_261_121;
/** Calls through each binding. */
const CALLS_MIN = 100_000;
const CALLS_PER_SEQUENCE = 40;
/** The shortest sequences are shorter, and what is refused is a call too: so many always reach CALLS_MIN. */
const SEQUENCE_COUNT = 2 * (CALLS_MIN / CALLS_PER_SEQUENCE);

const MEMORY_BYTES_SMALL = 131_072;

/** One call, of the kernel and then of the twin: what they say is compared. */
interface Call<Subject> {
  readonly name: string;
  readonly of: (subject: Subject) => unknown;
}

/** Half of them serve, so that states are reached at all. */
const numberOf = (useful: fc.Arbitrary<number>): fc.Arbitrary<number> =>
  fc.oneof({ weight: 4, arbitrary: useful }, { weight: 2, arbitrary: fc.constantFrom(...HOSTILE) }, { weight: 1, arbitrary: fc.double() });
const keyOf = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom("", "a", "b", "acme/d-1", "é", "💡", "\ud83d", "\u0000") },
  { weight: 3, arbitrary: fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 30 }).map((units) => String.fromCharCode(...units)) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 10_000 }).map((length) => "ü".repeat(length)) },
);
const timeMs = numberOf(fc.integer({ min: 0, max: 20_000 }));
const bytes = fc.uint8Array({ maxLength: 60 });
const ratioOf = numberOf(fc.double({ min: 0, max: 1, noNaN: true }));

const sampleOf: fc.Arbitrary<AnswerSample> = fc.record({
  nowMs: timeMs,
  latencyMs: numberOf(fc.integer({ min: 1, max: 8_000 })),
  inFlight: numberOf(fc.integer({ min: 0, max: 300 })),
  dropped: fc.boolean(),
});
interface Limit {
  readonly limit: number;
  observe(sample: AnswerSample): number;
}
const limitCalls = fc.oneof(
  sampleOf.map((sample): Call<Limit> => ({ name: "observe", of: (limit) => limit.observe(sample) })),
  fc.constant<Call<Limit>>({ name: "limit", of: (limit) => limit.limit }),
);

const tokens = numberOf(fc.integer({ min: 1, max: 50 }));
const tokenCalls = fc.oneof(
  fc
    .record({ tokens, periodMs: numberOf(fc.integer({ min: 1, max: 5_000 })), burst: tokens })
    .map((rate): Call<TokenBucket | TokenBucketReference> => ({ name: "configure", of: (bucket) => bucket.configure(rate) })),
  fc
    .record({ method: fc.constantFrom("take" as const, "peek" as const, "charge" as const), cost: tokens, nowMs: timeMs })
    .map(({ method, cost, nowMs }): Call<TokenBucket | TokenBucketReference> => ({
      name: method,
      of: (bucket) => bucket[method]({ cost, nowMs }),
    })),
  tokens.map((cost): Call<TokenBucket | TokenBucketReference> => ({ name: "giveBack", of: (bucket) => bucket.giveBack(cost) })),
  timeMs.map((nowMs): Call<TokenBucket | TokenBucketReference> => ({ name: "remaining", of: (bucket) => bucket.remaining(nowMs) })),
);

interface Blobs {
  mergeBytes(blob: Uint8Array): { readonly ok: boolean; readonly reason?: string };
  toBytes(): Uint8Array;
  clear(): void;
}
const blobCalls = fc.oneof(
  { weight: 3, arbitrary: bytes.map((blob): Call<Blobs> => ({ name: "mergeBytes", of: (sketch) => sketch.mergeBytes(blob) })) },
  // What it holds twice, with one byte of it wrong or none.
  {
    weight: 2,
    arbitrary: fc.tuple(fc.nat(200), fc.nat(255)).map(([at, flip]): Call<Blobs> => ({
      name: "mergeBytes",
      of: (sketch) => {
        const blob = Uint8Array.from(sketch.toBytes());
        if (at < blob.length) blob[at] = (blob[at] ?? 0) ^ flip;
        return sketch.mergeBytes(blob);
      },
    })),
  },
  { weight: 2, arbitrary: fc.constant<Call<Blobs>>({ name: "toBytes", of: (sketch) => [...sketch.toBytes()] }) },
  { weight: 1, arbitrary: fc.constant<Call<Blobs>>({ name: "clear", of: (sketch) => sketch.clear() }) },
);
const amount = numberOf(fc.integer({ min: 1, max: 1_000 }));

type Quantiles = QuantileSketch | QuantileSketchReference;
const quantileCalls: fc.Arbitrary<Call<Quantiles>> = fc.oneof(
  {
    weight: 6,
    arbitrary: numberOf(fc.double({ min: 0, max: 1e6, noNaN: true })).map((value) => ({
      name: "add",
      of: (sketch: Quantiles) => sketch.add(value),
    })),
  },
  {
    weight: 3,
    arbitrary: ratioOf.map((q) => ({
      name: "quantile",
      of: (sketch: Quantiles) => [sketch.quantile(q), sketch.count, sketch.min, sketch.max, sketch.sum],
    })),
  },
  { weight: 3, arbitrary: blobCalls },
);
type Counts = CountMin | CountMinReference;
const countCalls: fc.Arbitrary<Call<Counts>> = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(keyOf, amount).map(([key, of]) => ({ name: "add", of: (sketch: Counts) => sketch.add(key, of) })) },
  { weight: 3, arbitrary: keyOf.map((key) => ({ name: "estimate", of: (sketch: Counts) => [sketch.estimate(key), sketch.total] })) },
  { weight: 2, arbitrary: blobCalls },
);
type Tops = TopK | TopKReference;
const topCalls: fc.Arbitrary<Call<Tops>> = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(keyOf, amount).map(([key, of]) => ({ name: "add", of: (sketch: Tops) => sketch.add(key, of) })) },
  { weight: 3, arbitrary: fc.constant({ name: "entries", of: (sketch: Tops) => [sketch.entries(), sketch.total, sketch.missedCountMax] }) },
  { weight: 2, arbitrary: blobCalls },
);
type Distinct = HyperLogLog | HyperLogLogReference;
const distinctCalls: fc.Arbitrary<Call<Distinct>> = fc.oneof(
  { weight: 6, arbitrary: keyOf.map((key) => ({ name: "add", of: (sketch: Distinct) => sketch.add(key) })) },
  { weight: 3, arbitrary: fc.constant({ name: "estimate", of: (sketch: Distinct) => sketch.estimate }) },
  { weight: 2, arbitrary: blobCalls },
);

interface Pair<Subject> {
  readonly calls: fc.Arbitrary<Call<Subject>>;
  readonly makeKernel: (instance: Kernels) => Subject;
  readonly makeTwin: () => Subject;
}

/** Sequences of calls from a seed; each begins afresh. Returns how often each was accepted and refused. */
function fuzz<Subject>({ calls, makeKernel, makeTwin }: Pair<Subject>): {
  readonly seen: ReadonlyMap<string, number>;
  readonly callCount: number;
} {
  const seen = new Map<string, number>();
  let callCount = 0;
  const sequence = fc.array(calls, { minLength: CALLS_PER_SEQUENCE / 2, maxLength: CALLS_PER_SEQUENCE });
  fc.assert(
    fc.property(sequence, (steps) => {
      const { table: kernel, areGuardsWhole } = guarded(makeKernel, { memoryBytes: MEMORY_BYTES_SMALL });
      const twin = makeTwin();
      for (const { name, of } of steps) {
        callCount += 1;
        let answer: unknown;
        const isTaken = isAccepted(() => (answer = of(kernel)));
        const label = `${name} ${isTaken ? "taken" : "refused"}`;
        seen.set(label, (seen.get(label) ?? 0) + 1);
        if (isTaken) expect(answer).toEqual(of(twin));
      }
      expect(areGuardsWhole()).toBe(true);
    }),
    { seed: SEED, numRuns: SEQUENCE_COUNT },
  );
  return { seen, callCount };
}

function itHolds<Subject>(name: string, pair: Pair<Subject>, outcomes: readonly string[]): void {
  it(`${name}: at least ${CALLS_MIN} calls`, { timeout: 120_000 }, () => {
    const { seen, callCount } = fuzz(pair);
    expect(callCount).toBeGreaterThanOrEqual(CALLS_MIN);
    // Each was reached both ways, or the fuzz says nothing of it.
    expect([...seen.keys()]).toEqual(expect.arrayContaining([...outcomes]));
  });
}

describe(`with hostile arguments, seed ${SEED}, kernel and twin agree and nothing traps`, () => {
  const limits = ["observe taken", "observe refused", "limit taken"];
  itHolds<Limit>(
    "gradient",
    { calls: limitCalls, makeKernel: (instance) => new GradientLimit(instance), makeTwin: () => new GradientLimitReference() },
    limits,
  );
  itHolds<Limit>(
    "AIMD",
    { calls: limitCalls, makeKernel: (instance) => new AimdLimit(instance), makeTwin: () => new AimdLimitReference() },
    limits,
  );
  itHolds<Limit>(
    "Vegas",
    { calls: limitCalls, makeKernel: (instance) => new VegasLimit(instance), makeTwin: () => new VegasLimitReference() },
    limits,
  );
  const rate = { tokens: 5, periodMs: 1_000, burst: 10 };
  itHolds<TokenBucket | TokenBucketReference>(
    "token bucket",
    { calls: tokenCalls, makeKernel: (instance) => new TokenBucket(instance, rate), makeTwin: () => new TokenBucketReference(rate) },
    ["configure", "take", "peek", "charge", "giveBack", "remaining"].flatMap((call) => [`${call} taken`, `${call} refused`]),
  );
  itHolds<Quantiles>(
    "quantile sketch",
    {
      calls: quantileCalls,
      makeKernel: (instance) => new QuantileSketch(instance, { binCount: 64 }),
      makeTwin: () => new QuantileSketchReference({ binCount: 64 }),
    },
    ["add taken", "add refused", "quantile taken", "quantile refused", "mergeBytes taken"],
  );
  itHolds<Counts>(
    "count-min",
    {
      calls: countCalls,
      makeKernel: (instance) => new CountMin(instance, { columnCount: 64 }),
      makeTwin: () => new CountMinReference({ columnCount: 64 }),
    },
    ["add taken", "add refused", "estimate taken", "estimate refused", "mergeBytes taken"],
  );
  itHolds<Tops>(
    "top-k",
    { calls: topCalls, makeKernel: (instance) => new TopK(instance, { capacity: 8 }), makeTwin: () => new TopKReference({ capacity: 8 }) },
    ["add taken", "add refused", "entries taken", "mergeBytes taken"],
  );
  itHolds<Distinct>(
    "HyperLogLog",
    {
      calls: distinctCalls,
      makeKernel: (instance) => new HyperLogLog(instance, { precision: 8 }),
      makeTwin: () => new HyperLogLogReference({ precision: 8 }),
    },
    ["add taken", "add refused", "estimate taken", "mergeBytes taken"],
  );
});
