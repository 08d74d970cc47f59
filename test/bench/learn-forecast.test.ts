import { expect, it } from "vitest";
import { encodeConstants } from "#bench/forecast/learn/encode-constants.ts";
import { learn, type Effort } from "#bench/forecast/learn/learn.ts";
import { decodeConstants } from "#wasm/reference/forecast/hourly/constants.ts";
import { INPUT_COUNT } from "#wasm/reference/forecast/hourly/settings.ts";
import { triangleSize } from "#wasm/reference/forecast/hourly/triangle.ts";
import { seededRandom } from "#test/wasm/seeded-random.ts";

const EFFORT: Effort = { logRounds: 1, rawRounds: 1, epochs: 0.1, seeds: [1, 2] };
const SERIES_COUNT = 24;
const HOURS = 350;
const HOLDOUT_HOURS = 24;

const SERIES = seriesOf(1);
const LEARNED = learnFrom(SERIES);

it("learns the same bytes from the same series", () => {
  expect(encodeConstants(learnFrom(seriesOf(1)))).toEqual(encodeConstants(LEARNED));
});

it("learns other bytes from other series", () => {
  expect(encodeConstants(learnFrom(seriesOf(2)))).not.toEqual(encodeConstants(LEARNED));
});

it("reads nothing of what is held out", () => {
  const spoilt = SERIES.map((values) => values.map((value, hour) => (hour >= HOURS - HOLDOUT_HOURS ? value * 50 : value)));
  expect(encodeConstants(learnFrom(spoilt))).toEqual(encodeConstants(LEARNED));
});

it("loses little by rounding: a prior's and a net's numbers to half a level of their scale, and a mean to 11 bits", () => {
  const read = decodeConstants(encodeConstants(LEARNED));
  const { order } = LEARNED.log;
  for (const [index, mean] of LEARNED.log.means.entries())
    expect(distance(read.log.means[index], mean)).toBeLessThan(Math.abs(mean) / 2_000 + 1e-4);
  for (let row = 0; row < order; row += 1) {
    const [from, to] = [triangleSize(row), triangleSize(row + 1)];
    expectRounded(read.log.roots.slice(from, to), LEARNED.log.roots.slice(from, to));
  }
  const [written, got] = [LEARNED.net, read.net].map((net) => net?.members[1]?.layers[0]?.weights ?? new Float64Array(1));
  expect(written).toHaveLength(INPUT_COUNT * 24);
  expectRounded(got, written);
});

it("refuses too few series with a reason", () => {
  expect(() => learnFrom(SERIES.slice(0, 23))).toThrow("Cannot learn from 23 series: expected more than 23");
});

function expectRounded(got: Float64Array | undefined, written: Float64Array = new Float64Array(0)): void {
  const most = Math.max(...written.map(Math.abs));
  for (const [at, value] of written.entries()) expect(distance(got?.[at], value)).toBeLessThan(0.006 * most);
}

function distance(got: number | undefined, wanted: number): number {
  return Math.abs((got ?? Number.NaN) - wanted);
}

function learnFrom(series: readonly (readonly number[])[]): ReturnType<typeof learn> {
  return learn({ series, holdoutHours: HOLDOUT_HOURS, effort: EFFORT, onProgress: () => {} });
}

function seriesOf(seed: number): number[][] {
  const random = seededRandom(seed);
  return Array.from({ length: SERIES_COUNT }, (_, index) =>
    Array.from(
      { length: HOURS },
      (__, hour) => (100 + 10 * index) * (1.5 + Math.sin((2 * Math.PI * hour) / 24)) * Math.exp(0.1 * random.normal()),
    ),
  );
}
