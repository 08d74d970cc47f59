import { fnv1a } from "../fnv1a.ts";
import { wholeSeconds } from "../units.ts";

/**
 * Whole seconds in [t, t + max(4, t/4)], spread over devices by a hash so that they do not all come back at once;
 * the same device always hears the same.
 */
export function retryAfterSeconds(retryAfterMs: number, device: string): number {
  const seconds = wholeSeconds(retryAfterMs);
  const spread = Math.max(4, Math.floor(seconds / 4));
  return seconds + (fnv1a(device) % (spread + 1));
}
