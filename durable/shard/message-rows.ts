// Messages as rows: those that were numbered together share one, so that a batch is one row written and one removed.
import { payloadBytes, type Message, type Payload } from "#shared/resume/frames.ts";
import { KIB_BYTES } from "#shared/units.ts";

export interface MessageRow {
  /** Of its last message: with the acknowledgement of that one the row can go. */
  readonly sequence: number;
  readonly count: number;
  /** One text, or where there are more a JSON array of them. */
  readonly text: string | null;
  /** One message's bytes, or where there are more each after its length as four bytes, big-endian. */
  readonly bytes: Uint8Array<ArrayBuffer> | ArrayBuffer | null;
}

export interface NumberedPayload {
  readonly sequence: number;
  readonly payload: Payload;
}

/** Of messages that share a row. A row may hold 2 MB, and text takes up to six bytes for one as JSON. */
const SHARED_BYTES_MAX = 64 * KIB_BYTES;
const LENGTH_BYTES = 4;

/** `messages` are consecutive. */
export function rowsOf(messages: readonly Message[]): MessageRow[] {
  const rows: MessageRow[] = [];
  for (let start = 0; start < messages.length;) {
    const end = endOfRow(messages, start);
    rows.push(rowOf(messages.slice(start, end)));
    start = end;
  }
  return rows;
}

export function payloadsOfRow({ sequence, count, text, bytes }: MessageRow): NumberedPayload[] {
  const payloads = text === null ? splitBytes(new Uint8Array(bytes ?? new ArrayBuffer(0)), count) : splitText(text, count);
  return payloads.map((payload, index) => ({ sequence: sequence - count + 1 + index, payload }));
}

/** Messages of one kind that fit together. */
function endOfRow(messages: readonly Message[], start: number): number {
  const kind = typeof messages[start]?.payload;
  let bytes = 0;
  for (let at = start; at < messages.length; at += 1) {
    const { payload } = messages[at] ?? { payload: "" };
    bytes += payloadBytes(payload);
    if (at > start && (typeof payload !== kind || bytes > SHARED_BYTES_MAX)) return at;
  }
  return messages.length;
}

function rowOf(messages: readonly Message[]): MessageRow {
  const count = messages.length;
  const sequence = messages.at(-1)?.sequence ?? 0;
  const texts = messages.flatMap(({ payload }) => (typeof payload === "string" ? [payload] : []));
  if (texts.length > 0) return { sequence, count, text: count === 1 ? (texts[0] ?? "") : JSON.stringify(texts), bytes: null };
  return {
    sequence,
    count,
    text: null,
    bytes: joinBytes(messages.flatMap(({ payload }) => (typeof payload === "string" ? [] : [payload]))),
  };
}

function joinBytes(payloads: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const [first] = payloads;
  if (payloads.length === 1 && first !== undefined) return new Uint8Array(first);
  const joined = new Uint8Array(payloads.reduce((sum, { length }) => sum + LENGTH_BYTES + length, 0));
  const view = new DataView(joined.buffer);
  let at = 0;
  for (const payload of payloads) {
    view.setUint32(at, payload.length);
    joined.set(payload, at + LENGTH_BYTES);
    at += LENGTH_BYTES + payload.length;
  }
  return joined;
}

function splitText(text: string, count: number): Payload[] {
  return count === 1 ? [text] : (JSON.parse(text) as string[]);
}

function splitBytes(bytes: Uint8Array<ArrayBuffer>, count: number): Payload[] {
  if (count === 1) return [bytes];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const payloads: Payload[] = [];
  for (let at = 0; payloads.length < count;) {
    const length = view.getUint32(at);
    payloads.push(bytes.slice(at + LENGTH_BYTES, at + LENGTH_BYTES + length));
    at += LENGTH_BYTES + length;
  }
  return payloads;
}
