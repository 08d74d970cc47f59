// Frames of `tidegate.v1` (docs/protocol.md). Each is one WebSocket message:
//   text    "m" sequence ":" text · "a" sequence · "ping" · "pong" · a JSON object with a `type`
//   binary  sequence as eight bytes, big-endian, then the payload
import { readDeviceReport, type DeviceReport } from "../protocol/device-report.ts";
import { RESUME } from "./bounds.ts";

/** An application's message. */
export type Payload = string | Uint8Array;

/** Why a session is over. `unknown`: no such session, or not with this token. */
export const END_REASONS = ["closed", "expired", "overflow", "endpoint", "policy", "unknown"] as const;
export type EndReason = (typeof END_REASONS)[number];

export interface Message {
  readonly type: "message";
  /** 1, 2, 3, … in each direction of a session. */
  readonly sequence: number;
  readonly payload: Payload;
}
interface Ack {
  readonly type: "ack";
  /** Every message up to this one has arrived, and need not be kept. */
  readonly sequence: number;
}
interface Ping {
  readonly type: "ping" | "pong";
}
/** The device's first frame on every connection. */
export interface Hello {
  readonly type: "hello";
  /** Counts the device's connections of one session: the higher one is the newer, whichever arrives first. */
  readonly attempt: number;
  readonly received: number;
}
/** The device has this token, and will use no older one. */
interface Rotated {
  readonly type: "rotated";
  readonly token: string;
}
/** What the device measured of its socket since its last report. */
export interface Report extends DeviceReport {
  readonly type: "report";
}
/** Messages of the device: so many per second in the mean, and so many at once, are never too many. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}
/** What holds for the connection that it was said on. */
export interface Terms {
  /** Absent: the device may send as fast as its window lets it. */
  readonly rate?: Rate;
  /** Absent: the gateway takes no reports in band. Else those that are no closer than that. */
  readonly reportMs?: number;
  /** Bytes of the device that may be unacknowledged, and so of a message; for the session. Absent: as many as in any. */
  readonly windowBytes?: number;
}
/** A new session. */
interface Welcome extends Terms {
  readonly type: "welcome";
  readonly session: string;
  readonly token: string;
}
interface Resumed extends Terms {
  readonly type: "resumed";
  readonly received: number;
  readonly token: string;
}
interface Rotate {
  readonly type: "rotate";
  readonly token: string;
}
/** The connection will be closed with 1012 within `graceMs`: come back before, at a random moment. */
interface Drain {
  readonly type: "drain";
  readonly reason: string;
  readonly graceMs: number;
}
/** The session is over; nothing can be resumed. */
export interface End {
  readonly type: "end";
  readonly why: EndReason;
  /** Messages of the device up to this one have arrived; null: not known any more. */
  readonly received: number | null;
  /** The last message that was meant for the device; null: not known any more. */
  readonly sent: number | null;
  /** As a WebSocket's close. */
  readonly code: number;
  readonly reason: string;
}

export type DeviceFrame = Message | Ack | Ping | Hello | Rotated | Report;
export type GatewayFrame = Message | Ack | Ping | Welcome | Resumed | Rotate | Drain | End;

/** What arrived is no frame: what is, and what was expected. */
export interface FrameFault {
  readonly type: "fault";
  readonly detail: string;
  /** A message that would be one if it were smaller. */
  readonly isTooLarge?: boolean;
}

export const SUBPROTOCOL = "tidegate.v1";
/** The exact texts that a hibernating object's auto-response exchanges. */
export const PING = "ping";
export const PONG = "pong";
const SEQUENCE_BYTES = 8;

export function encodeFrame(frame: DeviceFrame | GatewayFrame): string | Uint8Array<ArrayBuffer> {
  if (frame.type === "ack") return `a${frame.sequence}`;
  if (frame.type === "ping" || frame.type === "pong") return frame.type;
  if (frame.type !== "message") return JSON.stringify(frame);
  if (typeof frame.payload === "string") return `m${frame.sequence}:${frame.payload}`;
  const bytes = new Uint8Array(SEQUENCE_BYTES + frame.payload.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(frame.sequence));
  bytes.set(frame.payload, SEQUENCE_BYTES);
  return bytes;
}

/** Never throws. A binary payload is a view into `data`. */
export function decodeDeviceFrame(data: string | ArrayBuffer): DeviceFrame | FrameFault {
  return decode(data, (fields) => {
    const { type, token, attempt, received } = fields;
    if (type === "rotated") return isText(token) ? { type, token } : null;
    if (type === "report") {
      const report = readDeviceReport(fields);
      return typeof report === "string" ? fault(report) : { type, ...report };
    }
    if (type !== "hello") return null;
    return isSequence(attempt) && isCount(received) ? { type: "hello", attempt, received } : null;
  });
}

