// The kernel repeats the twin's operations: the same bits, where 1e-6 is asked for.
import fc from "fast-check";
import { expect, it } from "vitest";
import { askFor, QUANTILE_COUNT_MAX } from "#shared/forecast/minute-demand.ts";
import { FineForecaster } from "#wasm/binding/forecast/fine-forecaster.ts";
import { FineForecasterReference } from "#wasm/reference/forecast/fine-forecaster.ts";
import { kernels } from "../../support/kernels.ts";
import { seededRandom } from "../seeded-random.ts";

const SHAPES = [
  { stepMs: 10_000, horizonsMs: [60_000, 300_000, 3_600_000] },
  { stepMs: 10_000, horizonsMs: [20_000, 60_000, 310_000, 900_000, 3_600_000] },
  { stepMs: 60_000, horizonsMs: [60_000, 3_600_000] },
  { stepMs: 3_600_000, horizonsMs: [3_600_000] },
] as const;
type Shape = (typeof SHAPES)[number];
/** At once, in an order that goes back and forth between both tails and the middle. */
const PROBABILITIES = Float64Array.from({ length: QUANTILE_COUNT_MAX }, (_, index) => {
  const p = [0.5, 0.9, 1 - 2 ** -index, 2 ** -index][index % 4] ?? 0;
  return index < 12 ? (index + 1) / 13 : p;
});
const ASKED_MS = [0, 10_000, 45_000, 60_000, 200_000, 3_600_000, 20_000_000];

function pair(shape: Shape): { kernel: FineForecaster; twin: FineForecasterReference } {
  return { kernel: new FineForecaster(kernels(), shape), twin: new FineForecasterReference(shape) };
}

function expectSame(kernel: FineForecaster, twin: FineForecasterReference): void {
  for (const horizonMs of ASKED_MS) {
    for (const p of [0, 1e-4, 0.025, 0.5, 0.9, 0.999, 1]) {
      expect(kernel.quantile(horizonMs, p)).toBe(twin.quantile(horizonMs, p));
      expect(kernel.maxQuantile(horizonMs, p)).toBe(twin.maxQuantile(horizonMs, p));
    }
  }
  for (const horizonMs of ASKED_MS) {
    const [said, one] = [askFor(PROBABILITIES), askFor(PROBABILITIES)];
    kernel.quantiles(horizonMs, said);
    twin.quantiles(horizonMs, one);
    expect(said).toEqual(one);
  }
  expect(kernel.profile(ASKED_MS)).toEqual(twin.profile(ASKED_MS));
  expect(kernel.verdicts()).toEqual(twin.verdicts());
  expect(kernel.counts).toEqual(twin.counts);
}

it.for(SHAPES)("says what its twin says: $stepMs ms, $horizonsMs", (shape) => {
  const { kernel, twin } = pair(shape);
  const random = seededRandom(shape.stepMs + shape.horizonsMs.length);
  const startMs = Date.UTC(2026, 2, 1);
  const both = (use: (forecaster: FineForecaster | FineForecasterReference) => void): void => {
    use(kernel);
    use(twin);
  };
  both((forecaster) => {
    forecaster.setLocalTime({ offsetMs: 3_600_000, changeAtMs: startMs + 9 * 86_400_000, offsetAfterMs: 7_200_000 });
    forecaster.setEvents([{ startMs: startMs + 86_400_000, endMs: startMs + 90_000_000, log: 0.7 }]);
  });
  let timeMs = startMs;
  for (let index = 0; index < 20_000; index += 1) {
    timeMs += random.below(50) === 0 ? random.below(20) * shape.stepMs : shape.stepMs;
    const value = (200 + 100 * Math.sin(timeMs / 13_750_000)) * Math.exp(0.2 * random.normal()) * (random.below(300) === 0 ? 20 : 1);
    if (index % 360 === 0) {
      const logs = Array.from({ length: 5 }, () => 5 + random.next());
      both((forecaster) => forecaster.setOutlook(timeMs - 3_600_000, logs));
    }
    const [told, atMs] = [random.below(40) === 0 ? Number.NaN : value, timeMs - (random.below(60) === 0 ? 2 * shape.stepMs : 0)];
    expect(kernel.observe(told, atMs)).toBe(twin.observe(told, atMs));
    if (index % 997 === 0) expectSame(kernel, twin);
  }
  expectSame(kernel, twin);
});

it("says what its twin says, whatever both were told", () => {
  const value = fc.oneof(
    fc.constantFrom(Number.NaN, Infinity, -Infinity, -1, -1e300, 0, 1e300, 5),
    fc.double({ min: 0, max: 1_000, noNaN: true }),
  );
  const jumpMs = fc.oneof(
    fc.constantFrom(0, 10_000, 10_000, 10_000, -10_000, -4_000_000, 3_600_000, 315_576_000_000, -315_576_000_000, Number.NaN, 1e300),
    fc.integer({ min: -100_000, max: 1_000_000 }),
  );
  const run = fc.record({ value, jumpMs, repeats: fc.integer({ min: 1, max: 200 }) });
  fc.assert(
    fc.property(fc.constantFrom(...SHAPES), fc.array(run, { maxLength: 12 }), (shape, runs) => {
      const { kernel, twin } = pair(shape);
      let timeMs = Date.UTC(2026, 9, 24);
      for (const { value: told, jumpMs: jump, repeats } of runs) {
        for (let index = 0; index < repeats; index += 1) {
          const atMs = timeMs + jump;
          expect(kernel.observe(told, atMs)).toBe(twin.observe(told, atMs));
          if (Math.abs(atMs) < 1e15) timeMs = atMs;
        }
        expectSame(kernel, twin);
      }
    }),
    { numRuns: 60, seed: 20_261_121 },
  );
});
