// The forecasts that every other must beat.
import type { Forecast } from "./measures.ts";

/** The value `period` hours before, again and again; ± 1.96 rms of the differences × √(seasons ahead). */
export function naiveForecast(history: readonly number[], { period, horizon }: { period: number; horizon: number }): Forecast {
  let squares = 0;
  for (let index = period; index < history.length; index += 1) squares += ((history[index] ?? 0) - (history[index - period] ?? 0)) ** 2;
  const half = 1.96 * Math.sqrt(squares / (history.length - period));
  const steps = Array.from({ length: horizon }, (_, step) => ({
    mean: history[history.length - period + (step % period)] ?? 0,
    half: half * Math.sqrt(Math.floor(step / period) + 1),
  }));
  return {
    mean: steps.map((step) => step.mean),
    lower: steps.map((step) => step.mean - step.half),
    upper: steps.map((step) => step.mean + step.half),
  };
}
