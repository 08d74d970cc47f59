// What the services of a gateway are worth to a young one: M4 Hourly's series in blocks of neighbours, which are alike, each taken as the young service
// in turn, the others old. Beside it fleets that are not alike, and fleets of another kind than the young one: where it could do harm.
// The constants have seen all series up to their last ten days; what others add to constants that have not: docs/decisions/0011.
import type { SeasonalModel } from "#shared/forecast/seasonal-model.ts";
import { pooledShares, poolOf } from "#shared/forecast/pooled-shares.ts";
import { SeasonalForecaster } from "#wasm/binding/forecast/seasonal-forecaster.ts";
import { kernelsFor } from "../kernels/instance.ts";
import type { BenchRow } from "../report.ts";
import { randomOf } from "./learn/random.ts";
import { scoresOf, type Scores } from "./measures.ts";

const BLOCK_SERIES = 23;
const HORIZON = 48;
const HOLDOUT_HOURS = 240;
/** Of the young one, in days; before the ninth nothing is solved that shares would move. */
const AGE_DAYS = [9, 11, 14, 18] as const;
/** Where the gain is asked for, and the most that any fleet may cost there. */
const JUDGED_DAYS = 11;
const HARM_RATIO_MAX = 0.01;
const MEMORY_BYTES = 512 * 1_024;

type Series = readonly (readonly number[])[];
/** Which series are the fleet of the young one. */
type Fleet = (young: number) => readonly number[];

export function poolingRows(series: Series, model: SeasonalModel): BenchRow[] {
  const forecaster = new SeasonalForecaster(kernelsFor(MEMORY_BYTES), model);
  const summaries = series.map((values) => summaryOf(forecaster, values));
  const blockCount = Math.floor(series.length / BLOCK_SERIES);
  const ofBlock = (block: number): number[] =>
    Array.from({ length: BLOCK_SERIES }, (_, index) => (block % blockCount) * BLOCK_SERIES + index);
  const blockOf = (young: number): number => Math.floor(young / BLOCK_SERIES);
  const random = randomOf(1);
  const fleets: Readonly<Record<string, Fleet>> = {
    "of its kind": (young) => ofBlock(blockOf(young)).filter((index) => index !== young),
    "of all kinds": (young) =>
      ofBlock(0)
        .map(() => Math.floor(random() * series.length))
        .filter((index) => index !== young),
    "of another kind": (young) => ofBlock(blockOf(young) + (blockCount >> 1)),
  };
  const alone = series.map((values) => youngScores(forecaster, values, forecaster.learnedShares));
  return Object.entries(fleets).flatMap(([name, fleetOf]) => {
    const pooled = series.map((values, young) => {
      const told = fleetOf(young).flatMap((index) => summaries[index] ?? []);
      return youngScores(forecaster, values, pooledShares(forecaster.learnedShares, poolOf(told)));
    });
    return AGE_DAYS.flatMap((days, age) => ageRows({ name, days, alone: alone.map((of) => of[age]), pooled: pooled.map((of) => of[age]) }));
  });
}

/** None, or one, where the series was too short to tell. */
function summaryOf(forecaster: SeasonalForecaster, values: readonly number[]): number[][] {
  forecaster.clear();
  for (const value of values.slice(0, -HOLDOUT_HOURS)) forecaster.observe(value);
  const weights = forecaster.clusterWeights();
  return weights === null ? [] : [weights];
}

/** One for each age. */
function youngScores(forecaster: SeasonalForecaster, values: readonly number[], shares: readonly number[]): Scores[] {
  forecaster.clear();
  forecaster.setShares(shares);
  let seen = 0;
  return AGE_DAYS.map((days) => {
    for (; seen < days * 24; seen += 1) forecaster.observe(values[seen] ?? Number.NaN);
    return scoresOf(values.slice(seen, seen + HORIZON), forecaster.forecast(HORIZON), values.slice(0, seen));
  });
}

interface Age {
  readonly name: string;
  readonly days: number;
  readonly alone: readonly (Scores | undefined)[];
  readonly pooled: readonly (Scores | undefined)[];
}

// Blocks are nearly independent of each other, series of one are not: the standard error is that of the blocks' means.
function ageRows({ name, days, alone, pooled }: Age): BenchRow[] {
  const changes = (measure: "smape" | "msis"): { mean: number; error: number; alone: number } => {
    const blocks = Map.groupBy(alone.keys(), (index) => Math.floor(index / BLOCK_SERIES));
    const means = [...blocks.values()].map((indexes) =>
      meanOf(indexes.map((index) => (pooled[index]?.[measure] ?? NaN) - (alone[index]?.[measure] ?? NaN))),
    );
    const mean = meanOf(means);
    const error = Math.sqrt(meanOf(means.map((value) => (value - mean) ** 2)) / (means.length - 1));
    return { mean, error, alone: meanOf(alone.map((scores) => scores?.[measure] ?? NaN)) };
  };
  return (["smape", "msis"] as const).map((measure) => {
    const { mean, error, alone: before } = changes(measure);
    const title = `pooling, a fleet ${name}, ${days} days: ${measure === "smape" ? "sMAPE" : "MSIS"}`;
    const most = name === "of its kind" ? 0 : HARM_RATIO_MAX * before;
    const judged = days === JUDGED_DAYS ? { ok: mean <= most } : {};
    const unit = measure === "smape" ? "%" : "×";
    return {
      name: `${title}, change`,
      value: mean,
      unit,
      ...judged,
      note: `± ${error.toFixed(3)} over blocks; alone ${before.toFixed(3)}`,
    };
  });
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
