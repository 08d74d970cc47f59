// What the nets are told of a forecast: how the experts differ, how each has fared, what the base got wrong of late. Errors
// and differences are in units of the base's own scale, so that a quiet service and a loud one look alike.
import { logarithm } from "./elementary";
import { ageOf, blockError, blockOf, hourBias, hourError, hourErrorMean, maturedError, pendingError, waitingAt, youngest } from "./judged";
import { baseColumn, day, hourOf, issueEvery, judgedSteps, lagMax, logCentreOf, longCount, recentCount, week } from "./model";
import { gatedColumn, gatedCount, originInputCount } from "./net";
import { dayAhead, weekAhead } from "./signal";
import { BASE_SCALES, COLUMNS, DEVIATIONS, FIRST_WEIGHTS, INPUTS, LOG_WINDOW, STEP_BYTES } from "./scratch";

/** Keeps logs of errors finite. */
const FLOOR: f64 = 0.002;
const DEVIATION_MAX: f64 = 8;
/** Gated are the four regressions, the smoother, yesterday, the mixture that was not learned. */
const YESTERDAY: u32 = 5;
const PRIOR_FREE: u32 = 6;
/** How many have their errors told: all of them, over long without yesterday. */
const TOLD: u32 = 7;

let next: usize = 0;

function tell(value: f64): void {
  store<f64>(next, value);
  next += 8;
}

/** A difference of logs in units of the scale, ended at DEVIATION_MAX. */
function tellUnits(difference: f64, scale: f64): void {
  tell(min(DEVIATION_MAX, max(-DEVIATION_MAX, difference / scale)));
}

/** The column that is told of `index`-th: yesterday last. */
function toldColumn(index: u32): u32 {
  return gatedColumn(index < YESTERDAY ? index : index === YESTERDAY ? PRIOR_FREE : YESTERDAY);
}

function seenBack(back: u32): f64 {
  return <f64>load<f32>(LOG_WINDOW + ((<usize>(lagMax - back)) << 2));
}

function saidAt(column: u32, step: u32): f64 {
  return load<f64>(COLUMNS + <usize>column * STEP_BYTES + ((<usize>step) << 3));
}

function scaleAt(step: u32): f64 {
  return load<f64>(BASE_SCALES + ((<usize>step) << 3));
}

/** Inputs that are the same for every step. */
export function describeOrigin(): void {
  const hour = hourOf();
  const base = baseColumn();
  const scale = scaleAt(0);
  const long = maturedError(base, longCount) + FLOOR;
  const recent = maturedError(base, recentCount) + FLOOR;
  const pending = pendingError(base, hour) + FLOOR;
  next = INPUTS;
  tell(logarithm(long));
  tell(logarithm(recent / long));
  tell(logarithm(pending / long));
  tell(logCentreOf());
  tellUnits(meanOfLast(day) - meanOfLast(week), scale);
  // The base's signed errors of the last quarter of a day, of the last day, of the last hour.
  tellUnits(signedError(issueEvery / 2, issueEvery / 2), scale);
  tellUnits(signedError(day, day), scale);
  tellUnits(signedError(day, 1), scale);
  tell(logarithm((spreadOfWeek() + FLOOR) / long));
  for (let index: u32 = 0; index < TOLD - 1; index++) tell(logarithm((maturedError(toldColumn(index), longCount) + FLOOR) / long));
  for (let index: u32 = 0; index < TOLD; index++) {
    tell(logarithm((maturedError(toldColumn(index), recentCount) + FLOOR) / recent));
    tell(logarithm((pendingError(toldColumn(index), hour) + FLOOR) / pending));
  }
  memory.copy(next, FIRST_WEIGHTS, INPUTS + ((<usize>originInputCount) << 3) - next);
}

/** Inputs of one step, and every gated expert's deviation from the base. */
export function describeStep(step: u32): void {
  const base = baseColumn();
  const scale = scaleAt(step);
  const said = saidAt(base, step);
  const local = said - logCentreOf();
  const hour = hourOf() + step;
  const phase = step % day;
  next = INPUTS + ((<usize>originInputCount) << 3);
  tell(<f64>step);
  tell(logarithm(scale / scaleAt(0)));
  tellUnits(seenBack(day - phase) - local, scale);
  tellUnits(seenBack(2 * day - phase) - local, scale);
  // The base's errors at the same hour of the last day, and around it.
  const slot = youngest(hourOf(), day);
  tellUnits(errorOfLastDay(slot, phase), scale);
  tellUnits(errorOfLastDay(slot, phase === 0 ? 0 : phase - 1), scale);
  tellUnits(errorOfLastDay(slot, min(day - 1, phase + 1)), scale);
  tellUnits(hourBias(hour), scale);
  tell(local);
  tell(said);
  const mean = hourErrorMean() + FLOOR / 2;
  const own = hourError(hour);
  tell(logarithm((own + FLOOR / 2) / mean));
  tell(logarithm(((hourError(hour + day - 1) + 2 * own + hourError(hour + 1)) / 4 + FLOOR / 2) / mean));
  tell(logarithm((own + FLOOR / 2) / scale));
  tellUnits(olderSaid(step, said), scale);
  tell(<f64>phase);
  tellUnits(seenBack(week - (step % week)) - local, scale);
  tellUnits(weekAhead(step) - local, scale);
  tellUnits(dayAhead(step) - local, scale);
  tellUnits(said - saidAt(base, step === 0 ? 0 : step - 1), scale);
  for (let index: u32 = 0; index < gatedCount; index++) {
    tellUnits(saidAt(gatedColumn(index), step) - said, scale);
    store<f64>(DEVIATIONS + ((<usize>index) << 3), load<f64>(next - 8));
  }
  const block = blockOf(step);
  const error = blockError(base, block) + FLOOR;
  for (let index: u32 = 0; index < TOLD; index++) tell(logarithm((blockError(toldColumn(index), block) + FLOOR) / error));
}

function meanOfLast(hours: u32): f64 {
  let sum: f64 = 0;
  for (let back: u32 = 1; back <= hours; back++) sum += seenBack(back);
  return sum / <f64>hours;
}

// Mean distance of the last week's slots from their mean.
function spreadOfWeek(): f64 {
  const mean = meanOfLast(week);
  let sum: f64 = 0;
  for (let back: u32 = 1; back <= week; back++) sum += abs(seenBack(back) - mean);
  return sum / <f64>week;
}

// Mean of value − said over the last `hours` slots, of the youngest kept forecast at least `ageMin` old; 0 without one.
function signedError(ageMin: u32, hours: u32): f64 {
  const slot = youngest(hourOf(), ageMin);
  if (slot < 0) return 0;
  const age = ageOf(slot, hourOf());
  let sum: f64 = 0;
  for (let back: u32 = 1; back <= hours; back++) sum += seenBack(back) + logCentreOf() - waitingAt(slot, baseColumn(), age - back);
  return sum / <f64>hours;
}

function errorOfLastDay(slot: i32, phase: u32): f64 {
  if (slot < 0) return 0;
  const step = ageOf(slot, hourOf()) - day + phase;
  return seenBack(day - phase) + logCentreOf() - waitingAt(slot, baseColumn(), step);
}

// How much more an older forecast says of the same slot; 0 where none reaches it.
function olderSaid(step: u32, said: f64): f64 {
  const slot = youngest(hourOf(), issueEvery + 1);
  if (slot < 0) return 0;
  const older = ageOf(slot, hourOf()) + step;
  return older < judgedSteps ? waitingAt(slot, baseColumn(), older) - said : 0;
}
