// The last mixture as the nets correct it: a mean and an interval, in logs.
import { baseColumn, columnCount, day, judgedSteps } from "./model";
import { beginNets, gateShare, openNets, quantileCount, runNets, shift, stretch } from "./net";
import { describeOrigin, describeStep } from "./net-inputs";
import { BASE_SCALES, COLUMNS, CORRECTED_LOWER, CORRECTED_UPPER, QUANTILES, STEP_BYTES } from "./scratch";

function quantileAt(index: u32): f64 {
  return load<f64>(QUANTILES + ((<usize>index) << 3));
}

/** Fills the last column, CORRECTED_LOWER and CORRECTED_UPPER; BASE_SCALES must be there. Beyond the steps that are judged the last day's corrections hold. */
export function correct(horizon: u32): void {
  const base = COLUMNS + <usize>baseColumn() * STEP_BYTES;
  const corrected = COLUMNS + <usize>(columnCount - 1) * STEP_BYTES;
  openNets();
  describeOrigin();
  beginNets();
  for (let step: u32 = 0; step < min(judgedSteps, horizon); step++) {
    describeStep(step);
    runNets();
    const at = (<usize>step) << 3;
    const scale = load<f64>(BASE_SCALES + at);
    const said = load<f64>(base + at);
    const median = quantileAt((quantileCount - 1) / 2);
    const mean = gateShare() * shift + median;
    const low = shift + median + stretch() * (quantileAt(0) - median);
    const high = shift + median + stretch() * (quantileAt(quantileCount - 1) - median);
    store<f64>(corrected + at, max<f64>(0, said + scale * mean));
    store<f64>(CORRECTED_LOWER + at, said + scale * min(low, mean));
    store<f64>(CORRECTED_UPPER + at, said + scale * max(high, mean));
  }
  for (let step = judgedSteps; step < horizon; step++) {
    const at = (<usize>step) << 3;
    const from = (<usize>(judgedSteps - day + (step % day))) << 3;
    const moved = load<f64>(base + at) - load<f64>(base + from);
    const mean = max<f64>(0, load<f64>(corrected + from) + moved);
    store<f64>(corrected + at, mean);
    store<f64>(CORRECTED_LOWER + at, min(load<f64>(CORRECTED_LOWER + from) + moved, mean));
    store<f64>(CORRECTED_UPPER + at, max(load<f64>(CORRECTED_UPPER + from) + moved, mean));
  }
}
