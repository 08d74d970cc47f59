// What one leg's close says to the other leg. RFC 6455 §7.4: 1005, 1006 and 1015 are never on the wire, and
// the runtime throws on them; so is 1004.
import { ABNORMAL, BAD_UPSTREAM, GOING_AWAY, NO_STATUS } from "#shared/protocol/close-codes.ts";

export interface Close {
  /** Absent: a close without a status. */
  readonly code?: number;
  readonly reason: string;
}

export type Leg = "device" | "endpoint";

const REASON_BYTES_MAX = 123;

/** The close to send to the other leg when `from` closed with `code`. */
export function translateClose(from: Leg, { code, reason }: { code: number; reason: string }): Close {
  if (code === NO_STATUS) return { reason: "" };
  if (isSendable(code)) return { code, reason: truncateReason(reason) };
  // The leg broke. The endpoint hears that its peer is gone; the device, that the fault is behind the gateway.
  return from === "device" ? { code: GOING_AWAY, reason: "device went away" } : { code: BAD_UPSTREAM, reason: "endpoint went away" };
}

export function isAbnormal(code: number): boolean {
  return code === ABNORMAL || (code !== NO_STATUS && !isSendable(code));
}

function isSendable(code: number): boolean {
  return code >= 1000 && code <= 4999 && code !== 1004 && code !== NO_STATUS && code !== ABNORMAL && code !== 1015;
}

/** At most 123 bytes (RFC 6455 §5.5). */
export function truncateReason(reason: string): string {
  const bytes = new TextEncoder().encode(reason);
  if (bytes.length <= REASON_BYTES_MAX) return reason;
  // `stream` leaves a character that is cut in two out.
  return new TextDecoder().decode(bytes.subarray(0, REASON_BYTES_MAX), { stream: true });
}
