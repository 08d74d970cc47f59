// The sending half of a session: messages get numbers and are kept until the other side has them. Pure.
import { RESUME } from "./bounds.ts";
import { payloadBytes, type Message, type Payload } from "./frames.ts";

export interface Outbound {
  /** The number of the last message. */
  readonly sent: number;
  /** Up to here the other side has them. */
  readonly acknowledged: number;
  /** Exactly those numbered acknowledged + 1 to sent, in order. */
  readonly kept: readonly Message[];
  readonly keptBytes: number;
}

export const EMPTY_OUTBOUND: Outbound = { sent: 0, acknowledged: 0, kept: [], keptBytes: 0 };

/** Whether one more message of so many bytes may be kept. */
export function hasRoom({ kept, keptBytes }: Outbound, bytes: number, windowBytes: number = RESUME.windowBytesMax): boolean {
  return bytes <= RESUME.messageBytesMax && kept.length < RESUME.windowCountMax && keptBytes + bytes <= windowBytes;
}

/**
 * What may be kept for a device that may have `windowBytes` unacknowledged: three times that, so that answers to all of it find room beside those that it
 * has not acknowledged yet.
 */
export function keptBytesMax(windowBytes: number | undefined): number {
  return Math.min(RESUME.windowBytesMax, windowBytes === undefined ? Infinity : 3 * windowBytes);
}

/** The largest message that is ever kept for such a device: when nothing else is. */
export function pushBytesMax(windowBytes: number | undefined): number {
  return Math.min(RESUME.messageBytesMax, keptBytesMax(windowBytes));
}

/** The first messages that are kept, so many bytes of them; at least one. */
export function firstOf({ kept }: Outbound, bytesMax: number): readonly Message[] {
  let bytes = 0;
  const end = kept.findIndex(({ payload }, index) => (bytes += payloadBytes(payload)) > bytesMax && index > 0);
  return end === -1 ? kept : kept.slice(0, end);
}

/** Numbers a message. The caller asked `hasRoom`. */
export function append(outbound: Outbound, payload: Payload): Outbound {
  const sequence = outbound.sent + 1;
  return {
    ...outbound,
    sent: sequence,
    kept: [...outbound.kept, { type: "message", sequence, payload }],
    keptBytes: outbound.keptBytes + payloadBytes(payload),
  };
}

/** Lets go of what the other side has. Null: it names a message that was never sent. */
export function acknowledge(outbound: Outbound, upTo: number): Outbound | null {
  if (upTo > outbound.sent) return null;
  if (upTo <= outbound.acknowledged) return outbound;
  const count = upTo - outbound.acknowledged;
  const gone = outbound.kept.slice(0, count).reduce((bytes, { payload }) => bytes + payloadBytes(payload), 0);
  return { ...outbound, acknowledged: upTo, kept: outbound.kept.slice(count), keptBytes: outbound.keptBytes - gone };
}
