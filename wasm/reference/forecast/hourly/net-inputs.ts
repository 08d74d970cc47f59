// What the nets are told of a forecast: how the experts differ, how each has fared, what the base got wrong of late. Errors
// and differences are in units of the base's own scale, so that a quiet service and a loud one look alike.
import { logarithm } from "../elementary.ts";
import type { Experts } from "./experts.ts";
import type { Judged } from "./judged.ts";
import { Column } from "./pool.ts";
import { BLOCK_HOURS, DAY, DEVIATION_MAX, HORIZON_MAX, ISSUE_EVERY, JUDGED, LAG_MAX, LONG_COUNT, RECENT_COUNT, WEEK } from "./settings.ts";

export interface Situation {
  readonly experts: Experts;
  readonly judged: Judged;
  /** Column-major, HORIZON_MAX steps each, as log1p. */
  readonly columns: Float64Array;
  /** The base's scale of error, of each step. */
  readonly scales: Float64Array;
}

/** Keeps logs of errors finite. */
const FLOOR = 0.002;
const BASE = Column.learned;
/** Columns whose losses the nets are told, beside the base's; of yesterday's not the long one. */
const LONG_JUDGED = [Column.learnedLog, Column.handLog, Column.learnedRaw, Column.handRaw, Column.smoother, Column.priorFree] as const;
const RECENT_JUDGED = [...LONG_JUDGED, Column.yesterday] as const;
const BLOCK_JUDGED = RECENT_JUDGED;
export const GATED = [
  Column.learnedLog,
  Column.handLog,
  Column.learnedRaw,
  Column.handRaw,
  Column.smoother,
  Column.yesterday,
  Column.priorFree,
] as const;

/** Inputs that are the same for every step, from 0 on; returns how many. */
export function describeOrigin({ experts, judged, scales }: Situation, into: Float64Array): number {
  const { hour } = experts;
  const { window } = experts.log;
  const scale = scales[0]!;
  const long = judged.maturedError(BASE, LONG_COUNT) + FLOOR;
  const recent = judged.maturedError(BASE, RECENT_COUNT) + FLOOR;
  const pending = judged.pendingError(BASE, hour) + FLOOR;
  into[0] = logarithm(long);
  into[1] = logarithm(recent / long);
  into[2] = logarithm(pending / long);
  into[3] = experts.logCentre;
  into[4] = inUnits(meanOfLast(window, DAY) - meanOfLast(window, WEEK), scale);
  // The base's signed errors of the last quarter of a day, of the last day, of the last hour.
  into[5] = inUnits(signedError({ experts, judged }, { ageMin: ISSUE_EVERY / 2, hours: ISSUE_EVERY / 2 }), scale);
  into[6] = inUnits(signedError({ experts, judged }, { ageMin: DAY, hours: DAY }), scale);
  into[7] = inUnits(signedError({ experts, judged }, { ageMin: DAY, hours: 1 }), scale);
  into[8] = logarithm((spreadOfWeek(window) + FLOOR) / long);
  let at = 9;
  for (const column of LONG_JUDGED) {
    into[at] = logarithm((judged.maturedError(column, LONG_COUNT) + FLOOR) / long);
    at += 1;
  }
  for (const column of RECENT_JUDGED) {
    into[at] = logarithm((judged.maturedError(column, RECENT_COUNT) + FLOOR) / recent);
    into[at + 1] = logarithm((judged.pendingError(column, hour) + FLOOR) / pending);
    at += 2;
  }
  const { weights } = experts.logRegressions[0]!;
  for (let cluster = 0; cluster < weights.length; cluster += 1) into[at + cluster] = weights[cluster]!;
  return at + weights.length;
}

