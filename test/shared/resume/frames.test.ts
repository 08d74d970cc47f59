import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RESUME } from "#shared/resume/bounds.ts";
import { decodeDeviceFrame, decodeGatewayFrame, encodeFrame, payloadBytes } from "#shared/resume/frames.ts";

const onWire = (data: string | Uint8Array<ArrayBuffer>): string | ArrayBuffer => (typeof data === "string" ? data : data.buffer);
const SEQUENCE = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const MESSAGE = fc.record({
  type: fc.constant("message" as const),
  sequence: SEQUENCE,
  payload: fc.oneof(fc.string({ unit: "binary" }), fc.uint8Array()),
});

const REPORT = {
  durationMs: 1.5,
  messagesSent: 1,
  messagesReceived: 0,
  bytesSent: 2 ** 40,
  bytesReceived: 0,
  drops: 0,
  latenciesMs: [0, 600_000],
};

const report = (fields: unknown): string => JSON.stringify({ type: "report", ...REPORT, ...(fields as object) });

describe("a frame", () => {
  it("arrives as it was sent, text and binary", () => {
    fc.assert(
      fc.property(MESSAGE, (message) => {
        expect(decodeDeviceFrame(onWire(encodeFrame(message)))).toEqual(message);
        expect(decodeGatewayFrame(onWire(encodeFrame(message)))).toEqual(message);
      }),
      { numRuns: 500 },
    );
  });

  it.for([
    { type: "ack", sequence: 7 },
    { type: "ping" },
    { type: "pong" },
    { type: "hello", attempt: 3, received: 0 },
    { type: "rotated", token: "t" },
    { type: "report", ...REPORT },
  ] as const)("of a device, $type, arrives as it was sent", (frame) => {
    expect(decodeDeviceFrame(onWire(encodeFrame(frame)))).toEqual(frame);
  });

  it.for([
    { type: "welcome", session: "s", token: "t" },
    { type: "resumed", received: 4, token: "t" },
    { type: "welcome", session: "s", token: "t", rate: { perSecond: 0.5, burst: 3 }, reportMs: 5_000 },
    { type: "resumed", received: 4, token: "t", rate: { perSecond: 10, burst: 1 } },
    { type: "rotate", token: "t" },
    { type: "drain", reason: "deploy", graceMs: 100 },
    { type: "end", why: "expired", received: 4, sent: null, code: 1008, reason: "session expired" },
  ] as const)("of the gateway, $type, arrives as it was sent", (frame) => {
    expect(decodeGatewayFrame(onWire(encodeFrame(frame)))).toEqual(frame);
  });

  it.for([
    { name: "nothing", data: "", says: "neither" },
    { name: "a message without a number", data: "m:x", says: "no sequence" },
    { name: "a message without a colon", data: "m1", says: "no sequence" },
    { name: "a message numbered 0", data: "m0:x", says: "no sequence" },
    { name: "a number that is not safe", data: "m9007199254740992:x", says: "no sequence" },
    { name: "a number with a sign", data: "a-1", says: "no sequence" },
    { name: "a number with a leading zero", data: "a01", says: "no sequence" },
    { name: "another side's control", data: '{"type":"welcome","session":"s","token":"t"}', says: "neither" },
    { name: "half a hello", data: '{"type":"hello","attempt":1}', says: "neither" },
    { name: "a fractional count", data: '{"type":"hello","attempt":1,"received":0.5}', says: "neither" },
    { name: "an array", data: "[]", says: "neither" },
    { name: "broken JSON", data: "{", says: "neither" },
    { name: "a long control", data: `{"type":"${"x".repeat(RESUME.controlLengthMax)}"}`, says: "expected at most 4096" },
    { name: "a long acknowledgement", data: `a${"1".repeat(RESUME.controlLengthMax)}`, says: "expected at most 4096" },
    { name: "a report without a count", data: '{"type":"report","durationMs":1}', says: "messagesSent" },
    { name: "a report of half a message", data: report({ messagesReceived: 0.5 }), says: "messagesReceived" },
    { name: "a report below nothing", data: report({ drops: -1 }), says: "drops" },
    { name: "a report beyond all measure", data: report({ bytesSent: 2 ** 40 + 1 }), says: "bytesSent" },
    { name: "a report of more than a day", data: report({ durationMs: 86_400_001 }), says: "durationMs" },
    { name: "a report of no latencies", data: report({ latenciesMs: {} }), says: "latenciesMs" },
    { name: "a report of too many", data: report({ latenciesMs: Array.from({ length: 65 }, () => 1) }), says: "at most 64" },
    { name: "a report of a latency that is text", data: report({ latenciesMs: ["1"] }), says: "latenciesMs" },
    { name: "a short binary", data: new ArrayBuffer(7), says: "7 bytes" },
    { name: "a binary numbered 0", data: new ArrayBuffer(9), says: "out of range" },
    { name: "too long a text", data: `m1:${"é".repeat(RESUME.messageBytesMax / 2)}x`, says: "more than 1048576 bytes" },
  ])("that is $name is a fault, said precisely", ({ data, says }) => {
    expect(decodeDeviceFrame(data)).toMatchObject({ type: "fault", detail: expect.stringContaining(says) });
  });

  it("of any text or bytes is read without a throw", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), fc.uint8Array()), (data) => {
        const wire = typeof data === "string" ? data : data.slice().buffer;
        expect(decodeDeviceFrame(wire)).toHaveProperty("type");
        expect(decodeGatewayFrame(wire)).toHaveProperty("type");
      }),
      { numRuns: 2_000 },
    );
  });

  it("is as large as its UTF-8", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)) }), (payload) => {
        expect(payloadBytes(payload)).toBe(new TextEncoder().encode(payload).length);
      }),
      { numRuns: 1_000 },
    );
  });
});

it.for([
  { rate: 1 },
  { rate: null },
  { rate: { perSecond: 0, burst: 1 } },
  { rate: { perSecond: 1, burst: 0 } },
  { rate: { perSecond: "x", burst: 1 } },
  { rate: { burst: 1 } },
  { reportMs: -1 },
  { reportMs: "1" },
])("terms that are none are ignored: %o", (terms) => {
  expect(decodeGatewayFrame(JSON.stringify({ type: "resumed", received: 0, token: "t", ...terms }))).toEqual({
    type: "resumed",
    received: 0,
    token: "t",
  });
});
