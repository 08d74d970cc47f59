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
  /** By its hash: equal models have one table. */
  readonly written: Map<bigint, ModelTable>;
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
    written: new Map<bigint, ModelTable>(),
  };
  tables.set(kernels, { known, written });
  const before = known.get(model);
  if (before !== undefined) return before;
  const parts = partsOf(model);
  const region = kernels.arena.allocate(lengthOf(parts) * WORD_BYTES, "a seasonal model");
  let at = region.offset;
  for (const part of parts) {
    new Float64Array(kernels.memory, at, part.length).set(part);
    at += part.length * WORD_BYTES;
  }
  const settings = kernels.exports.xxh64(region.offset, region.bytes, 0n);
  const same = written.get(settings);
  if (same !== undefined) kernels.arena.release(region);
  const table = same ?? { offset: region.offset, settings };
  written.set(settings, table);
  known.set(model, table);
  return table;
}

const HEADER_WORDS = 32;

/** What stands in the table one after the other, as it is: ten thousand words are not copied in between. */
type Parts = readonly (readonly number[])[];

function partsOf(model: SeasonalModel): Parts {
  const { priors, smoothers, mixtures, choices, lags, nets } = model;
  const regressions = [...priors.log, ...priors.raw];
  const parts = [
    lags.log,
    lags.raw,
    ...smoothers.map(({ level, daily, weekly, residual }) => [level, daily, weekly, residual]),
    ...mixtures.map(({ eta, shares }) => [eta, ...shares]),
    ...choices.map(({ column, share, half }) => [column, share, half]),
    ...regressions.flatMap(partsOfRegression),
  ];
  const header = [
    [model.day, model.week, model.lagMax, model.issueEvery],
    [lags.log.length, lags.raw.length, priors.log.length, priors.raw.length, smoothers.length, mixtures.length],
    [REGRESSION.forgetting, REGRESSION.interceptFeature, REGRESSION.varianceMin],
    [REGRESSION.roundsFirst, REGRESSION.rounds, REGRESSION.clampRatio],
    [DAILY_COUNT, INTERVAL.longCount, INTERVAL.recentCount],
    [INTERVAL.long, INTERVAL.recent, INTERVAL.pending, INTERVAL.floor],
    [VALUE_MAX, regressions.reduce((sum, { clusters }) => sum + clusters.length, 0), BLOCK_COUNT],
    [nets?.correctFrom ?? 0, HEADER_WORDS + lengthOf(parts), choices.length, CHOICE_ETA, YIELD_COUNT],
  ].flat();
  const padding = Array.from({ length: HEADER_WORDS - header.length }, () => 0);
  return [header, padding, ...parts, ...(nets === null ? [] : partsOfNets(nets))];
}

function lengthOf(parts: Parts): number {
  return parts.reduce((sum, { length }) => sum + length, 0);
}

function partsOfNets({ originInputCount, quantileCount, gateShare, stretch, gated, means, deviations, members }: Nets): Parts {
  return [
    [means.length, originInputCount, quantileCount, gated.length, members.length, gateShare, stretch],
    means,
    deviations,
    gated,
    ...members.flat().flatMap(({ inputs, outputs, weights, biases }) => [[inputs, outputs], weights, biases]),
  ];
}

function partsOfRegression({ features, kappa, clusters }: RegressionPrior): Parts {
  const isDiagonal = clusters.every(({ root }) => root.length === features.length);
  return [
    [features.length, kappa, clusters.length, isDiagonal ? 1 : 0],
    features,
    ...clusters.flatMap(({ logShare, means, root }) => [[logShare], means, root]),
  ];
}
