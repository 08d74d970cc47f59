export const SECOND_MS = 1_000;
export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;

export const KIB_BYTES = 1_024;
export const MIB_BYTES = 1_048_576;

/** Whole seconds for headers such as Retry-After: rounded up, never below one. */
export function wholeSeconds(durationMs: number): number {
  return Math.max(1, Math.ceil(durationMs / SECOND_MS));
}
