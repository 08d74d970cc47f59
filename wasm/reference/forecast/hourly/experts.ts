// The pool that every mixture draws from: what each expert says about the coming hours, from the same observations.
import { Lags } from "./lags.ts";
import { Moments } from "./moments.ts";
import type { Prior } from "./prior.ts";
import { Profiles } from "./profiles.ts";
import { Regression } from "./regression.ts";
import {
  DAY,
  HORIZON_MAX,
  LAG_MAX,
  LEARN_FROM,
  LOG_LAGS,
  LOG_ORDER,
  ORDER_MAX,
  RAW_LAGS,
  RAW_ORDER,
  REGRESSION,
  LOG_MAX,
  WEEK,
} from "./settings.ts";
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
  readonly log = new Lags();
  /** Until a week is full the values themselves, then relative to the first week. */
  readonly raw = new Lags();
  readonly logMoments = new Moments(LOG_ORDER);
  readonly rawMoments = new Moments(RAW_ORDER);
  readonly logRegressions: readonly Regression[];
  readonly rawRegressions: readonly Regression[];
  logCentre = 0;
  rawCentre = 1;
  readonly #profiles = new Profiles();
  readonly #smoothers: readonly Smoother[];
  readonly #features = new Float64Array(ORDER_MAX);
  readonly #steps = new Float64Array(HORIZON_MAX);

  constructor({ logPriors, rawPriors, smoothers }: ExpertsSpec) {
    this.logRegressions = logPriors.map((prior) => new Regression(prior, LOG_ORDER));
    this.rawRegressions = rawPriors.map((prior) => new Regression(prior, RAW_ORDER));
    this.#smoothers = smoothers.map((rates) => new Smoother(rates));
    this.count = logPriors.length + rawPriors.length + smoothers.length + 2;
    this.forecasts = new Float64Array(this.count * HORIZON_MAX);
  }

  /** `value` is from 0 to VALUE_MAX. */
  observe(value: number): void {
    this.hour += 1;
    if (this.hour <= WEEK) {
      this.raw.observe(value);
      if (this.hour === WEEK) this.#begin();
      return;
    }
    const log = Math.log1p(value) - this.logCentre;
    const raw = value / this.rawCentre - 1;
    if (this.hour > LEARN_FROM) {
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
    const { window } = this.raw;
    const from = LAG_MAX - WEEK;
    let sum = 0;
    for (let hour = 0; hour < WEEK; hour += 1) sum += Math.log1p(window[from + hour]!);
    this.logCentre = sum / WEEK;
    this.rawCentre = Math.max(1, Math.expm1(this.logCentre));
    this.raw.least = Infinity;
    this.raw.most = -Infinity;
    // Each turn of the window brings the next hour of the first week to the same place.
    for (let hour = 0; hour < WEEK; hour += 1) {
      const value = window[from]!;
      const log = Math.log1p(value) - this.logCentre;
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
    if (this.hour <= LEARN_FROM) return;
    for (const regression of this.logRegressions) regression.solve(this.logMoments, options);
    for (const regression of this.rawRegressions) regression.solve(this.rawMoments, options);
  }

  /** Fills `forecasts` with the coming `horizon` steps of every expert. */
  forecast(horizon: number): void {
    const naive = (this.count - 2) * HORIZON_MAX;
    for (let step = 0; step < horizon; step += 1) {
      this.forecasts[naive + step] = this.#seen(this.hour < DAY ? 1 : DAY - (step % DAY));
      this.forecasts[naive + HORIZON_MAX + step] = this.#seen(1);
    }
    const logCount = this.logRegressions.length;
    const regressionCount = logCount + this.rawRegressions.length;
    for (let expert = 0; expert < this.count - 2; expert += 1) {
      const at = expert * HORIZON_MAX;
      if (this.hour <= (expert < regressionCount ? LEARN_FROM : WEEK)) {
        this.forecasts.copyWithin(at, naive, naive + horizon);
        continue;
      }
      if (expert < logCount) this.#forecastLog(this.logRegressions[expert]!, horizon);
      else if (expert < regressionCount) this.#forecastRaw(this.rawRegressions[expert - logCount]!, horizon);
      else this.#smoothers[expert - regressionCount]!.forecast(this.#steps, horizon);
      const isRaw = expert >= logCount && expert < regressionCount;
      for (let step = 0; step < horizon; step += 1) {
        const said = this.#steps[step]!;
        const log = isRaw ? Math.log1p(Math.max(0, (said + 1) * this.rawCentre)) : said + this.logCentre;
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
    for (let index = 0; index < LOG_LAGS.length; index += 1) this.#features[index] = this.log.at(LOG_LAGS[index]!, step);
    this.#profiles.describe(this.#features, LOG_LAGS.length, step);
    this.#features[LOG_ORDER - 1] = REGRESSION.interceptFeature;
  }

  #describeRaw(step: number): void {
    for (let index = 0; index < RAW_LAGS.length; index += 1) this.#features[index] = this.raw.at(RAW_LAGS[index]!, step);
    this.#features[RAW_ORDER - 1] = REGRESSION.interceptFeature;
  }

  // log1p of what was seen `lag` hours before the next one.
  #seen(lag: number): number {
    if (this.hour === 0) return 0;
    return this.hour < WEEK ? Math.log1p(this.raw.at(lag, 0)) : Math.max(0, this.log.at(lag, 0) + this.logCentre);
  }
}
