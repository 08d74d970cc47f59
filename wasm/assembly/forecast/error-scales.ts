// How far a column is expected to be off, in logs, at every coming step.
import { errorAtStep, maturedError, pendingError } from "./judged";
import { hourOf, judgedSteps, longCount, longShare, maturedCountOf, pendingShare, recentCount, recentShare, scaleFloor } from "./model";

/** Writes the expected absolute log error of the coming steps; 1 before any forecast has matured. */
export function writeErrorScales(column: u32, horizon: u32, into: usize): void {
  const isKnown = maturedCountOf() > 0;
  const long: f64 = isKnown ? maturedError(column, longCount) : 0;
  const waiting = pendingError(column, hourOf());
  const pending = waiting === waiting ? waiting : long;
  const base: f64 = isKnown
    ? longShare() * long + recentShare() * maturedError(column, recentCount) + pendingShare() * pending + scaleFloor()
    : 1;
  for (let step: u32 = 0; step < horizon; step++) {
    const shape = long > 0 ? errorAtStep(column, min(step, judgedSteps - 1)) / long : 1;
    store<f64>(into + ((<usize>step) << 3), base * sqrt(0.5 + 0.5 * shape));
  }
}
