import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Backoff } from "#durable/pool/health/backoff.ts";
import { DeviceHealth, type Surroundings } from "#durable/pool/health/device-health.ts";
import { DeviceWords } from "#durable/pool/health/device-words.ts";
import { HEALTH } from "#durable/pool/health/health-settings.ts";
import { evidenceOf, logAlarmOf } from "#durable/pool/health/shard-evidence.ts";
import type { DeviceWord } from "#shared/protocol/device-report.ts";
import { SECOND_MS } from "#shared/units.ts";

const LANES = new Map([
  ["s-1", "a"],
  ["s-2", "a"],
  ["s-3", "b"],
]);
const PERIOD_MS = 10 * SECOND_MS;
const NUM_RUNS = process.env["TIDEGATE_LONG"] === "1" ? 5_000 : 300;

interface Said extends DeviceWord {
  readonly shardId: string;
}

const saidBy = (tenants: readonly string[]): fc.Arbitrary<Said> =>
  fc.record({
    flow: fc.tuple(fc.constantFrom(...tenants), fc.constantFrom("gold", "bronze")).map(([tenant, className]) => `${tenant}/${className}`),
    device: fc.integer({ min: 1, max: 4 }).map((number) => `d-${number}`),
    shardId: fc.constantFrom(...LANES.keys()),
    latencyMs: fc.option(fc.constantFrom(0, 10, 20, 200, 900, 600_000)),
    drops: fc.constantFrom(0, 0, 0, 1, 2, 2 ** 40),
  });

function wordsOf(said: readonly Said[]): { words: DeviceWords; nowMs: number } {
  const words = new DeviceWords(HEALTH);
  let nowMs = 0;
  for (const { shardId, ...word } of said) words.hear(shardId, word, { lanes: LANES, nowMs: (nowMs += SECOND_MS) });
  return { words, nowMs };
}

const around = (nowMs: number, lanes: ReadonlyMap<string, string> = LANES): Surroundings => ({
  lanes,
  tenantCountOn: () => 9,
  isDraining: false,
  nowMs,
});

describe("whatever one tenant says", () => {
  const LIAR = "liar";
  /** The others' at the same moments: the liar's words stay as pauses. */
  const both = fc.array(fc.tuple(saidBy(["t-1", "t-2"]), fc.option(saidBy([LIAR]))), { maxLength: 60 });

  it("is no part of what is made of the others' words", () => {
    fc.assert(
      fc.property(both, (said) => {
        const mixed = new DeviceWords(HEALTH);
        const alone = new DeviceWords(HEALTH);
        for (const [index, [{ shardId, ...word }, lie]] of said.entries()) {
          const at = { lanes: LANES, nowMs: index * SECOND_MS };
          if (lie !== null) mixed.hear(lie.shardId, { ...lie }, at);
          expect(mixed.hear(shardId, word, at)).toEqual(alone.hear(shardId, word, at));
        }
      }),
      { numRuns: NUM_RUNS },
    );
  });

  it("changes the evidence against a shard by two thirds of what makes a suspect, at most", () => {
    fc.assert(
      fc.property(both, fc.constantFrom(...LANES.keys()), (said, shardId) => {
        const logOf = (heard: readonly Said[]): number => {
          const { words, nowMs } = wordsOf(heard);
          return evidenceOf(shardId, { words, lanes: LANES, tenantCountOn: () => 3, settings: HEALTH, nowMs }).log;
        };
        const lies = said.flatMap(([, lie]) => lie ?? []);
        const truth = said.map(([word]) => word);
        const change = Math.abs(
          logOf([...lies, ...truth]) - logOf([...lies.map((lie) => ({ ...lie, latencyMs: null, drops: 0 })), ...truth]),
        );
        expect(change).toBeLessThanOrEqual((2 / 3) * logAlarmOf(HEALTH) + 1e-9);
      }),
      { numRuns: NUM_RUNS },
    );
  });
});

describe("the last shard", () => {
  it("is no suspect, and nobody leaves it", () => {
    const health = new DeviceHealth();
    const lanes = new Map([["s-1", "a"]]);
    for (let round = 1; round < 6; round += 1) {
      const words = Array.from({ length: 40 }, (_, index) => ({
        flow: `t-${index % 8}/gold`,
        device: `${index}`,
        latencyMs: 600_000,
        drops: 9,
      }));
      const leave = health.hear({ shardId: "s-1", words, mayLeave: true }, around(round * PERIOD_MS, lanes));
      expect([leave, health.suspect, health.takeDrain(around(round * PERIOD_MS, lanes))]).toEqual([[], null, null]);
    }
  });

  /** Eight tenants with a device on each of two shards, the first of which is slow. */
  function suspicious(health = new DeviceHealth(), fromMs = 0): { health: DeviceHealth; nowMs: number } {
    let nowMs = fromMs;
    for (let round = 0; round < 3; round += 1) {
      nowMs += PERIOD_MS;
      for (const shardId of ["s-2", "s-1"]) {
        const latencyMs = shardId === "s-1" ? 900 : 20;
        const words = Array.from({ length: 8 }, (_, index) => ({ flow: `t-${index}/gold`, device: shardId, latencyMs, drops: 0 }));
        health.hear({ shardId, words, mayLeave: false }, around(nowMs));
      }
    }
    return { health, nowMs };
  }

  it("that was one of two when it was suspected is not drained once the other is gone", () => {
    const { health, nowMs } = suspicious();
    expect(health.suspect?.shardId).toBe("s-1");
    expect(health.takeDrain(around(nowMs, new Map([["s-1", "a"]])))).toBeNull();
  });

  it("canary: is drained while there are others, once, and not while another is", () => {
    const { health, nowMs } = suspicious();
    expect(health.takeDrain({ ...around(nowMs), isDraining: true })).toBeNull();
    expect(health.takeDrain(around(nowMs))?.shardId).toBe("s-1");
    for (const { pauses, drained } of [
      { pauses: 1, drained: undefined },
      { pauses: 2, drained: "s-1" },
    ]) {
      suspicious(health, nowMs + pauses * HEALTH.drainAgainMs);
      expect(health.takeDrain(around(nowMs + pauses * HEALTH.drainAgainMs + 3 * PERIOD_MS))?.shardId).toBe(drained);
    }
  });

  it("is not drained for what was said long ago", () => {
    const { health, nowMs } = suspicious();
    expect(health.takeDrain(around(nowMs + HEALTH.wordMsMax))).toBeNull();
    expect(health.suspect).toBeNull();
    const again = suspicious();
    // Of a shard that is none: it is all that is heard.
    again.health.hear({ shardId: "gone", words: [], mayLeave: false }, around(again.nowMs + HEALTH.wordMsMax));
    expect(again.health.suspect).toBeNull();
  });
});

