import type { ConnectionEnd } from "./fleet-device.ts";

/** The SDK closes with it what a newer connection takes the place of. */
const REPLACED = 4000;
const NORMAL = 1000;
const RESTART = 1012;
const POLICY = 1008;

/**
 * Whether a connection of a device with the SDK ended as docs/protocol.md has it, where nothing is broken and shards are drained
 * with `reason`: by the device, which ends its session or follows the drain's word; or with 1012 and that word, or because the session
 * has moved. Null: it did; else what is wrong.
 */
export function faultOfEnd({ code, reason, closedWith }: ConnectionEnd, drainReason: string): string | null {
  const isAnswered = closedWith !== null && code === closedWith && (code === NORMAL || code === REPLACED);
  const isSentAway = code === RESTART && (reason === drainReason || reason === "moved");
  // Both ends may close at the same time: the gateway has seen the newer connection first.
  const isSuperseded = closedWith === REPLACED && code === POLICY && reason === "superseded";
  // Whoever is so busy that a hello takes fifteen seconds is told so, and comes back.
  const isTooSlow = code === POLICY && reason === "no hello";
  if (isAnswered || isSentAway || isSuperseded || isTooSlow) return null;
  const own = closedWith === null ? "not closed by the device" : `closed by the device with ${closedWith}`;
  return `a connection, ${own}, ended with ${code} ${JSON.stringify(reason)}, expected ${RESTART} with "${drainReason}" or "moved", or the device's own code`;
}