/** Never throws. A binary payload is a view into `data`. */
export function decodeGatewayFrame(data: string | ArrayBuffer): GatewayFrame | FrameFault {
  return decode(data, decodeGatewayControl);
}

function decodeGatewayControl(fields: Fields): GatewayFrame | null {
  const { type, token, session, received, reason, graceMs } = fields;
  switch (type) {
    case "welcome":
      return isText(token) && isText(session) ? { type, session, token, ...termsOf(fields) } : null;
    case "resumed":
      return isText(token) && isCount(received) ? { type, received, token, ...termsOf(fields) } : null;
    case "rotate":
      return isText(token) ? { type, token } : null;
    case "drain":
      return isText(reason) && isCount(graceMs) ? { type, reason, graceMs } : null;
    case "end":
      return decodeEnd(fields);
    default:
      return null;
  }
}

function decodeEnd({ why, received, sent, code, reason }: Fields): End | null {
  const known = END_REASONS.find((one) => one === why);
  if (known === undefined || !isCountOrNull(received) || !isCountOrNull(sent) || !isCount(code) || !isText(reason)) return null;
  return { type: "end", why: known, received, sent, code, reason };
}

/** What is none is ignored, as unknown fields are. */
function termsOf({ rate, reportMs, windowBytes }: Fields): Terms {
  const { perSecond, burst } = typeof rate === "object" && rate !== null ? (rate as Partial<Rate>) : {};
  return {
    ...(Number(perSecond) > 0 && isSequence(burst) ? { rate: { perSecond: Number(perSecond), burst } } : {}),
    ...(isCount(reportMs) ? { reportMs } : {}),
    ...(isSequence(windowBytes) ? { windowBytes } : {}),
  };
}

type Fields = Readonly<Record<string, unknown>>;

function decode<T>(data: string | ArrayBuffer, control: (fields: Fields) => T | null): T | Message | Ack | Ping | FrameFault {
  if (typeof data !== "string") return decodeBinary(data);
  if (data === PING || data === PONG) return { type: data };
  if (data.startsWith("m")) return decodeText(data);
  if (data.length > RESUME.controlLengthMax)
    return fault(`a control frame has ${data.length} characters, expected at most ${RESUME.controlLengthMax}`);
  if (data.startsWith("a")) {
    const sequence = readSequence(data.slice(1));
    return sequence === null ? fault("an acknowledgement has no sequence number") : { type: "ack", sequence };
  }
  const fields = parseObject(data);
  return (
    (fields === null ? null : control(fields)) ?? fault("a text frame is neither a message, an acknowledgement nor a known control frame")
  );
}

function decodeText(data: string): Message | FrameFault {
  const colon = data.indexOf(":");
  const sequence = colon > 17 ? null : readSequence(data.slice(1, colon));
  if (colon === -1 || sequence === null) return fault("a text message has no sequence number");
  const payload = data.slice(colon + 1);
  return checkSize({ type: "message", sequence, payload });
}

function decodeBinary(data: ArrayBuffer): Message | FrameFault {
  if (data.byteLength < SEQUENCE_BYTES)
    return fault(`a binary frame has ${data.byteLength} bytes, expected a sequence number of ${SEQUENCE_BYTES}`);
  const sequence = Number(new DataView(data).getBigUint64(0));
  if (!isSequence(sequence)) return fault("a binary message's sequence number is out of range");
  return checkSize({ type: "message", sequence, payload: new Uint8Array(data, SEQUENCE_BYTES) });
}

function checkSize(message: Message): Message | FrameFault {
  if (payloadBytes(message.payload) <= RESUME.messageBytesMax) return message;
  return { ...fault(`a message has more than ${RESUME.messageBytesMax} bytes`), isTooLarge: true };
}

/** Bytes on the wire: text is UTF-8, where a lone surrogate becomes a character of three bytes. */
export function payloadBytes(payload: Payload): number {
  if (typeof payload !== "string") return payload.length;
  let bytes = payload.length;
  for (let index = 0; index < payload.length; index += 1) {
    const unit = payload.charCodeAt(index);
    if (unit < 0x80) continue;
    // A pair of surrogates has four bytes for its two units.
    const isPair = unit >= 0xd800 && unit < 0xdc00 && (payload.charCodeAt(index + 1) & 0xfc00) === 0xdc00;
    if (isPair) index += 1;
    bytes += isPair || unit >= 0x800 ? 2 : 1;
  }
  return bytes;
}

function parseObject(text: string): Fields | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : null;
  } catch {
    return null;
  }
}

function readSequence(text: string): number | null {
  return /^[1-9]\d{0,15}$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : null;
}

const isText = (value: unknown): value is string => typeof value === "string";
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
const isSequence = (value: unknown): value is number => isCount(value) && value > 0;
const isCountOrNull = (value: unknown): value is number | null => value === null || isCount(value);

function fault(detail: string): FrameFault {
  return { type: "fault", detail };
}
