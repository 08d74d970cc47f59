// What is paid for afterwards: a debt that drains at so many units a second. Pure.
import { SECOND_MS } from "#shared/units.ts";

/** 0: nothing is owed beyond the burst. */
export interface CostDebt {
  readonly cost: number;
  readonly atMs: number;
}

/** What is left of it now. */
function drained(debt: CostDebt | undefined, perSecond: number, nowMs: number): number {
  if (debt === undefined) return 0;
  return Math.max(0, debt.cost - (perSecond * Math.max(0, nowMs - debt.atMs)) / SECOND_MS);
}

export function charged(debt: CostDebt | undefined, perSecond: number, { cost, nowMs }: { cost: number; nowMs: number }): CostDebt {
  return { cost: drained(debt, perSecond, nowMs) + cost, atMs: nowMs };
}

/** Where nothing is refused: what comes while it is used up would not have run, so nothing is owed for it. */
export function chargedInShadow(
  debt: CostDebt | undefined,
  secondsPerSecond: number,
  { cost, nowMs }: { cost: number; nowMs: number },
): CostDebt | undefined {
  return blockedForMs(debt, secondsPerSecond, nowMs) > 0 ? debt : charged(debt, secondsPerSecond * SECOND_MS, { cost, nowMs });
}

/** Into a bucket: how many did not fit. */
export function poured(
  debt: CostDebt | undefined,
  { count, perSecond, burst, nowMs }: { count: number; perSecond: number; burst: number; nowMs: number },
): { readonly debt: CostDebt; readonly over: number } {
  const held = drained(debt, perSecond, nowMs);
  const over = Math.max(0, Math.min(count, Math.ceil(held + count - burst)));
  return { debt: { cost: held + count - over, atMs: nowMs }, over };
}

/** In how long less is owed than a second's worth of milliseconds of service time; 0: it is less. */
export function blockedForMs(debt: CostDebt | undefined, secondsPerSecond: number, nowMs: number): number {
  const perSecond = secondsPerSecond * SECOND_MS;
  const over = drained(debt, perSecond, nowMs) - perSecond;
  if (over < 0) return 0;
  return perSecond === 0 ? SECOND_MS : Math.ceil((over * SECOND_MS) / perSecond) + 1;
}
