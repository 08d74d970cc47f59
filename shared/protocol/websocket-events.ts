// WebSocket-over-HTTP, as Pushpin and Fanout speak it: events of one connection in a body of `application/websocket-events`,
// each `NAME\r\n`, or `NAME size-in-hex\r\n` content `\r\n`.

export type SocketEvent =
  | { readonly type: "OPEN" | "DISCONNECT" }
  | { readonly type: "PING" | "PONG"; readonly content: Uint8Array }
  | { readonly type: "TEXT"; readonly text: string }
  | { readonly type: "BINARY"; readonly content: Uint8Array }
  /** `code` null: a close without a status. */
  | { readonly type: "CLOSE"; readonly code: number | null; readonly reason: string };

export const EVENTS_CONTENT_TYPE = "application/websocket-events";

/** What is, and what was expected. After one, nothing more can be read. */
export interface EventFault {
  readonly ok: false;
  readonly detail: string;
}

/** The longest known name, a space, eight digits, and a line's end. */
const LINE_BYTES_MAX = 21;
/** RFC 6455 §5.5. */
const CONTROL_BYTES_MAX = 125;
const CR = 13;
const LF = 10;
const NAMES = ["OPEN", "TEXT", "BINARY", "PING", "PONG", "CLOSE", "DISCONNECT"] as const;
type Name = (typeof NAMES)[number];
const HEADER = /^([A-Z]{1,10})(?: ([\da-fA-F]{1,8}))?$/;
const EMPTY = new Uint8Array();

export function encodeEvents(events: readonly SocketEvent[]): Uint8Array<ArrayBuffer> {
  const parts = events.flatMap(encodeEvent);
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function encodeEvent(event: SocketEvent): Uint8Array[] {
  const content = contentOf(event);
  if (content === null) return [utf8(`${event.type}\r\n`)];
  return [utf8(`${event.type} ${content.length.toString(16)}\r\n`), content, utf8("\r\n")];
}

function contentOf(event: SocketEvent): Uint8Array | null {
  switch (event.type) {
    case "OPEN":
    case "DISCONNECT":
      return null;
    case "TEXT":
      return utf8(event.text);
    case "BINARY":
      return event.content;
    case "PING":
    case "PONG":
      return event.content.length === 0 ? null : event.content;
    case "CLOSE":
      return event.code === null ? null : Uint8Array.of(event.code >> 8, event.code & 0xff, ...utf8(event.reason));
  }
}

/** Reads events from chunks of any size; holds at most one event's content. */
export class EventParser {
  readonly #contentBytesMax: number;
  #line: number[] = [];
  #name: Name = "OPEN";
  /** Null: reading a line. */
  #content: Uint8Array | null = null;
  #filled = 0;
  /** Of the line's end after a content. */
  #endBytes = 0;
  #fault: EventFault | null = null;

  /** `contentBytesMax`: of one event. */
  constructor(contentBytesMax: number) {
    this.#contentBytesMax = contentBytesMax;
  }

  /** The events that end in this chunk. */
  push(chunk: Uint8Array): readonly SocketEvent[] | EventFault {
    const events: SocketEvent[] = [];
    let at = 0;
    while (at < chunk.length && this.#fault === null) {
      at = this.#content === null ? this.#readLine(chunk, { at, events }) : this.#readContent(chunk, { at, events });
    }
    return this.#fault ?? events;
  }

  /** Null: the body ended between two events. */
  end(): EventFault | null {
    if (this.#fault === null && (this.#line.length > 0 || this.#content !== null)) this.#fail("the body ends within an event");
    return this.#fault;
  }

  #readLine(chunk: Uint8Array, { at, events }: { at: number; events: SocketEvent[] }): number {
    const byte = chunk[at] ?? 0;
    this.#line.push(byte);
    if (byte === LF) this.#onLine(events);
    else if (this.#line.length >= LINE_BYTES_MAX) this.#fail(`an event's line has more than ${LINE_BYTES_MAX} bytes`);
    return at + 1;
  }

  #onLine(events: SocketEvent[]): void {
    const line = String.fromCharCode(...this.#line);
    this.#line = [];
    const [, name, size] = line.endsWith("\r\n") ? (HEADER.exec(line.slice(0, -2)) ?? []) : [];
    const known = NAMES.find((candidate) => candidate === name);
    if (known === undefined) return this.#fail("an event's line is malformed: expected NAME, or NAME and a size in hexadecimal");
    this.#name = known;
    if (size === undefined) return this.#emit(EMPTY, events);
    const bytes = Number.parseInt(size, 16);
    const bytesMax = known === "TEXT" || known === "BINARY" ? this.#contentBytesMax : CONTROL_BYTES_MAX;
    if (bytes > bytesMax) return this.#fail(`an event ${known} has ${bytes} bytes, expected at most ${bytesMax}`);
    this.#content = new Uint8Array(bytes);
    this.#filled = 0;
    this.#endBytes = 0;
  }

  #readContent(chunk: Uint8Array, { at, events }: { at: number; events: SocketEvent[] }): number {
    const content = this.#content ?? EMPTY;
    if (this.#filled < content.length) {
      const part = chunk.subarray(at, at + content.length - this.#filled);
      content.set(part, this.#filled);
      this.#filled += part.length;
      return at + part.length;
    }
    if (chunk[at] !== (this.#endBytes === 0 ? CR : LF)) this.#fail(`an event ${this.#name} is longer than it said`);
    this.#endBytes += 1;
    if (this.#endBytes === 2) {
      this.#content = null;
      this.#emit(content, events);
    }
    return at + 1;
  }

  #emit(content: Uint8Array, events: SocketEvent[]): void {
    const event = eventOf(this.#name, content);
    if (event === null) this.#fail(`an event ${this.#name} has a content that it cannot have`);
    else if (this.#fault === null) events.push(event);
  }

  #fail(detail: string): void {
    this.#fault ??= { ok: false, detail };
    this.#content = null;
  }
}

function eventOf(type: Name, content: Uint8Array): SocketEvent | null {
  switch (type) {
    case "OPEN":
    case "DISCONNECT":
      return content.length === 0 ? { type } : null;
    case "PING":
    case "PONG":
    case "BINARY":
      return { type, content };
    case "TEXT": {
      const text = decodeUtf8(content);
      return text === null ? null : { type, text };
    }
    case "CLOSE": {
      if (content.length === 0) return { type, code: null, reason: "" };
      const reason = decodeUtf8(content.subarray(2));
      return content.length < 2 || reason === null ? null : { type, code: ((content[0] ?? 0) << 8) | (content[1] ?? 0), reason };
    }
  }
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Null: it is none. A byte order mark is a character like others. */
function decodeUtf8(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}
