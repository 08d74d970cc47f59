import { widthRatio } from "#shared/forecast/interval-level.ts";
import { DAY_AND_WEEK, HORIZON_MAX, priorFreeModel, type SeasonalModel } from "#shared/forecast/seasonal-model.ts";
import type { Region } from "../arena.ts";
import { checkInteger, checkNumber } from "../check-range.ts";
import type { Kernels } from "../kernels.ts";
import { scratchOf, tableOf, type ModelTable } from "./model-table.ts";
import { readState, writeState, type RestoreOutcome } from "./state-blob.ts";

const LEVEL_DEFAULT = 95;
/** Any number that is no place. */
const ALL_CHOICES = 255;

/** Views of the instance's memory, one entry per coming slot: overwritten by the next call to any forecaster of the instance. */
export interface SeasonalForecast {
  readonly mean: Float64Array;
  readonly lower: Float64Array;
  readonly upper: Float64Array;
  /** The expected absolute error of ln(1 + value). */
  readonly scale: Float64Array;
}

export interface ForecastOptions {
  /** Of the interval, in percent; 95 if not given. */
  readonly level?: number;
  /** A place among the model's choices; all of them, weighed by what each has lost of late, if not given. */
  readonly choice?: number;
}

/**
 * Forecasts a series with a day and a week, one value per slot (an hour, for a service), from the first observation on:
 * persistence, after a day the day before, after a week smoothers, then a mixture of regressions and smoothers
 * (wasm/assembly/forecast/seasonal.ts; figures in docs/design/forecasting.md). Never throws for a value.
 */
export class SeasonalForecaster {
  readonly #kernels: Kernels;
  readonly #table: ModelTable;
  readonly #scratch: number;
  readonly #region: Region;
  readonly #bytes: number;
  readonly #choiceCount: number;
  readonly #learnedShares: readonly number[];

  /** Takes the model's state in memory, and once per instance scratch and the model. Throws RangeError where there is no room. */
  constructor(kernels: Kernels, model: SeasonalModel = priorFreeModel(DAY_AND_WEEK)) {
    this.#kernels = kernels;
    this.#choiceCount = model.choices.length;
    this.#learnedShares = (model.priors.log[0]?.clusters ?? []).map(({ logShare }) => Math.exp(logShare));
    this.#scratch = scratchOf(kernels);
    this.#table = tableOf(kernels, model);
    this.#bytes = kernels.exports.seasonalBytes(this.#table.offset);
    this.#region = kernels.arena.allocate(this.#bytes, "a seasonal forecaster");
    this.clear();
  }

  /** Of its state. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The next slot's value. NaN and infinities are missing; a negative value is 0, one above 10¹⁵ is 10¹⁵. */
  observe(value: number): void {
    this.#kernels.exports.seasonalObserve(this.#table.offset, this.#region.offset, this.#scratch, value);
  }

  /**
   * The coming `horizon` slots, 1 to 168, with intervals of `level` percent, 50 to 99.9; changes nothing.
   * 0 ≤ lower ≤ mean ≤ upper < ∞. Throws RangeError for other horizons, levels and choices.
   */
  forecast(horizon: number, { level = LEVEL_DEFAULT, choice = ALL_CHOICES }: ForecastOptions = {}): SeasonalForecast {
    checkInteger(horizon, { doing: "forecast so many slots", min: 1, max: HORIZON_MAX });
    if (choice !== ALL_CHOICES) checkInteger(choice, { doing: "forecast by this choice", min: 0, max: this.#choiceCount - 1 });
    const [table, state] = [this.#table.offset, this.#region.offset];
    this.#kernels.exports.seasonalForecast(table, state, this.#scratch, horizon, choice, widthRatio(level));
    return {
      mean: this.#result(0, horizon),
      lower: this.#result(1, horizon),
      upper: this.#result(2, horizon),
      scale: this.#result(3, horizon),
    };
  }

  #result(index: number, horizon: number): Float64Array {
    return new Float64Array(this.#kernels.memory, this.#scratch + 8 * index * HORIZON_MAX, horizon);
  }

  /**
   * What this service's data alone say of the first prior's clusters, under the shares that were learned: a distribution; null before a week
   * was learned from (fifteen days, of hours).
   */
  clusterWeights(): number[] | null {
    const offset = this.#kernels.exports.seasonalClusterWeights(this.#table.offset, this.#region.offset, this.#scratch);
    return offset === 0 ? null : [...new Float64Array(this.#kernels.memory, offset, this.#learnedShares.length)];
  }

  /** What its table is: models of equal tables mean the same by the clusters. */
  get modelHash(): string {
    return BigInt.asUintN(64, this.#table.settings).toString(16);
  }

  /** The shares of the first prior's clusters that were learned. */
  get learnedShares(): readonly number[] {
    return this.#learnedShares;
  }

  /** Those that it believes. */
  get shares(): number[] {
    const offset = this.#kernels.exports.seasonalShares(this.#table.offset, this.#region.offset);
    return Array.from(new Float64Array(this.#kernels.memory, offset, this.#learnedShares.length), (log) => Math.exp(log));
  }

  /**
   * Believes these shares instead, from the next solve on; they are part of its state. Throws RangeError where they are no distribution over the
   * clusters with a part for each.
   */
  setShares(shares: readonly number[]): void {
    checkInteger(shares.length, { doing: "believe so many shares", min: this.#learnedShares.length, max: this.#learnedShares.length });
    for (const share of shares) checkNumber(share, { doing: "believe a cluster's share", min: Number.MIN_VALUE, max: 1 });
    checkNumber(
      shares.reduce((sum, share) => sum + share, 0),
      { doing: "believe shares of this sum", min: 1 - 1e-6, max: 1 + 1e-6 },
    );
    this.#kernels.writeBytes(new Uint8Array(Float64Array.from(shares, Math.log).buffer));
    this.#kernels.exports.seasonalSetShares(this.#table.offset, this.#region.offset, this.#kernels.keyOffset);
  }

  /** Everything it knows, for `restore`: 32 bytes more than its state. */
  toBytes(): Uint8Array {
    const { offset, settings } = this.#table;
    return writeState(this.#kernels, this.#bytes, (into) =>
      this.#kernels.exports.seasonalWrite(offset, this.#region.offset, into, settings),
    );
  }

  /** Goes on where `toBytes` was, bit for bit. What was truncated, damaged, or written by another version or model is refused. */
  restore(blob: Uint8Array): RestoreOutcome {
    const { offset, settings } = this.#table;
    return readState(this.#kernels, { blob, bytes: this.#bytes }, (from, blobBytes) =>
      this.#kernels.exports.seasonalRead(offset, this.#region.offset, from, blobBytes, settings),
    );
  }

  /** Forgets everything. */
  clear(): void {
    this.#kernels.exports.seasonalInit(this.#table.offset, this.#region.offset);
  }

  /** Gives the memory back. The forecaster must not be used afterwards. */
  release(): void {
    this.#kernels.arena.release(this.#region);
  }
}
