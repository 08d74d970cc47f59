// The device's side of one session of `tidegate.v1`, and what one may ask of it. What becomes of it: step-device.ts.
import { RESUME } from "./bounds.ts";
import type { Terms } from "./frames.ts";
import { EMPTY_OUTBOUND, hasRoom, type Outbound } from "./outbound.ts";

export interface DeviceSession {
  /** Offered when connecting; null: there is nothing to resume yet. */
  readonly token: string | null;
  readonly session: string | null;
  /** Connections tried; the newest one's number. */
  readonly attempt: number;
  readonly phase: "offline" | "connecting" | "attached" | "over";
  /** Delivered to the application. */
  readonly received: number;
  /** Of these, what the gateway was told. */
  readonly acknowledged: number;
  readonly unacknowledgedBytes: number;
  readonly ackDueAtMs: number | null;
  /** When something was last heard on this connection. */
  readonly heardAtMs: number;
  readonly hasPinged: boolean;
  readonly outbound: Outbound;
  /** Bytes that may be unacknowledged, as last told. */
  readonly windowBytes: number;
  /** Messages up to this one were transmitted on this connection. */
  readonly transmitted: number;
  /** Of this connection. */
  readonly terms: Terms;
  /** When the next message would be due if all went evenly at the rate of `terms`: the generic cell rate algorithm, as at the gateway. */
  readonly paceDueAtMs: number;
  /** The rate let no more pass, until then. */
  readonly paceOpensAtMs: number | null;
}

export const NEW_DEVICE_SESSION: DeviceSession = {
  token: null,
  session: null,
  attempt: 0,
  phase: "offline",
  received: 0,
  acknowledged: 0,
  unacknowledgedBytes: 0,
  ackDueAtMs: null,
  heardAtMs: 0,
  hasPinged: false,
  outbound: EMPTY_OUTBOUND,
  windowBytes: RESUME.windowBytesMax,
  transmitted: 0,
  terms: {},
  paceDueAtMs: 0,
  paceOpensAtMs: null,
};

/** Whether the window has room, and the gateway's rate allows it now. */
export function canSend({ phase, outbound, windowBytes, paceOpensAtMs }: DeviceSession, bytes: number, nowMs: number): boolean {
  return phase !== "over" && hasRoom(outbound, bytes, windowBytes) && (paceOpensAtMs === null || nowMs >= paceOpensAtMs);
}

/** When the next `tick` has something to do; null: never. */
export function nextTickAtMs({ phase, heardAtMs, hasPinged, ackDueAtMs, paceOpensAtMs }: DeviceSession): number | null {
  if (phase === "offline" || phase === "over") return null;
  const silentAtMs = heardAtMs + RESUME.silenceMsMax * (hasPinged || phase === "connecting" ? 2 : 1);
  return Math.min(silentAtMs, ackDueAtMs ?? Infinity, paceOpensAtMs ?? Infinity);
}
