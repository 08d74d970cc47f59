// A service's past, told by its operator before the gateway has seen any of it: bins of ten seconds, one after another.
import type { Refusal } from "../errors/refusal.ts";
import { SECOND_MS } from "../units.ts";

export const HISTORY = {
  binMs: 10 * SECOND_MS,
  /** Of one call: about half a second of the pool's time. */
  binCountMax: 1_000,
  valueMax: 1e9,
} as const;

export interface DemandHistory {
  /** Of the first bin; a multiple of its length. By the demand's clock. */
  readonly startMs: number;
  /** Mean slots wanted in each bin. */
  readonly slots: readonly number[];
  /** As many. */
  readonly arrivalsPerSecond: readonly number[];
}

/** Until when the service's demand is known now. */
export type HistoryAnswer = { readonly ok: true; readonly knownUntilMs: number } | Refusal;
