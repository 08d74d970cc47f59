// The M4 competition's measures (Makridakis, Spiliotis, Assimakopoulos 2020), per series and origin.

export interface Forecast {
  readonly mean: ArrayLike<number>;
  /** Of the 95 % interval. */
  readonly lower: ArrayLike<number>;
  readonly upper: ArrayLike<number>;
}

export interface Scores {
  /** Percent, 0 to 200. */
  readonly smape: number;
  readonly mase: number;
  readonly msis: number;
  /** Share of the values inside the interval. */
  readonly coverageRatio: number;
}

/** 2 ÷ (1 − 0.95): what a miss of one costs beside a width of one. */
const MISS_PRICE = 40;

/** Scores `forecast` of `actual`; `history` is what came before, and gives the scale of MASE and MSIS: its own season's naive error. */
export function scoresOf(actual: ArrayLike<number>, forecast: Forecast, history: ArrayLike<number>): Scores {
  const scale = seasonalError(history, 24);
  const totals = { smape: 0, mase: 0, msis: 0, coverageRatio: 0 };
  for (let step = 0; step < actual.length; step += 1) {
    const [value, mean] = [at(actual, step), at(forecast.mean, step)];
    const [lower, upper] = [at(forecast.lower, step), at(forecast.upper, step)];
    const sum = Math.abs(value) + Math.abs(mean);
    totals.smape += sum > 0 ? (200 * Math.abs(value - mean)) / sum : 0;
    totals.mase += Math.abs(value - mean) / scale;
    totals.msis += (upper - lower + MISS_PRICE * (Math.max(0, lower - value) + Math.max(0, value - upper))) / scale;
    totals.coverageRatio += lower <= value && value <= upper ? 1 : 0;
  }
  return mapScores(totals, (total) => total / actual.length);
}

export function meanScores(scores: readonly Scores[]): Scores {
  const totals = { smape: 0, mase: 0, msis: 0, coverageRatio: 0 };
  for (const { smape, mase, msis, coverageRatio } of scores) {
    totals.smape += smape;
    totals.mase += mase;
    totals.msis += msis;
    totals.coverageRatio += coverageRatio;
  }
  return mapScores(totals, (total) => total / scores.length);
}

/** Mean |y(t) − y(t − period)| of the history. */
export function seasonalError(history: ArrayLike<number>, period: number): number {
  let sum = 0;
  for (let index = period; index < history.length; index += 1) sum += Math.abs(at(history, index) - at(history, index - period));
  return sum / (history.length - period);
}

function mapScores({ smape, mase, msis, coverageRatio }: Scores, change: (score: number) => number): Scores {
  return { smape: change(smape), mase: change(mase), msis: change(msis), coverageRatio: change(coverageRatio) };
}

function at(values: ArrayLike<number>, index: number): number {
  return values[index] ?? Number.NaN;
}