describe("what is kept", () => {
  const settings = { ...HEALTH, flowWordsMax: 4, wordsMax: 10 };
  const said = (flow: string, device: number): DeviceWord => ({ flow, device: `d-${device}`, latencyMs: 20, drops: 0 });

  it("has a bound, which no flow fills for the others", () => {
    const words = new DeviceWords(settings);
    const at = { lanes: LANES, nowMs: 0 };
    for (let device = 0; device < 20; device += 1) words.hear("s-1", said("t-1/gold", device), at);
    expect(words.count).toBe(4);
    for (let flow = 2; flow < 9; flow += 1)
      for (let device = 0; device < 4; device += 1) words.hear("s-1", said(`t-${flow}/gold`, device), at);
    expect(words.count).toBe(10);
    expect([...words.flows].every(([, own]) => own.size <= 4 && own.size > 0)).toBe(true);
    expect([...words.flows].length).toBeGreaterThan(2);
  });

  it("is the first devices' for as long as they speak, and then others'", () => {
    const words = new DeviceWords(settings);
    for (let device = 0; device < 4; device += 1) words.hear("s-1", said("t-1/gold", device), { lanes: LANES, nowMs: 0 });
    expect(words.hear("s-1", said("t-1/gold", 9), { lanes: LANES, nowMs: settings.wordMsMax - 1 })).toBeNull();
    expect(words.hear("s-1", said("t-1/gold", 9), { lanes: LANES, nowMs: settings.wordMsMax })).not.toBeNull();
    expect(words.count).toBe(4);
  });

  it("is one word of a device in four seconds, wherever it is", () => {
    const words = new DeviceWords(HEALTH);
    expect(words.hear("s-1", said("t-1/gold", 1), { lanes: LANES, nowMs: 0 })).not.toBeNull();
    expect(words.hear("s-2", said("t-1/gold", 1), { lanes: LANES, nowMs: 3_999 })).toBeNull();
    expect(words.hear("s-2", said("t-1/gold", 1), { lanes: LANES, nowMs: 4_000 })).not.toBeNull();
    expect(words.count).toBe(1);
  });

  it("is so many last times, the oldest forgotten first; each pause is twice the one before", () => {
    const backoff = new Backoff({ pauseMs: 10, pauseMsMax: 30, countMax: 2 });
    const pauses = [0, 10, 30, 60, 90].map((atMs) => {
      const isOver = [backoff.isOver("a", atMs - 1), backoff.isOver("a", atMs)];
      backoff.note("a", atMs);
      return isOver;
    });
    expect(pauses).toEqual([[true, true], ...Array.from({ length: 4 }, () => [false, true])]);
    backoff.note("b", 90);
    backoff.note("c", 90);
    expect([backoff.isOver("a", 90), backoff.isOver("b", 90), backoff.isOver("c", 90)]).toEqual([true, false, false]);
  });
});

describe("a suspect", () => {
  it("is one no more when its last word is forgotten, though nobody says anything more", () => {
    const health = new DeviceHealth();
    const devices = Array.from({ length: 12 }, (_, number) => ({ flow: `t-${number % 3}/gold`, device: `d-${number}` }));
    let nowMs = 0;
    for (let round = 0; round < 30 && health.suspect === null; round += 1) {
      nowMs += PERIOD_MS;
      for (const shardId of LANES.keys()) {
        const latencyMs = shardId === "s-1" ? 900 : 20;
        const words = devices.map((said, index) => ({ ...said, device: `${said.device}-${shardId}-${index}`, latencyMs, drops: 0 }));
        health.hear({ shardId, words, mayLeave: false }, around(nowMs));
      }
    }
    expect([health.suspect?.shardId, health.suspectUntilMs]).toEqual(["s-1", nowMs + HEALTH.wordMsMax]);
    health.expire(around(health.suspectUntilMs - 1));
    expect(health.suspect).not.toBeNull();
    health.expire(around(health.suspectUntilMs));
    expect(health.suspect).toBeNull();
  });
});
