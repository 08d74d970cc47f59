// A seasonal model as the table that its kernel reads (wasm/assembly/forecast/model.ts says what stands where).
import {
  BLOCK_COUNT,
  CHOICE_ETA,
  DAILY_COUNT,
  INTERVAL,
  REGRESSION,
  VALUE_MAX,
  YIELD_COUNT,
  type Nets,
  type RegressionPrior,
  type SeasonalModel,
} from "#shared/forecast/seasonal-model.ts";
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
const tables = new WeakMap<Kernels, Tables>();

interface Tables {
  /** By the model that was given; a learned one has ten thousand words to look through otherwise. */
  readonly known: WeakMap<SeasonalModel, ModelTable>;
  /** By what is in it: equal models have one table. */
  readonly written: Map<string, ModelTable>;
}

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
  const { known, written } = tables.get(kernels) ?? {
    known: new WeakMap<SeasonalModel, ModelTable>(),
    written: new Map<string, ModelTable>(),
  };
  tables.set(kernels, { known, written });
  const before = known.get(model);
  if (before !== undefined) return before;
  const words = Float64Array.from(wordsOf(model));
  const key = words.join();
  const table = written.get(key) ?? write(kernels, words);
  written.set(key, table);
  known.set(model, table);
  return table;
}

function write(kernels: Kernels, words: Float64Array): ModelTable {
  const { offset, bytes } = kernels.arena.allocate(words.length * WORD_BYTES, "a seasonal model");
  new Float64Array(kernels.memory, offset, words.length).set(words);
  return { offset, settings: kernels.exports.xxh64(offset, bytes, 0n) };
}

const HEADER_WORDS = 32;

function wordsOf(model: SeasonalModel): number[] {
  const { priors, smoothers, mixtures, choices, lags, nets } = model;
  const regressions = [...priors.log, ...priors.raw];
  const parts = [
    lags.log,
    lags.raw,
    smoothers.flatMap(({ level, daily, weekly, residual }) => [level, daily, weekly, residual]),
    mixtures.flatMap(({ eta, shares }) => [eta, ...shares]),
    choices.flatMap(({ column, share, half }) => [column, share, half]),
    regressions.flatMap(wordsOfRegression),
  ].flat();
  const header = [
    [model.day, model.week, model.lagMax, model.issueEvery],
    [lags.log.length, lags.raw.length, priors.log.length, priors.raw.length, smoothers.length, mixtures.length],
    [REGRESSION.forgetting, REGRESSION.interceptFeature, REGRESSION.varianceMin],
    [REGRESSION.roundsFirst, REGRESSION.rounds, REGRESSION.clampRatio],
    [DAILY_COUNT, INTERVAL.longCount, INTERVAL.recentCount],
    [INTERVAL.long, INTERVAL.recent, INTERVAL.pending, INTERVAL.floor],
    [VALUE_MAX, regressions.reduce((sum, { clusters }) => sum + clusters.length, 0), BLOCK_COUNT],
    [nets?.correctFrom ?? 0, HEADER_WORDS + parts.length, choices.length, CHOICE_ETA, YIELD_COUNT],
  ].flat();
  return [header, Array.from({ length: HEADER_WORDS - header.length }, () => 0), parts, nets === null ? [] : wordsOfNets(nets)].flat();
}

function wordsOfNets({ originInputCount, quantileCount, gateShare, stretch, gated, means, deviations, members }: Nets): number[] {
  return [
    [means.length, originInputCount, quantileCount, gated.length, members.length, gateShare, stretch],
    means,
    deviations,
    gated,
    members.flat().flatMap(({ inputs, outputs, weights, biases }) => [inputs, outputs, ...weights, ...biases]),
  ].flat();
}

function wordsOfRegression({ features, kappa, clusters }: RegressionPrior): number[] {
  const isDiagonal = clusters.every(({ root }) => root.length === features.length);
  return [
    [features.length, kappa, clusters.length, isDiagonal ? 1 : 0],
    features,
    clusters.flatMap(({ logShare, means, root }) => [logShare, ...means, ...root]),
  ].flat();
}
