import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { changesOf, sessionFromRows } from "#durable/shard/session-rows.ts";
import { RESUME } from "#shared/resume/bounds.ts";
import { canSend, NEW_DEVICE_SESSION, nextTickAtMs } from "#shared/resume/device-session.ts";
import { stepDevice, type DeviceInput } from "#shared/resume/step-device.ts";
import { decodeDeviceFrame, decodeGatewayFrame, type GatewayFrame } from "#shared/resume/frames.ts";
import { canPush, expiresAtMs, openSession, type GatewaySession } from "#shared/resume/gateway-session.ts";
import { stepGateway, type GatewayEffect, type GatewayInput } from "#shared/resume/step-gateway.ts";
import { formatResumeToken, parseResumeToken, useToken } from "#shared/resume/resume-token.ts";

const secret = (name: string): string => name.padEnd(22, "-");
const SESSION_ID = "s".repeat(16);
const opened = (): GatewaySession => {
  const waiting = openSession({ sessionId: SESSION_ID, shardId: "echo-1", random: secret("first") }, 0);
  const hello = { type: "hello", attempt: 1, received: 0 } as const;
  return stepGateway(waiting, { kind: "hello", secret: secret("first"), hello, random: "" }, 0).state;
};

function stepAll(state: GatewaySession, inputs: readonly GatewayInput[], nowMs = 0): { state: GatewaySession; effects: GatewayEffect[] } {
  const effects: GatewayEffect[] = [];
  let current = state;
  for (const input of inputs) {
    const step = stepGateway(current, input, nowMs);
    current = step.state;
    effects.push(...step.effects);
  }
  return { state: current, effects };
}

const message = (sequence: number, payload: string | Uint8Array = "x"): GatewayInput => ({
  kind: "frame",
  attempt: 1,
  frame: { type: "message", sequence, payload },
  random: secret("r"),
});

