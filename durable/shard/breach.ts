// What a socket is closed with that does what it may not, or whose time is up: a code, and one word.
import { GOING_AWAY, POLICY, TOO_BIG, TRY_LATER } from "#shared/protocol/close-codes.ts";
import type { ConnectionTerms } from "#shared/protocol/shard-rpc.ts";
import { LIMITS } from "#shared/limits.ts";

export interface Breach {
  readonly code: number;
  readonly reason:
    | "message-rate"
    | "message-size"
    | "idle"
    | "lifetime"
    | "token-expired"
    | "bandwidth"
    | "service-time"
    | "shard-busy"
    | "memory";
}

export const TOO_MANY: Breach = { code: POLICY, reason: "message-rate" };
export const TOO_LARGE: Breach = { code: TOO_BIG, reason: "message-size" };
export const IDLE: Breach = { code: GOING_AWAY, reason: "idle" };
/** As much of its messages is kept as its part of its flow's memory lets. */
export const NO_MEMORY: Breach = { code: TRY_LATER, reason: "memory" };
const TOO_OLD: Breach = { code: GOING_AWAY, reason: "lifetime" };
const EXPIRED: Breach = { code: POLICY, reason: "token-expired" };

/** Of a connection without terms of its own. */
export const NO_TERMS: ConnectionTerms = {
  limits: {
    messageBytesMax: LIMITS.socketMessageBytesMax,
    messagesPerSecond: null,
    messageBurst: 1,
    idleMsMax: null,
    lifetimeMsMax: null,
  },
  tokenUntilMs: null,
};

/** When a connection ends whatever it does, and with what; null: it does not. */
export function endOfTime({ limits, tokenUntilMs }: ConnectionTerms, acceptedAtMs: number): { atMs: number; breach: Breach } | null {
  const oldAtMs = acceptedAtMs + (limits.lifetimeMsMax ?? Infinity);
  const expiredAtMs = tokenUntilMs ?? Infinity;
  if (oldAtMs === Infinity && expiredAtMs === Infinity) return null;
  return expiredAtMs <= oldAtMs ? { atMs: expiredAtMs, breach: EXPIRED } : { atMs: oldAtMs, breach: TOO_OLD };
}
