import type { DemandQuantiles } from "#shared/forecast/minute-demand.ts";

/** What the planner asks of a forecaster; it owns no model of its own. */
export interface DemandForecast {
  /**
   * Answers: slots wanted `horizonMs` from the last observation, exceeded with probability 1 − p; and the most wanted at any time
   * until then. Both rise with p.
   */
  quantiles(horizonMs: number, asked: DemandQuantiles): void;
}