describe("the gateway's side", () => {
  it("ends the connection of a device that sends beyond the window, by count and by bytes, and keeps the session", () => {
    const byCount = stepAll(
      opened(),
      Array.from({ length: RESUME.windowCountMax + 1 }, (_, index) => message(index + 1)),
    );
    expect(byCount.effects.filter(({ kind }) => kind === "deliver")).toHaveLength(RESUME.windowCountMax);
    expect(byCount.effects.at(-1)).toMatchObject({ kind: "disconnect", code: 1002 });
    expect(byCount.state).toMatchObject({ detachedAtMs: 0, end: null });
    const large = new Uint8Array(RESUME.messageBytesMax);
    expect(stepAll(opened(), [message(1, large), message(2, large)]).state.detachedAtMs).toBeNull();
    expect(stepAll(opened(), [message(1, large), message(2, large), message(3)]).state.detachedAtMs).toBe(0);
  });

  it.for([
    { name: "a gap", input: message(2), says: "message 2, expected 1" },
    {
      name: "an acknowledgement of what was never sent",
      input: { kind: "frame", attempt: 1, frame: { type: "ack", sequence: 1 }, random: "" } as const,
      says: "never sent",
    },
    {
      name: "a second hello",
      input: { kind: "frame", attempt: 1, frame: { type: "hello", attempt: 2, received: 0 }, random: "" } as const,
      says: "second hello",
    },
  ])("closes a connection that brings $name with 1002, and the session can be resumed", ({ input, says }) => {
    const { state, effects } = stepAll(opened(), [input]);
    expect(effects).toEqual([{ kind: "disconnect", attempt: 1, code: 1002, reason: expect.stringContaining(says) }]);
    expect(state).toMatchObject({ end: null, detachedAtMs: 0 });
  });

  it("acknowledges what is the endpoint's, and nothing else", () => {
    const { state, effects } = stepAll(opened(), [message(1), message(2), message(2), { kind: "delivered", upTo: 1 }]);
    expect(effects.map(({ kind }) => kind)).toEqual(["deliver", "deliver", "transmit"]);
    expect(effects.at(-1)).toMatchObject({ frame: { type: "ack", sequence: 1 } });
    expect(state).toMatchObject({ received: 1, pending: [1] });
  });

  it("says a close of the endpoint after the last message was acknowledged, and then takes nothing more", () => {
    const closing = stepAll(opened(), [
      { kind: "push", payload: "last" },
      { kind: "close", code: 4_001, reason: "enough" },
      message(1),
      { kind: "push", payload: "too late" },
    ]);
    expect(closing.effects).toHaveLength(1);
    const over = stepAll(closing.state, [{ kind: "frame", attempt: 1, frame: { type: "ack", sequence: 1 }, random: "" }]);
    const end = { type: "end", why: "closed", received: 0, sent: 1, code: 4_001, reason: "enough" };
    expect(over.effects).toEqual([
      { kind: "transmit", attempt: 1, frame: end },
      { kind: "disconnect", attempt: 1, code: 4_001, reason: "enough" },
      { kind: "over", end },
    ]);
  });

  it("expires without a connection, sooner before the first token was confirmed, and never with one", () => {
    expect(expiresAtMs(opened())).toBe(RESUME.unconfirmedMsMax);
    const dropped = stepAll(opened(), [{ kind: "dropped", attempt: 1, isFinal: false }], 1_000).state;
    expect(expiresAtMs(dropped)).toBe(RESUME.unconfirmedMsMax);
    const token = formatResumeToken({ shardId: "echo-1", sessionId: SESSION_ID, secret: secret("first") });
    const attached = stepAll(opened(), [{ kind: "frame", attempt: 1, frame: { type: "rotated", token }, random: "" }]).state;
    expect(expiresAtMs(attached)).toBeNull();
    const confirmed = stepAll(attached, [{ kind: "dropped", attempt: 1, isFinal: false }]).state;
    expect(expiresAtMs(confirmed)).toBe(RESUME.detachedMsMax);
    expect(stepGateway(confirmed, { kind: "tick" }, RESUME.detachedMsMax - 1).effects).toEqual([]);
    expect(stepGateway(confirmed, { kind: "tick" }, RESUME.detachedMsMax).state.end).toMatchObject({
      why: "expired",
      received: 0,
      sent: 0,
    });
  });

  it("keeps at most its window for the device", () => {
    let state = opened();
    let count = 0;
    while (canPush(state, 1)) {
      ({ state } = stepGateway(state, { kind: "push", payload: "x" }, 0));
      count += 1;
    }
    expect(count).toBe(RESUME.windowCountMax);
    expect(stepGateway(state, { kind: "push", payload: "x" }, 0).state).toBe(state);
  });

  it("keeps no more each way than its part of its flow's memory, and puts a device off that does not know of it", () => {
    const held = { ...opened(), windowBytes: 10 };
    expect([canPush(held, 30), canPush(held, 31)]).toEqual([true, false]);
    const { state, effects } = stepAll(held, [message(1, "12345"), message(2, "12345"), message(3, "1")]);
    expect(effects.at(-1)).toEqual({ kind: "disconnect", attempt: 1, code: 1013, reason: "memory" });
    expect(state).toMatchObject({ pending: [5, 5], detachedAtMs: 0, end: null });
    // What it has is the endpoint's in time; the device sends the rest again, and finds room.
    const delivered = stepAll(state, [{ kind: "delivered", upTo: 2 }]).state;
    const hello = { type: "hello", attempt: 2, received: 0 } as const;
    const resumed = stepGateway(delivered, { kind: "hello", secret: secret("first"), hello, random: secret("next") }, 0);
    expect(resumed.effects).toMatchObject([{ frame: { type: "resumed", received: 2, windowBytes: 10 } }]);
    const again = { ...message(3, "1"), attempt: 2 } as GatewayInput;
    expect(stepAll(resumed.state, [again]).effects).toMatchObject([{ kind: "deliver", message: { sequence: 3 } }]);
  });

  it("replaces an hour-old token with the next frame, and takes the old one until the new one is confirmed", () => {
    const { state, effects } = stepAll({ ...opened(), isConfirmed: true }, [message(1)], RESUME.tokenMsMax);
    const rotate = effects.at(-1);
    expect(rotate).toMatchObject({ kind: "transmit", frame: { type: "rotate" } });
    expect(state.tokens).toEqual({ current: secret("first"), next: secret("r") });
  });

  it("never throws and keeps its bounds, whatever comes", () => {
    const frame = fc
      .oneof(fc.string(), fc.uint8Array({ maxLength: 12 }))
      .map((data) => decodeDeviceFrame(typeof data === "string" ? data : data.slice().buffer));
    const small = fc.nat({ max: 5 });
    const known = fc.oneof(
      fc.record({ type: fc.constant("message" as const), sequence: small, payload: fc.string() }),
      fc.record({ type: fc.constant("ack" as const), sequence: small }),
      fc.record({ type: fc.constant("hello" as const), attempt: small, received: small }),
    );
    const input: fc.Arbitrary<GatewayInput> = fc.oneof(
      fc.record({ kind: fc.constant("frame" as const), attempt: small, frame: fc.oneof(frame, known), random: fc.constant(secret("r")) }),
      fc.record({
        kind: fc.constant("hello" as const),
        secret: fc.constantFrom(secret("first"), secret("r"), ""),
        hello: fc.record({ type: fc.constant("hello" as const), attempt: small, received: small }),
        random: fc.constant(secret("r")),
      }),
      fc.record({ kind: fc.constant("dropped" as const), attempt: small, isFinal: fc.boolean() }),
      fc.record({ kind: fc.constant("delivered" as const), upTo: small }),
      fc.record({ kind: fc.constant("push" as const), payload: fc.string() }),
      fc.record({ kind: fc.constant("close" as const), code: fc.constant(4_001), reason: fc.string() }),
      fc.constantFrom({ kind: "tick" as const }, { kind: "restarted" as const }),
    );
    fc.assert(
      fc.property(fc.array(input, { maxLength: 40 }), (inputs) => {
        let state = opened();
        for (const next of inputs) {
          const before = state;
          ({ state } = stepGateway(state, next, 0));
          const { kept, sent, acknowledged } = state.outbound;
          if (state.end === null)
            expect(kept.map(({ sequence }) => sequence)).toEqual(
              Array.from({ length: sent - acknowledged }, (_, index) => acknowledged + 1 + index),
            );
          expect(state.received).toBeGreaterThanOrEqual(before.received);
          const { facts } = changesOf(null, state);
          const loaded = sessionFromRows(facts ?? "", kept);
          expect(loaded).toEqual({ ...state, pending: [] });
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe("the device's side", () => {
  const attachedDevice = () => {
    let state = NEW_DEVICE_SESSION;
    const inputs: DeviceInput[] = [
      { kind: "connect" },
      { kind: "connected", attempt: 1 },
      { kind: "frame", attempt: 1, frame: { type: "welcome", session: "s", token: "t" } },
    ];
    for (const input of inputs) ({ state } = stepDevice(state, input, 0));
    return state;
  };

  it("keeps at most its window, and says when there is room", () => {
    let state = attachedDevice();
    while (canSend(state, 1, 0)) ({ state } = stepDevice(state, { kind: "send", payload: "x" }, 0));
    expect(state.outbound.kept).toHaveLength(RESUME.windowCountMax);
    expect(stepDevice(state, { kind: "frame", attempt: 1, frame: { type: "ack", sequence: 1 } }, 0).effects).toEqual([{ kind: "room" }]);
  });

  it("acknowledges after a while, or after so many", () => {
    let state = attachedDevice();
    const effects = [];
    for (let sequence = 1; sequence <= RESUME.ackCountMax; sequence += 1) {
      const step = stepDevice(state, { kind: "frame", attempt: 1, frame: { type: "message", sequence, payload: "x" } }, 0);
      if (sequence === 1) expect(nextTickAtMs(step.state)).toBe(RESUME.ackDelayMs);
      state = step.state;
      effects.push(...step.effects);
    }
    expect(effects.filter(({ kind }) => kind === "transmit")).toEqual([
      { kind: "transmit", attempt: 1, frame: { type: "ack", sequence: RESUME.ackCountMax } },
    ]);
  });

  it("sends what it took before it knew of a smaller window as that has room, in order, and what never fits alone", () => {
    let state = stepDevice(NEW_DEVICE_SESSION, { kind: "connect" }, 0).state;
    for (const payload of ["1234", "5678", "9", "much too long", "x"]) ({ state } = stepDevice(state, { kind: "send", payload }, 0));
    ({ state } = stepDevice(state, { kind: "connected", attempt: 1 }, 0));
    const welcome = { type: "welcome", session: SESSION_ID, token: "t", windowBytes: 9 } as const;
    const sentAt = (frame: GatewayFrame): readonly unknown[] => {
      const step = stepDevice(state, { kind: "frame", attempt: 1, frame }, 0);
      ({ state } = step);
      return step.effects.flatMap((effect) =>
        effect.kind === "transmit" && effect.frame.type === "message" ? [effect.frame.sequence] : [],
      );
    };
    expect(sentAt(welcome)).toEqual([1, 2, 3]);
    expect(canSend(state, 1, 0)).toBe(false);
    expect(sentAt({ type: "ack", sequence: 1 })).toEqual([]);
    expect(sentAt({ type: "ack", sequence: 3 })).toEqual([4]);
    expect(sentAt({ type: "ack", sequence: 4 })).toEqual([5]);
    expect([canSend(state, 8, 0), canSend(state, 9, 0)]).toEqual([true, false]);
    // It is told again on each connection, and known in between.
    expect(canSend(stepDevice(state, { kind: "dropped", attempt: 1 }, 0).state, 9, 0)).toBe(false);
  });

  it("acknowledges a quarter of its window at the latest", () => {
    const state = { ...attachedDevice(), windowBytes: 40 };
    const [one, ten] = ["x", "x".repeat(10)].map((payload) => {
      const frame = { type: "message", sequence: 1, payload } as const;
      return stepDevice(state, { kind: "frame", attempt: 1, frame }, 0).effects.map(({ kind }) => kind);
    });
    expect([one, ten]).toEqual([["deliver"], ["deliver", "transmit"]]);
  });

  it("asks a silent connection for a sign of life, and gives it up", () => {
    const asked = stepDevice(attachedDevice(), { kind: "tick" }, RESUME.silenceMsMax);
    expect(asked.effects).toEqual([{ kind: "transmit", attempt: 1, frame: { type: "ping" } }]);
    const given = stepDevice(asked.state, { kind: "tick" }, 2 * RESUME.silenceMsMax);
    expect(given).toMatchObject({ state: { phase: "offline" }, effects: [{ kind: "disconnect", code: 4008 }] });
  });

  it("is told what became of the end of a session", () => {
    let state = attachedDevice();
    for (const payload of ["1", "2", "3"]) ({ state } = stepDevice(state, { kind: "send", payload }, 0));
    const end = { type: "end", why: "expired", received: 1, sent: 4, code: 1008, reason: "" } as const;
    const [over] = stepDevice(state, { kind: "frame", attempt: 1, frame: end }, 0).effects;
    expect(over).toMatchObject({
      kind: "over",
      end: {
        unacknowledged: [
          { sequence: 2, payload: "2" },
          { sequence: 3, payload: "3" },
        ],
        missed: { first: 1, last: 4 },
      },
    });
  });

  it("never throws, whatever the gateway says", () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.string(), fc.constantFrom("m1:x", "m2:y", "a1", '{"type":"resumed","received":0,"token":"u"}')), {
          maxLength: 20,
        }),
        (texts) => {
          let state = attachedDevice();
          for (const text of texts) ({ state } = stepDevice(state, { kind: "frame", attempt: 1, frame: decodeGatewayFrame(text) }, 0));
          expect(state.received).toBeLessThanOrEqual(2);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("a resume token", () => {
  it("is read as it was written, and says nothing else", () => {
    const token = { shardId: "echo-12", sessionId: SESSION_ID, secret: secret("x") };
    expect(parseResumeToken(formatResumeToken(token))).toEqual(token);
    for (const wrong of [
      "",
      "a.b.c",
      `echo-0.${SESSION_ID}.${token.secret}`,
      `../x-1.${SESSION_ID}.${token.secret}`,
      `${formatResumeToken(token)}.x`,
    ])
      expect(parseResumeToken(wrong)).toBeNull();
  });

  it("is worth nothing once its successor was used, and everything until then", () => {
    const pair = { current: "a", next: "b" };
    expect(useToken(pair, "a")).toEqual(pair);
    expect(useToken(pair, "b")).toEqual({ current: "b", next: null });
    expect(useToken({ current: "b", next: null }, "a")).toBeNull();
    expect(useToken({ current: "b", next: null }, "")).toBeNull();
  });
});