/** Inputs of one step, from `at` on. */
export function describeStep(situation: Situation, step: number, { into, at }: { into: Float64Array; at: number }): void {
  const { experts, judged, columns, scales } = situation;
  const { window } = experts.log;
  const scale = scales[step]!;
  const said = columns[BASE * HORIZON_MAX + step]!;
  const local = said - experts.logCentre;
  const hour = experts.hour + step;
  const phase = step % DAY;
  const youngest = judged.youngest(experts.hour, DAY);
  into[at] = step;
  into[at + 1] = logarithm(scale / scales[0]!);
  into[at + 2] = inUnits(window[LAG_MAX - DAY + phase]! - local, scale);
  into[at + 3] = inUnits(window[LAG_MAX - 2 * DAY + phase]! - local, scale);
  // The base's errors at the same hour of the last day, and around it.
  into[at + 4] = inUnits(errorOfLastDay(situation, youngest, phase), scale);
  into[at + 5] = inUnits(errorOfLastDay(situation, youngest, Math.max(0, phase - 1)), scale);
  into[at + 6] = inUnits(errorOfLastDay(situation, youngest, Math.min(DAY - 1, phase + 1)), scale);
  into[at + 7] = inUnits(judged.hourBias(hour), scale);
  into[at + 8] = local;
  into[at + 9] = said;
  const mean = judged.hourErrorMean() + FLOOR / 2;
  const [before, own, after] = [judged.hourError(hour + DAY - 1), judged.hourError(hour), judged.hourError(hour + 1)];
  into[at + 10] = logarithm((own + FLOOR / 2) / mean);
  into[at + 11] = logarithm(((before + 2 * own + after) / 4 + FLOOR / 2) / mean);
  into[at + 12] = logarithm((own + FLOOR / 2) / scale);
  into[at + 13] = inUnits(olderSaid(situation, step), scale);
  into[at + 14] = phase;
  into[at + 15] = inUnits(window[LAG_MAX - WEEK + (step % WEEK)]! - local, scale);
  into[at + 16] = inUnits(experts.profileWeek(step) - local, scale);
  into[at + 17] = inUnits(experts.profileDay(step) - local, scale);
  into[at + 18] = inUnits(said - columns[BASE * HORIZON_MAX + Math.max(0, step - 1)]!, scale);
  let next = at + 19;
  for (let index = 0; index < GATED.length; index += 1, next += 1)
    into[next] = inUnits(columns[GATED[index]! * HORIZON_MAX + step]! - said, scale);
  const block = Math.floor(step / BLOCK_HOURS);
  const base = judged.blockError(BASE, block) + FLOOR;
  for (let index = 0; index < BLOCK_JUDGED.length; index += 1, next += 1)
    into[next] = logarithm((judged.blockError(BLOCK_JUDGED[index]!, block) + FLOOR) / base);
}

/** A difference of logs in units of the scale, ended at DEVIATION_MAX. */
export function inUnits(difference: number, scale: number): number {
  return Math.min(DEVIATION_MAX, Math.max(-DEVIATION_MAX, difference / scale));
}

function meanOfLast(window: Float32Array, hours: number): number {
  let sum = 0;
  for (let back = 1; back <= hours; back += 1) sum += window[LAG_MAX - back]!;
  return sum / hours;
}

// Mean distance of the last week's hours from their mean.
function spreadOfWeek(window: Float32Array): number {
  const mean = meanOfLast(window, WEEK);
  let sum = 0;
  for (let back = 1; back <= WEEK; back += 1) sum += Math.abs(window[LAG_MAX - back]! - mean);
  return sum / WEEK;
}

type Past = Pick<Situation, "experts" | "judged">;

// Mean of value − said over the last `hours` hours, of the youngest kept forecast at least `ageMin` hours old; 0 without one.
function signedError({ experts, judged }: Past, { ageMin, hours }: { ageMin: number; hours: number }): number {
  const slot = judged.youngest(experts.hour, ageMin);
  if (slot < 0) return 0;
  const age = judged.age(slot, experts.hour);
  let sum = 0;
  for (let back = 1; back <= hours; back += 1)
    sum += experts.log.window[LAG_MAX - back]! + experts.logCentre - judged.waiting({ slot, column: BASE, step: age - back });
  return sum / hours;
}

function errorOfLastDay({ experts, judged }: Past, slot: number, phase: number): number {
  if (slot < 0) return 0;
  const step = judged.age(slot, experts.hour) - DAY + phase;
  return experts.log.window[LAG_MAX - DAY + phase]! + experts.logCentre - judged.waiting({ slot, column: BASE, step });
}

// How much more an older forecast says of the same hour; 0 where none reaches it.
function olderSaid({ experts, judged, columns }: Situation, step: number): number {
  const slot = judged.youngest(experts.hour, ISSUE_EVERY + 1);
  if (slot < 0) return 0;
  const older = judged.age(slot, experts.hour) + step;
  return older < JUDGED ? judged.waiting({ slot, column: BASE, step: older }) - columns[BASE * HORIZON_MAX + step]! : 0;
}
