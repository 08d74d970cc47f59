import { MIB_BYTES, SECOND_MS, MINUTE_MS, HOUR_MS } from "../units.ts";

/** What bounds one session of `tidegate.v1`, on each side. */
export const RESUME = {
  /** Messages one way that the other side has not acknowledged; they are kept for a replay. */
  windowCountMax: 256,
  /** Their bytes. At least two messages of the largest size. */
  windowBytesMax: 2 * MIB_BYTES,
  messageBytesMax: 1 * MIB_BYTES,
  /** Characters of a frame that is not a message. */
  controlLengthMax: 4_096,
  /** A device acknowledges when this many messages are not yet, … */
  ackCountMax: 32,
  /** … or this many bytes, … */
  ackBytesMax: MIB_BYTES / 2,
  /** … or the first of them is this old. */
  ackDelayMs: 200,
  /** A device that has heard nothing for this long asks for a pong, and takes the connection for dead after twice that. */
  silenceMsMax: 30 * SECOND_MS,
  /** How long a session without a connection can be resumed. */
  detachedMsMax: 2 * MINUTE_MS,
  /** The same before the device has confirmed its first token: it may never have heard of the session. */
  unconfirmedMsMax: 15 * SECOND_MS,
  /** A token is replaced in band when it is this old and something passes. */
  tokenMsMax: HOUR_MS,
  /** How long an ended session's counts are remembered, so that its device can be told precisely. */
  graveMsMax: HOUR_MS,
} as const;
