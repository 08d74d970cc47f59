// The pool that every mixture draws from: what each expert says about the coming hours, from the same observations.
import { exponentialLessOne, logOnePlus } from "../elementary.ts";
import { Lags } from "./lags.ts";
import { Moments } from "./moments.ts";
import type { Prior } from "./prior.ts";
import { Profiles } from "./profiles.ts";
import { Regression } from "./regression.ts";
import { HORIZON_MAX, HOURS, LOG_MAX, PROFILE_FEATURES, REGRESSION, type Grid } from "./settings.ts";
import { Smoother, type SmootherRates } from "./smoother.ts";

export interface ExpertsSpec {
  /** Regressions in logs, then on the raw scale; then come the smoothers, the same hour yesterday, and the last value. */
  readonly logPriors: readonly Prior[];
  readonly rawPriors: readonly Prior[];
  readonly smoothers: readonly SmootherRates[];
}

export class Experts {
  readonly count: number;
  /** After `forecast`: log1p of what they say, expert-major, HORIZON_MAX steps each. */
  readonly forecasts: Float64Array;
  hour = 0;
  /** The series in logs around their mean. */
  readonly log: Lags;
  /** Until a week is full the values themselves, then relative to the first week. */
  readonly raw: Lags;
  readonly logMoments: Moments;
  readonly rawMoments: Moments;
  readonly logRegressions: readonly Regression[];
  readonly rawRegressions: readonly Regression[];
  logCentre = 0;
  rawCentre = 1;
  readonly #grid: Grid;
  readonly #profiles: Profiles;
  readonly #smoothers: readonly Smoother[];
  readonly #features: Float64Array;
  readonly #steps = new Float64Array(HORIZON_MAX);

  constructor({ logPriors, rawPriors, smoothers }: ExpertsSpec, grid: Grid = HOURS) {
    const [logOrder, rawOrder] = [grid.logLags.length + PROFILE_FEATURES + 1, grid.rawLags.length + 1];
    this.#grid = grid;
    this.log = new Lags(grid);
    this.raw = new Lags(grid);
    this.logMoments = new Moments(logOrder);
    this.rawMoments = new Moments(rawOrder);
    this.#profiles = new Profiles(grid);
    this.#features = new Float64Array(Math.max(logOrder, rawOrder));
    this.logRegressions = logPriors.map((prior) => new Regression(prior, logOrder));
    this.rawRegressions = rawPriors.map((prior) => new Regression(prior, rawOrder));
    this.#smoothers = smoothers.map((rates) => new Smoother(rates, grid));
    this.count = logPriors.length + rawPriors.length + smoothers.length + 2;
    this.forecasts = new Float64Array(this.count * HORIZON_MAX);
  }

