import { SECOND_MS } from "#shared/units.ts";

const FIRST_MS = SECOND_MS / 2;
const DELAY_MS_MAX = 30 * SECOND_MS;
/** No gateway's word keeps a device away for longer. */
const RETRY_AFTER_MS_MAX = 600 * SECOND_MS;

/**
 * How long to wait before trying again: full jitter over a span that doubles with each failure, after what the gateway
 * asked for. `random` in [0, 1).
 */
export function backoffMs({ failures, retryAfterMs, random }: { failures: number; retryAfterMs: number; random: number }): number {
  const spanMs = Math.min(DELAY_MS_MAX, FIRST_MS * 2 ** Math.min(failures, 16));
  return Math.min(retryAfterMs, RETRY_AFTER_MS_MAX) + random * spanMs;
}

/** Of a Retry-After in whole seconds, as the gateway sends it; 0 where there is none. */
export function readRetryAfterMs(headers: Headers): number {
  const text = headers.get("retry-after") ?? "";
  return /^\d{1,9}$/.test(text) ? Number(text) * SECOND_MS : 0;
}
