import { wholeSeconds } from "../units.ts";

/**
 * Whole seconds in [t, t + max(4, t/4)], spread over devices by a hash (FNV-1a) so that they do not all come back
 * at once; the same device always hears the same.
 */
export function retryAfterSeconds(retryAfterMs: number, device: string): number {
  const seconds = wholeSeconds(retryAfterMs);
  const spread = Math.max(4, Math.floor(seconds / 4));
  let hash = 0x811c9dc5;
  for (let index = 0; index < device.length; index += 1) hash = Math.imul(hash ^ device.charCodeAt(index), 0x01000193);
  return seconds + ((hash >>> 0) % (spread + 1));
}
