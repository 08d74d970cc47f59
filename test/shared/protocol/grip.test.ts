import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { gripPrefixOf, readGrip } from "#shared/protocol/grip.ts";
import { isTopic, TOPICS } from "#shared/protocol/topics.ts";
import type { SocketEvent } from "#shared/protocol/websocket-events.ts";

const text = (content: string): SocketEvent => ({ type: "TEXT", text: content });
const control = (fields: unknown): SocketEvent => text(`c:${JSON.stringify(fields)}`);

describe("an endpoint's extensions", () => {
  it.for([
    { extensions: null, prefix: null },
    { extensions: "permessage-deflate; client_max_window_bits", prefix: null },
    { extensions: "gripped", prefix: null },
    { extensions: "grip", prefix: "m:" },
    { extensions: 'grip; message-prefix=""', prefix: "" },
    { extensions: 'GRIP;message-prefix="x:"', prefix: "x:" },
    { extensions: "permessage-deflate, grip; message-prefix=x", prefix: "x" },
    { extensions: "grip; other=1", prefix: "m:" },
    { extensions: `grip; message-prefix="${"x".repeat(65)}"`, prefix: "m:" },
  ])("$extensions: the prefix is $prefix", ({ extensions, prefix }) => {
    expect(gripPrefixOf(extensions)).toBe(prefix);
  });
});

describe("what an endpoint says", () => {
  it("is the device's, all of it, where it does not speak GRIP", () => {
    const events = [control({ type: "subscribe", channel: "t" }), text("m:x"), { type: "BINARY", content: Uint8Array.of(1) } as const];
    expect(readGrip(events, null)).toEqual({
      payloads: ['c:{"type":"subscribe","channel":"t"}', "m:x", Uint8Array.of(1)],
      changes: [],
      faults: [],
    });
  });

  it("is told apart by its marks, in order, where it does", () => {
    const events = [
      control({ type: "subscribe", channel: "a" }),
      text("m:1"),
      control({ type: "unsubscribe", channel: "a" }),
      { type: "BINARY", content: new TextEncoder().encode("m:2") } as const,
      { type: "PONG", content: new Uint8Array() } as const,
      text("m:c:{}"),
    ];
    expect(readGrip(events, "m:")).toEqual({
      payloads: ["1", new TextEncoder().encode("2"), "c:{}"],
      changes: [
        { kind: "subscribe", topic: "a" },
        { kind: "unsubscribe", topic: "a" },
      ],
      faults: [],
    });
  });

  it.for([
    { name: "no JSON", event: text("c:{"), fault: "malformed" },
    { name: "no object", event: text("c:1"), fault: "malformed" },
    { name: "null", event: text("c:null"), fault: "malformed" },
    { name: "an object without a type", event: control({ channel: "a" }), fault: "malformed" },
    { name: "a type that is no text", event: control({ type: 1, channel: "a" }), fault: "malformed" },
    { name: "more than 4,096 characters", event: control({ type: "subscribe", channel: "a", pad: "x".repeat(4_096) }), fault: "malformed" },
    { name: "a type that is not done here", event: control({ type: "detach" }), fault: "unsupported" },
    { name: "filters", event: control({ type: "subscribe", channel: "a", filters: ["skip-self"] }), fault: "unsupported" },
    { name: "no channel", event: control({ type: "subscribe" }), fault: "bad-channel" },
    { name: "an empty channel", event: control({ type: "subscribe", channel: "" }), fault: "bad-channel" },
    { name: "a channel too long", event: control({ type: "subscribe", channel: "x".repeat(257) }), fault: "bad-channel" },
    { name: "a channel with a control character", event: control({ type: "unsubscribe", channel: "a\nb" }), fault: "bad-channel" },
    { name: "a channel with half a surrogate pair", event: text('c:{"type":"subscribe","channel":"\\ud800"}'), fault: "bad-channel" },
    { name: "neither mark", event: text("hello"), fault: "unmarked" },
    { name: "binary without the mark", event: { type: "BINARY", content: Uint8Array.of(109) } as const, fault: "unmarked" },
  ])("with $name is for nobody: $fault", ({ event, fault }) => {
    expect(readGrip([event, text("m:after")], "m:")).toEqual({ payloads: ["after"], changes: [], faults: [fault] });
  });

  it("never throws, and every message is the device's, a change or a fault, once", () => {
    const events = fc.array(
      fc.oneof(
        fc.string({ unit: "binary" }).map(text),
        fc.string({ unit: "binary" }).map((tail) => text(`c:${tail}`)),
        fc.json().map((tail) => text(`c:${tail}`)),
        fc.uint8Array().map((content): SocketEvent => ({ type: "BINARY", content })),
      ),
    );
    fc.assert(
      fc.property(events, fc.constantFrom("", "m:", "é"), (said, prefix) => {
        const { payloads, changes, faults } = readGrip(said, prefix);
        expect(payloads.length + changes.length + faults.length).toBe(said.length);
        for (const { topic } of changes) expect(isTopic(topic)).toBe(true);
      }),
    );
  });

  it("counts at most 1,024 faults of one answer", () => {
    expect(
      readGrip(
        Array.from({ length: 2_000 }, () => text("x")),
        "m:",
      ).faults.length,
    ).toBe(1_024);
  });
});

it("a topic has at most as many characters as it may", () => {
  expect([isTopic("x".repeat(TOPICS.lengthMax)), isTopic("x".repeat(TOPICS.lengthMax + 1)), isTopic("räume 7 🚪")]).toEqual([
    true,
    false,
    true,
  ]);
});
