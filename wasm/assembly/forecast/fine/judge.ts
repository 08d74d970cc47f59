// What one horizon's forecasts turned out to be worth, beside persistence and seasonal naive from the same origins: running
// sums over a week, in the values' own unit; and the pool's losses.
// Sums, f64: weight · value · error · own error · persistence's · seasonal's · value where there was a season · inside · width ·
// pinball · bias.
import { exponential } from "../elementary";
import { INTERVAL_LEVEL, valueOf } from "./interval";
import { FACTOR, MEMBERS, POOL_COUNT } from "./state";
import {
  JUDGE_KEEP,
  LOSSES,
  POOL_KEEP,
  SUMS,
  UPDATES,
  WAITING_LOWER,
  WAITING_MEDIAN,
  WAITING_MEMBERS,
  WAITING_OWN,
  WAITING_PERSISTENCE,
  WAITING_SEASONAL,
  WAITING_SHARE,
  WAITING_UPPER,
  YIELDS,
} from "./horizon-layout";

const SUMS_BYTES: usize = 88;
const ETA: f64 = 20;
const FIRST_SHARE: f64 = 4;
const YIELDS_ABOVE: f64 = 1.01;
const RETURNS_BELOW: f64 = 0.99;

/** The weighted mean of the pool's members. */
export function mixPool(horizon: usize): f64 {
  let best = Infinity;
  for (let index: usize = 0; index < POOL_COUNT; index++) best = min(best, load<f64>(horizon + (index << 3), LOSSES));
  let weights: f64 = 0;
  let sum: f64 = 0;
  for (let index: usize = 0; index < POOL_COUNT; index++) {
    const excess = best > 0 ? load<f64>(horizon + (index << 3), LOSSES) / best - 1 : 0;
    const weight = (index === 0 ? FIRST_SHARE : 1) * exponential(-ETA * excess);
    weights += weight;
    sum += weight * <f64>load<f32>(MEMBERS + (index << 2));
  }
  return sum / weights;
}

function pinball(error: f64, p: f64): f64 {
  return error >= 0 ? p * error : (p - 1) * error;
}

function said(waiting: usize, at: usize): f64 {
  return valueOf(<f64>load<f32>(waiting + at));
}

/** The forecast that waited at `waiting` has its value. */
export function judgeForecast(horizon: usize, waiting: usize, value: f64, uplift: f64): void {
  for (let index: usize = 0; index < POOL_COUNT; index++) {
    const at = horizon + (index << 3);
    const member = valueOf(<f64>load<f32>(waiting + (index << 2), WAITING_MEMBERS) + uplift);
    store<f64>(at, load<f64>(horizon, POOL_KEEP) * load<f64>(at, LOSSES) + abs(value - member), LOSSES);
  }
  const median = said(waiting, WAITING_MEDIAN);
  const lower = said(waiting, WAITING_LOWER);
  const upper = said(waiting, WAITING_UPPER);
  const below = <f64>load<f32>(waiting, WAITING_SHARE);
  const seasonal = said(waiting, WAITING_SEASONAL);
  const news = FACTOR;
  store<f64>(news, 1);
  store<f64>(news, value, 8);
  store<f64>(news, abs(value - median), 16);
  store<f64>(news, abs(value - said(waiting, WAITING_OWN)), 24);
  store<f64>(news, abs(value - said(waiting, WAITING_PERSISTENCE)), 32);
  store<f64>(news, abs(value - seasonal), 40);
  store<f64>(news, isNaN(seasonal) ? seasonal : value, 48);
  store<f64>(news, lower <= value && value <= upper ? 1 : 0, 56);
  store<f64>(news, upper - lower, 64);
  store<f64>(news, (pinball(value - median, 0.5) + pinball(value - lower, below) + pinball(value - upper, below + INTERVAL_LEVEL)) / 3, 72);
  store<f64>(news, median - value, 80);
  for (let at: usize = 0; at < SUMS_BYTES; at += 8) {
    const sum = horizon + SUMS + at;
    const term = load<f64>(news + at);
    // NaN: there was no season to compare with.
    if (!isNaN(term)) store<f64>(sum, load<f64>(horizon, JUDGE_KEEP) * load<f64>(sum) + term);
  }
  // Not before a whole memory has been judged.
  if (load<f64>(horizon, UPDATES) < 1 / (1 - load<f64>(horizon, JUDGE_KEEP))) return;
  const share = load<u32>(horizon, YIELDS) !== 0 ? RETURNS_BELOW : YIELDS_ABOVE;
  store<u32>(horizon, load<f64>(horizon + SUMS, 24) > share * load<f64>(horizon + SUMS, 32) ? 1 : 0, YIELDS);
}
