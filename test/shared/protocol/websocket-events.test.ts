import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeEvents, EventParser, type EventFault, type SocketEvent } from "#shared/protocol/websocket-events.ts";

const BYTES_MAX = 1_000;

/** Parses a whole body that arrives in chunks of these sizes, one after the other and again. */
function parse(body: Uint8Array, sizes: readonly number[] = [1_000_000]): readonly SocketEvent[] | EventFault {
  const parser = new EventParser(BYTES_MAX);
  const events: SocketEvent[] = [];
  for (let at = 0, turn = 0; at < body.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    const read = parser.push(body.subarray(at, at + size));
    if ("ok" in read) return read;
    events.push(...read);
    at += size;
  }
  return parser.end() ?? events;
}

const parseText = (body: string): readonly SocketEvent[] | EventFault => parse(new TextEncoder().encode(body));
const CONTENT = fc.uint8Array({ maxLength: 125 });
const EVENT: fc.Arbitrary<SocketEvent> = fc.oneof(
  fc.constantFrom({ type: "OPEN" as const }, { type: "DISCONNECT" as const }),
  fc.record({ type: fc.constantFrom("PING" as const, "PONG" as const), content: CONTENT }),
  fc.record({ type: fc.constant("TEXT" as const), text: fc.string({ unit: "binary", maxLength: 200 }) }),
  fc.record({ type: fc.constant("BINARY" as const), content: fc.uint8Array({ maxLength: BYTES_MAX }) }),
  fc.record({
    type: fc.constant("CLOSE" as const),
    code: fc.integer({ min: 0, max: 65_535 }),
    reason: fc.string({ unit: "binary", maxLength: 30 }),
  }),
  fc.constant({ type: "CLOSE" as const, code: null, reason: "" }),
);

describe("WebSocket-over-HTTP events", () => {
  it("look as Pushpin's do", () => {
    const events: SocketEvent[] = [
      { type: "OPEN" },
      { type: "TEXT", text: "hello, wörld" },
      { type: "BINARY", content: Uint8Array.of(0, 13, 10) },
      { type: "CLOSE", code: 1000, reason: "" },
      { type: "DISCONNECT" },
    ];
    const body = "OPEN\r\nTEXT d\r\nhello, wörld\r\nBINARY 3\r\n\0\r\n\r\nCLOSE 2\r\n\u0003\uFFFD\r\nDISCONNECT\r\n";
    expect(new TextDecoder().decode(encodeEvents(events))).toBe(body);
  });

  it("are read as they were written, however they are cut", () => {
    fc.assert(
      fc.property(
        fc.array(EVENT, { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 }),
        (events, sizes) => {
          expect(parse(encodeEvents(events), sizes)).toEqual(events);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it("that are cut off are a fault, not fewer events", () => {
    fc.assert(
      fc.property(fc.array(EVENT, { minLength: 1, maxLength: 3 }), fc.nat(), (events, cut) => {
        const body = encodeEvents(events);
        const ends = events.map((_, index) => encodeEvents(events.slice(0, index + 1)).length);
        const at = cut % body.length;
        const read = parse(body.subarray(0, at));
        if (at === 0 || ends.includes(at)) expect(read).toEqual(events.slice(0, ends.indexOf(at) + 1));
        else expect(read).toMatchObject({ ok: false });
      }),
      { numRuns: 2_000 },
    );
  });

  it("of any bytes are read without a throw, and say the same however they are cut", () => {
    const pieces = fc.constantFrom("TEXT", "OPEN", "CLOSE", " ", "3", "ff", "\r\n", "\n", "é", "abc");
    const body = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc.array(pieces, { maxLength: 20 }).map((parts) => new TextEncoder().encode(parts.join(""))),
    );
    fc.assert(
      fc.property(body, (bytes) => {
        expect(parse(bytes, [1])).toEqual(parse(bytes));
      }),
      { numRuns: 5_000 },
    );
  });

  it.for([
    { name: "an unknown name", body: "HELLO\r\n", says: "malformed" },
    { name: "a name in lower case", body: "open\r\n", says: "malformed" },
    { name: "a line without a carriage return", body: "OPEN\n", says: "malformed" },
    { name: "a size that is no hexadecimal", body: "TEXT 5g\r\n", says: "malformed" },
    { name: "a negative size", body: "TEXT -1\r\n", says: "malformed" },
    { name: "an endless line", body: "T".repeat(30), says: "more than 21 bytes" },
    { name: "more than is taken", body: "TEXT 3e9\r\n", says: "1001 bytes, expected at most 1000" },
    { name: "a huge size", body: "TEXT ffffffff\r\n", says: "expected at most 1000" },
    { name: "a long control", body: "PING 7e\r\n", says: "expected at most 125" },
    { name: "more content than it said", body: "TEXT 1\r\nabc\r\n", says: "longer than it said" },
    { name: "an OPEN with content", body: "OPEN 1\r\nx\r\n", says: "cannot have" },
    { name: "a CLOSE of one byte", body: "CLOSE 1\r\nx\r\n", says: "cannot have" },
    { name: "an end within an event", body: "TEXT 5\r\nhel", says: "ends within" },
  ])("with $name are a fault, said precisely", ({ body, says }) => {
    expect(parseText(body)).toEqual({ ok: false, detail: expect.stringContaining(says) });
  });

  it("with a TEXT that is no UTF-8 are a fault", () => {
    expect(parse(Uint8Array.of(...new TextEncoder().encode("TEXT 1\r\n"), 0xff, 13, 10))).toMatchObject({ ok: false });
  });
});
