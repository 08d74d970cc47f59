// A device keeps to the rate that its gateway declares: whatever the network does, the gateway never finds it too fast.
import fc from "fast-check";
import { expect, it } from "vitest";
import { MessageRate } from "#durable/shard/message-rate.ts";
import { RESUME } from "#shared/resume/bounds.ts";
import { canSend, NEW_DEVICE_SESSION, nextTickAtMs, type DeviceSession } from "#shared/resume/device-session.ts";
import { stepDevice } from "#shared/resume/step-device.ts";
import type { Rate } from "#shared/resume/frames.ts";

function attached(rate: Rate | undefined): DeviceSession {
  let state = stepDevice(NEW_DEVICE_SESSION, { kind: "connect" }, 0).state;
  const frame = { type: "welcome", session: "s", token: "t", ...(rate === undefined ? {} : { rate }) } as const;
  for (const input of [
    { kind: "connected", attempt: 1 },
    { kind: "frame", attempt: 1, frame },
  ] as const)
    ({ state } = stepDevice(state, input, 0));
  return state;
}

interface Way {
  readonly rate: Rate;
  /** Of each message in turn, to the gateway; a later one never overtakes. */
  readonly delaysMs: readonly number[];
  readonly pausesMs: readonly number[];
}

/** Sends as fast as it may. When each message arrives at the gateway, which acknowledges at once. */
function arrivals({ rate, delaysMs, pausesMs }: Way, declared: Rate | undefined): number[] {
  let state = attached(declared);
  let nowMs = 0;
  const arrivedAtMs: number[] = [];
  for (let sent = 0; sent < 1_000; nowMs += 1) {
    const acknowledged = arrivedAtMs.filter((atMs) => atMs <= nowMs).length;
    if (acknowledged > state.outbound.acknowledged)
      ({ state } = stepDevice(state, { kind: "frame", attempt: 1, frame: { type: "ack", sequence: acknowledged } }, nowMs));
    const tickAtMs = nextTickAtMs(state);
    if (tickAtMs !== null && nowMs >= tickAtMs) ({ state } = stepDevice(state, { kind: "tick" }, nowMs));
    while (sent < 1_000 && canSend(state, 1, nowMs)) {
      ({ state } = stepDevice(state, { kind: "send", payload: "x" }, nowMs));
      const delayMs = delaysMs[sent % delaysMs.length] ?? 0;
      arrivedAtMs.push(Math.max(arrivedAtMs.at(-1) ?? 0, nowMs + delayMs));
      sent += 1;
      nowMs += sent % 50 === 0 ? (pausesMs[(sent / 50) % pausesMs.length] ?? 0) : 0;
    }
    if (nowMs > 200_000 + (1_000 * 1_100) / rate.perSecond) throw new Error(`only ${sent} messages were sent`);
  }
  return arrivedAtMs;
}

/** As the gateway holds a session to its rate. */
function refused({ perSecond, burst }: Rate, arrivedAtMs: readonly number[]): number {
  const held = new MessageRate({ perSecond, burst: burst + RESUME.windowCountMax });
  return arrivedAtMs.filter((atMs) => !held.take(atMs)).length;
}

const WAY: fc.Arbitrary<Way> = fc.record({
  rate: fc.record({ perSecond: fc.integer({ min: 50, max: 1_000 }), burst: fc.integer({ min: 1, max: 300 }) }),
  delaysMs: fc.array(fc.constantFrom(0, 1, 30, 500, 3_000), { minLength: 1, maxLength: 40 }),
  pausesMs: fc.array(fc.constantFrom(0, 10, 2_000), { minLength: 1, maxLength: 5 }),
});

it("is never too fast, however its messages bunch up on the way", () => {
  fc.assert(
    fc.property(WAY, (way) => {
      expect(refused(way.rate, arrivals(way, way.rate))).toBe(0);
    }),
    { numRuns: 60 },
  );
});

it("is too fast where nothing is declared: the test would see it", () => {
  const way = { rate: { perSecond: 50, burst: 1 }, delaysMs: [0], pausesMs: [0] };
  expect(refused(way.rate, arrivals(way, undefined))).toBeGreaterThan(100);
});

it("uses nineteen twentieths of its rate, and its burst at once", () => {
  const rate = { perSecond: 50, burst: 100 };
  const arrivedAtMs = arrivals({ rate, delaysMs: [0], pausesMs: [0] }, rate);
  expect(arrivedAtMs.filter((atMs) => atMs === 0).length).toBe(100);
  const lastMs = arrivedAtMs.at(-1) ?? 0;
  expect((1_000 * 900) / lastMs).toBeGreaterThan(0.94 * 50);
  expect((1_000 * 900) / lastMs).toBeLessThanOrEqual(50);
});

it("says when there is room again, and not before", () => {
  let state = attached({ perSecond: 10, burst: 2 });
  for (let sent = 0; sent < 2; sent += 1) ({ state } = stepDevice(state, { kind: "send", payload: "x" }, 0));
  expect([canSend(state, 1, 0), canSend(state, 1, 105), canSend(state, 1, 106)]).toEqual([false, false, true]);
  expect(nextTickAtMs(state)).toBe(106);
  expect(stepDevice(state, { kind: "tick" }, 105).effects).toEqual([]);
  const ticked = stepDevice(state, { kind: "tick" }, 106);
  expect(ticked.effects).toEqual([{ kind: "room" }]);
  expect(stepDevice(ticked.state, { kind: "tick" }, 107).effects).toEqual([]);
});

it("knows no rate without a connection: what waits then is the window's", () => {
  const offline = stepDevice(attached({ perSecond: 1, burst: 1 }), { kind: "dropped", attempt: 1 }, 0).state;
  let state = offline;
  while (canSend(state, 1, 0)) ({ state } = stepDevice(state, { kind: "send", payload: "x" }, 0));
  expect(state.outbound.kept.length).toBe(RESUME.windowCountMax);
});
