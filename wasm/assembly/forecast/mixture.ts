// A weighted mean of the experts, in logs, weighed by what each said about the last days; and its own scale of error.
import { exponential } from "./elementary";
import { blockError, dailyLoss, maturedError, pendingError } from "./judged";
import {
  dailyCountOf,
  dailyRows,
  expertCount,
  hourOf,
  judgedSteps,
  longCount,
  longShare,
  maturedCountOf,
  mixtures,
  pendingShare,
  recentCount,
  recentShare,
  scaleFloor,
} from "./model";
import { COLUMNS, SCALE, STEP_BYTES, WEIGHTS } from "./scratch";

function specOf(mixture: u32): usize {
  return mixtures + ((<usize>(mixture * (expertCount + 2))) << 3);
}

/** Half the width of the 95 % interval, in expected absolute log errors. */
export function halfWidth(mixture: u32): f64 {
  return load<f64>(specOf(mixture), 8);
}

/** Writes the mixture's steps into its own column. */
export function mixColumn(mixture: u32, horizon: u32): void {
  weigh(specOf(mixture));
  const into = COLUMNS + <usize>(expertCount + mixture) * STEP_BYTES;
  for (let at: usize = 0; at < (<usize>horizon) << 3; at += 8) {
    let sum: f64 = 0;
    for (let expert: u32 = 0; expert < expertCount; expert++)
      sum += load<f64>(WEIGHTS + ((<usize>expert) << 3)) * load<f64>(COLUMNS + <usize>expert * STEP_BYTES + at);
    store<f64>(into + at, sum);
  }
}

// Share × exp(−eta (loss ÷ best − 1)).
function weigh(spec: usize): void {
  const eta = load<f64>(spec);
  const shares = spec + 16;
  let best: f64 = Infinity;
  for (let expert: u32 = 0; expert < expertCount; expert++) {
    const at = (<usize>expert) << 3;
    const loss: f64 = dailyCountOf() > 0 ? dailyLoss(expert, dailyRows) : 0;
    store<f64>(WEIGHTS + at, loss);
    if (load<f64>(shares + at) > 0) best = min(best, loss);
  }
  let sum: f64 = 0;
  for (let at: usize = 0; at < (<usize>expertCount) << 3; at += 8) {
    const loss = load<f64>(WEIGHTS + at);
    const share = load<f64>(shares + at);
    const excess: f64 = best > 0 ? loss / best - 1 : loss > 0 ? Infinity : 0;
    const weight: f64 = share > 0 ? share * exponential(-eta * excess) : 0;
    store<f64>(WEIGHTS + at, weight);
    sum += weight;
  }
  for (let at: usize = 0; at < (<usize>expertCount) << 3; at += 8) store<f64>(WEIGHTS + at, load<f64>(WEIGHTS + at) / sum);
}

/** Writes the mixture's expected absolute log error of the coming steps. */
export function writeScales(mixture: u32, horizon: u32): void {
  const column = expertCount + mixture;
  const isKnown = maturedCountOf() > 0;
  const long: f64 = isKnown ? maturedError(column, longCount) : 0;
  const waiting = pendingError(column, hourOf());
  const pending = waiting === waiting ? waiting : long;
  const base: f64 = isKnown
    ? longShare() * long + recentShare() * maturedError(column, recentCount) + pendingShare() * pending + scaleFloor()
    : 1;
  for (let step: u32 = 0; step < horizon; step++) {
    const shape = long > 0 ? blockError(column, min(step, judgedSteps - 1)) / long : 1;
    store<f64>(SCALE + ((<usize>step) << 3), base * sqrt(0.5 + 0.5 * shape));
  }
}
