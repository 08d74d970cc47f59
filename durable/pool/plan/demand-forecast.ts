/** What the planner asks of a forecaster; it owns no model of its own. */
export interface DemandForecast {
  /** Slots wanted `horizonMs` from the last observation, exceeded with probability 1 − p. Rises with p. */
  quantile(horizonMs: number, p: number): number;
  /** The same for the most wanted at any time until then. */
  maxQuantile(windowMs: number, p: number): number;
}