  /** `value` is from 0 to VALUE_MAX. */
  observe(value: number): void {
    const { week, lagMax } = this.#grid;
    this.hour += 1;
    if (this.hour <= week) {
      this.raw.observe(value);
      if (this.hour === week) this.#begin();
      return;
    }
    const log = logOnePlus(value) - this.logCentre;
    const raw = value / this.rawCentre - 1;
    if (this.hour > lagMax) {
      this.#describeLog(0);
      this.logMoments.observe(this.#features, log);
      this.#describeRaw(0);
      this.rawMoments.observe(this.#features, raw);
    }
    for (const smoother of this.#smoothers) smoother.observe(log);
    this.#profiles.observe(log);
    this.log.observe(log);
    this.raw.observe(raw);
  }

  #begin(): void {
    const { week, lagMax } = this.#grid;
    const { window } = this.raw;
    const from = lagMax - week;
    let sum = 0;
    for (let hour = 0; hour < week; hour += 1) sum += logOnePlus(window[from + hour]!);
    this.logCentre = sum / week;
    this.rawCentre = Math.max(1, exponentialLessOne(this.logCentre));
    this.raw.least = Infinity;
    this.raw.most = -Infinity;
    // Each turn of the window brings the next hour of the first week to the same place.
    for (let hour = 0; hour < week; hour += 1) {
      const value = window[from]!;
      const log = logOnePlus(value) - this.logCentre;
      this.log.observe(log);
      this.#profiles.observe(log);
      this.raw.observe(value / this.rawCentre - 1);
    }
    for (const smoother of this.#smoothers) smoother.begin(this.log.window, from);
  }

  profileWeek(step: number): number {
    return this.#profiles.week(step);
  }

  profileDay(step: number): number {
    return this.#profiles.day(step);
  }

  solve(options: { readonly isKept: boolean }): void {
    if (this.hour <= this.#grid.lagMax) return;
    for (const regression of this.logRegressions) regression.solve(this.logMoments, options);
    for (const regression of this.rawRegressions) regression.solve(this.rawMoments, options);
  }

  /** Fills `forecasts` with the coming `horizon` steps of every expert. */
  forecast(horizon: number): void {
    const { day, week, lagMax } = this.#grid;
    const naive = (this.count - 2) * HORIZON_MAX;
    for (let step = 0; step < horizon; step += 1) {
      this.forecasts[naive + step] = this.seen(this.hour < day ? 1 : day - (step % day));
      this.forecasts[naive + HORIZON_MAX + step] = this.seen(1);
    }
    const logCount = this.logRegressions.length;
    const regressionCount = logCount + this.rawRegressions.length;
    for (let expert = 0; expert < this.count - 2; expert += 1) {
      const at = expert * HORIZON_MAX;
      if (this.hour <= (expert < regressionCount ? lagMax : week)) {
        this.forecasts.copyWithin(at, naive, naive + horizon);
        continue;
      }
      if (expert < logCount) this.#forecastLog(this.logRegressions[expert]!, horizon);
      else if (expert < regressionCount) this.#forecastRaw(this.rawRegressions[expert - logCount]!, horizon);
      else this.#smoothers[expert - regressionCount]!.forecast(this.#steps, horizon);
      const isRaw = expert >= logCount && expert < regressionCount;
      for (let step = 0; step < horizon; step += 1) {
        const said = this.#steps[step]!;
        const log = isRaw ? logOnePlus(Math.max(0, (said + 1) * this.rawCentre)) : said + this.logCentre;
        // An expert that lost its way says what the day before says.
        this.forecasts[at + step] = Number.isNaN(log) ? this.forecasts[naive + step]! : Math.min(LOG_MAX, Math.max(0, log));
      }
    }
  }

  #forecastLog({ coefficients }: Regression, horizon: number): void {
    this.#profiles.beginForecast();
    for (let step = 0; step < horizon; step += 1) {
      this.#describeLog(step);
      const kept = this.log.suppose(step, this.#predict(coefficients));
      this.#profiles.suppose(step, kept);
      this.#steps[step] = kept;
    }
    this.#profiles.endForecast();
  }

  #forecastRaw({ coefficients }: Regression, horizon: number): void {
    for (let step = 0; step < horizon; step += 1) {
      this.#describeRaw(step);
      this.#steps[step] = this.raw.suppose(step, this.#predict(coefficients));
    }
  }

  #predict(coefficients: Float64Array): number {
    let sum = 0;
    for (let index = 0; index < coefficients.length; index += 1) sum += coefficients[index]! * this.#features[index]!;
    return sum;
  }

  #describeLog(step: number): void {
    const { logLags } = this.#grid;
    for (let index = 0; index < logLags.length; index += 1) this.#features[index] = this.log.at(logLags[index]!, step);
    this.#profiles.describe(this.#features, logLags.length, step);
    this.#features[logLags.length + PROFILE_FEATURES] = REGRESSION.interceptFeature;
  }

  #describeRaw(step: number): void {
    const { rawLags } = this.#grid;
    for (let index = 0; index < rawLags.length; index += 1) this.#features[index] = this.raw.at(rawLags[index]!, step);
    this.#features[rawLags.length] = REGRESSION.interceptFeature;
  }

  /** log1p of what was seen `lag` hours before the next one; 0 where nothing was. */
  seen(lag: number): number {
    if (this.hour === 0) return 0;
    return this.hour < this.#grid.week ? logOnePlus(this.raw.at(lag, 0)) : Math.max(0, this.log.at(lag, 0) + this.logCentre);
  }
}
