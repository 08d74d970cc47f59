import { SECOND_MS } from "#shared/units.ts";

/** The virtual clock's step: load and supply are constant within one. */
export const TICK_MS = 2 * SECOND_MS;

export function ticksOf(durationMs: number): number {
  return Math.ceil(durationMs / TICK_MS);
}
