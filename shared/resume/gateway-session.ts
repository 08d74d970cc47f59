// The gateway's side of one session of `tidegate.v1`, as it is kept on disk, and what one may ask of it. What becomes of it: step-gateway.ts.
import { RESUME } from "./bounds.ts";
import type { End } from "./frames.ts";
import { EMPTY_OUTBOUND, hasRoom, keptBytesMax, type Outbound } from "./outbound.ts";
import type { TokenPair } from "./resume-token.ts";

export interface GatewaySession {
  readonly sessionId: string;
  readonly shardId: string;
  readonly tokens: TokenPair;
  readonly rotatedAtMs: number;
  /** The device has its first token. */
  readonly isConfirmed: boolean;
  /** The newest connection's. */
  readonly attempt: number;
  /** Since when no connection carries the session; null: one does. */
  readonly detachedAtMs: number | null;
  /** Up to here the device's messages are the endpoint's. Acknowledged. */
  readonly received: number;
  /** Bytes of each message that was given to the shell and is not the endpoint's yet: those after `received`, in order. */
  readonly pending: readonly number[];
  readonly outbound: Outbound;
  /** Of its part of its flow's memory: bytes of the device that may be unacknowledged; the rest is for what it is sent. Absent: as many as in any session. */
  readonly windowBytes?: number;
  /** The endpoint closed: said to the device after the last message. */
  readonly closing: { readonly code: number; readonly reason: string } | null;
  /** Over: nothing but this is left of it. */
  readonly end: End | null;
}

/** A session that waits for its device's first hello, which comes with `random`: the first secret. */
export function openSession(
  { sessionId, shardId, random }: { readonly sessionId: string; readonly shardId: string; readonly random: string },
  nowMs: number,
): GatewaySession {
  return {
    sessionId,
    shardId,
    tokens: { current: random, next: null },
    rotatedAtMs: nowMs,
    isConfirmed: false,
    attempt: 0,
    detachedAtMs: nowMs,
    received: 0,
    pending: [],
    outbound: EMPTY_OUTBOUND,
    closing: null,
    end: null,
  };
}

/**
 * When a `tick` has something to do; null: never, an attached session needs no timer. One whose device does not confirm its
 * first token is over soon, with a connection or without: nobody may be there.
 */
export function expiresAtMs({ detachedAtMs, isConfirmed, rotatedAtMs, end }: GatewaySession): number | null {
  if (end !== null) return null;
  if (!isConfirmed) return rotatedAtMs + RESUME.unconfirmedMsMax;
  return detachedAtMs === null ? null : detachedAtMs + RESUME.detachedMsMax;
}

/** Whether the next frame brings a new token, for which the shell has a secret ready. */
export function isTokenOld({ isConfirmed, rotatedAtMs }: GatewaySession, nowMs: number): boolean {
  return isConfirmed && nowMs - rotatedAtMs >= RESUME.tokenMsMax;
}

/** Whether a message of so many bytes may be pushed. Otherwise the endpoint waits, or the session fails with `overflow`. */
export function canPush({ outbound, end, closing, windowBytes }: GatewaySession, bytes: number): boolean {
  return end === null && closing === null && hasRoom(outbound, bytes, keptBytesMax(windowBytes));
}
