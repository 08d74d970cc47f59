// Double-seasonal exponential smoothing with an autoregressive residual (Taylor 2003; Gould et al. 2008), additive on
// the log scale. Level and residual f64; the daily and weekly components f32.
import { day, hourOf, SMOOTHER_SEASONS, smootherRates, SMOOTHERS, week } from "./model";
import { LOG_WINDOW, STEPS } from "./scratch";

// The smoother at hand.
let levelRate: f64 = 0;
let dailyRate: f64 = 0;
let weeklyRate: f64 = 0;
let residualRate: f64 = 0;
let scalars: usize = 0;
let daily: usize = 0;
let weekly: usize = 0;

export function openSmoother(index: u32): void {
  const rates = smootherRates + ((<usize>index) << 5);
  levelRate = load<f64>(rates);
  dailyRate = load<f64>(rates, 8);
  weeklyRate = load<f64>(rates, 16);
  residualRate = load<f64>(rates, 24);
  scalars = SMOOTHERS + ((<usize>index) << 4);
  daily = SMOOTHER_SEASONS + ((<usize>(index * (day + week))) << 2);
  weekly = daily + ((<usize>day) << 2);
}

/** Begins with one week, in LOG_WINDOW: its days' mean, and what is left. */
export function beginSmoother(): void {
  for (let slot: u32 = 0; slot < day; slot++) {
    let sum: f64 = 0;
    let count: f64 = 0;
    for (let hour = slot; hour < week; hour += day) {
      sum += <f64>load<f32>(LOG_WINDOW + ((<usize>hour) << 2));
      count += 1;
    }
    store<f32>(daily + ((<usize>slot) << 2), <f32>(sum / count));
  }
  for (let hour: u32 = 0; hour < week; hour++) {
    const rest = <f64>load<f32>(LOG_WINDOW + ((<usize>hour) << 2)) - <f64>load<f32>(daily + ((<usize>(hour % day)) << 2));
    store<f32>(weekly + ((<usize>hour) << 2), <f32>rest);
  }
}

export function observeSmoother(hour: u32, value: f64): void {
  const dayAt = daily + ((<usize>(hour % day)) << 2);
  const weekAt = weekly + ((<usize>(hour % week)) << 2);
  const level = load<f64>(scalars);
  const ofDay = <f64>load<f32>(dayAt);
  const ofWeek = <f64>load<f32>(weekAt);
  const rest = value - (level + ofDay + ofWeek);
  const error = rest - residualRate * load<f64>(scalars, 8);
  store<f64>(scalars, level + levelRate * error);
  store<f32>(dayAt, <f32>(ofDay + dailyRate * error));
  store<f32>(weekAt, <f32>(ofWeek + weeklyRate * error));
  // Of what the components have just taken up, nothing is left for the residual.
  store<f64>(scalars, rest - (levelRate + dailyRate + weeklyRate) * error, 8);
}

export function forecastSmoother(horizon: u32): void {
  const level = load<f64>(scalars);
  let rest = load<f64>(scalars, 8);
  for (let step: u32 = 0; step < horizon; step++) {
    rest *= residualRate;
    const hour = hourOf() + step;
    const ofDay = <f64>load<f32>(daily + ((<usize>(hour % day)) << 2));
    const ofWeek = <f64>load<f32>(weekly + ((<usize>(hour % week)) << 2));
    store<f64>(STEPS + ((<usize>step) << 3), level + ofDay + ofWeek + rest);
  }
}
