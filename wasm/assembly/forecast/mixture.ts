// A weighted mean of the experts and of the mixtures before it, in logs, weighed by what each said about the last days.
import { exponential } from "./elementary";
import { dailyLoss } from "./judged";
import { dailyCountOf, dailyRows, expertCount, mixtures, mixtureWords } from "./model";
import { COLUMNS, STEP_BYTES, WEIGHTS } from "./scratch";

/** Writes the mixture's steps into its own column. */
export function mixColumn(mixture: u32, horizon: u32): void {
  const columns = expertCount + mixture;
  const spec = mixtures + ((<usize>mixtureWords(mixture)) << 3);
  for (let column: u32 = 0; column < columns; column++) store<f64>(WEIGHTS + ((<usize>column) << 3), lossOf(column));
  weighByLoss(columns, spec + 8, 8, load<f64>(spec));
  const into = COLUMNS + <usize>columns * STEP_BYTES;
  for (let at: usize = 0; at < (<usize>horizon) << 3; at += 8) {
    let sum: f64 = 0;
    for (let column: u32 = 0; column < columns; column++)
      sum += load<f64>(WEIGHTS + ((<usize>column) << 3)) * load<f64>(COLUMNS + <usize>column * STEP_BYTES + at);
    store<f64>(into + at, sum);
  }
}

/** A column's loss over the last daily origins that have matured; 0 before the first. */
export function lossOf(column: u32): f64 {
  return dailyCountOf() > 0 ? dailyLoss(column, dailyRows) : 0;
}

/** Turns the losses in WEIGHTS into weights: share × exp(−eta (loss ÷ best − 1)), of sum 1. Share 0 has no part. Shares are `stride` bytes apart. */
export function weighByLoss(count: u32, shares: usize, stride: usize, eta: f64): void {
  let best: f64 = Infinity;
  for (let index: u32 = 0; index < count; index++)
    if (load<f64>(shares + <usize>index * stride) > 0) best = min(best, load<f64>(WEIGHTS + ((<usize>index) << 3)));
  let sum: f64 = 0;
  for (let index: u32 = 0; index < count; index++) {
    const at = WEIGHTS + ((<usize>index) << 3);
    const loss = load<f64>(at);
    const share = load<f64>(shares + <usize>index * stride);
    const excess: f64 = best > 0 ? loss / best - 1 : loss > 0 ? Infinity : 0;
    const weight: f64 = share > 0 ? share * exponential(-eta * excess) : 0;
    store<f64>(at, weight);
    sum += weight;
  }
  for (let at: usize = 0; at < (<usize>count) << 3; at += 8) store<f64>(WEIGHTS + at, load<f64>(WEIGHTS + at) / sum);
}
