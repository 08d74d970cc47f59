// A seasonal model as the table that its kernel reads (wasm/assembly/forecast/model.ts says what stands where).
import { INTERVAL, MIXTURE, REGRESSION, VALUE_MAX, type RegressionSpec, type SeasonalModel } from "#shared/forecast/seasonal-model.ts";
import type { Region } from "../arena.ts";
import type { Kernels } from "../kernels.ts";

export interface ModelTable {
  readonly offset: number;
  /** XXH64 of the table, signed as the kernels give it: a state means something under this model only. */
  readonly settings: bigint;
}

const WORD_BYTES = 8;
/** One piece of scratch memory, and one table of a model, for all forecasters of an instance. */
const scratches = new WeakMap<Kernels, Region>();
const tables = new WeakMap<Kernels, Map<string, ModelTable>>();

/** Throws RangeError where the memory has no room. */
export function scratchOf(kernels: Kernels): number {
  const known = scratches.get(kernels);
  if (known !== undefined) return known.offset;
  const scratch = kernels.arena.allocate(kernels.exports.seasonalScratchBytes(), "the forecasters' scratch memory");
  scratches.set(kernels, scratch);
  return scratch.offset;
}

/** The model's table in this instance, written at its first use. Throws RangeError where the memory has no room. */
export function tableOf(kernels: Kernels, model: SeasonalModel): ModelTable {
  const words = Float64Array.from(wordsOf(model));
  const known = tables.get(kernels) ?? new Map<string, ModelTable>();
  tables.set(kernels, known);
  const key = words.join();
  const found = known.get(key);
  if (found !== undefined) return found;
  const { offset, bytes } = kernels.arena.allocate(words.length * WORD_BYTES, "a seasonal model");
  new Float64Array(kernels.memory, offset, words.length).set(words);
  const table = { offset, settings: kernels.exports.xxh64(offset, bytes, 0n) };
  known.set(key, table);
  return table;
}

function wordsOf(model: SeasonalModel): number[] {
  const { regressions, smoothers, lags } = model;
  return [
    [model.day, model.week, model.lagMax, model.issueEvery],
    [lags.log.length, lags.raw.length, regressions.length, smoothers.length],
    [REGRESSION.forgetting, REGRESSION.interceptFeature, REGRESSION.varianceMin],
    [REGRESSION.roundsFirst, REGRESSION.rounds, REGRESSION.clampRatio],
    [MIXTURE.eta, MIXTURE.originCount, INTERVAL.longCount, INTERVAL.recentCount],
    [INTERVAL.long, INTERVAL.recent, INTERVAL.pending, INTERVAL.floor],
    [VALUE_MAX, regressions.length],
    lags.log,
    lags.raw,
    model.shares,
    smoothers.flatMap(({ level, daily, weekly, residual }) => [level, daily, weekly, residual]),
    regressions.flatMap(wordsOfRegression),
  ].flat();
}

function wordsOfRegression({ scale, terms }: RegressionSpec): number[] {
  const [clusterCount, isDiagonal, logShare] = [1, 1, 0];
  return [
    [scale === "raw" ? 1 : 0, terms.length, REGRESSION.kappa, clusterCount, isDiagonal],
    terms.map(({ feature }) => feature),
    [logShare],
    terms.map(({ mean }) => mean),
    terms.map(({ deviation }) => 1 / deviation),
  ].flat();
}
