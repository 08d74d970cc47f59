// Messages of sockets at several Shard objects under one bandwidth, with bodies at isolates beside them.
import { describe, expect, it } from "vitest";
import { runSockets, type Canary, type SocketScenario } from "./socket-bandwidth-simulation.ts";

const SEEDS = process.env["TIDEGATE_LONG"] === "1" ? 200 : 8;
const SECONDS = 60;
const CALM: SocketScenario = { bytesPerSecond: 200_000, objects: 3, socketsEach: 4, seconds: SECONDS, bytesMax: 2_000 };
const STORM: SocketScenario = { ...CALM, seconds: 40, isStormy: true, isolates: 1 };

describe("messages without end at all Shard objects together", () => {
  const CELLS: readonly SocketScenario[] = [1, 3, 9].flatMap((objects) =>
    [20_000, 200_000, 5_000_000].map((bytesPerSecond) => ({
      ...CALM,
      objects,
      bytesPerSecond,
      seconds: bytesPerSecond > 1e6 ? 15 : SECONDS,
    })),
  );
  it.for(CELLS)("$objects objects and $bytesPerSecond bytes a second: never over it, and nearly all of it", (cell) => {
    const { bytes, overshoot, faults, callsInSilence } = runSockets(cell, 1);
    expect([faults, callsInSilence]).toEqual([[], 0]);
    expect(overshoot).toBeLessThanOrEqual(0);
    expect(bytes).toBeGreaterThan(0.95 * cell.bytesPerSecond * (cell.seconds - 5));
  });
});

it("messages larger than the pool ever lends at once pass, and cost no more than one message at each object", () => {
  const { bytes, overshoot, asideMax, faults } = runSockets({ ...CALM, objects: 2, socketsEach: 3, bytesMax: 1_048_576 }, 2);
  expect(faults).toEqual([]);
  expect(overshoot).toBeLessThanOrEqual(0);
  expect(asideMax).toBeGreaterThan(100_000);
  expect(bytes).toBeGreaterThan(0.9 * CALM.bytesPerSecond * (SECONDS - 5));
});

it("messages of 100 kB at 1,024 bytes a second pass some day", () => {
  const scenario = { ...CALM, objects: 1, socketsEach: 1, bytesPerSecond: 1_024, bytesMax: 100_000, gapMs: 20_000, seconds: 40 };
  const { overshoot, faults } = runSockets(scenario, 3);
  expect([faults, overshoot <= 0]).toEqual([[], true]);
});

it("messages of 300 kB at 5,000 bytes a second pass within five hours, and what is asked meanwhile is no more than four calls a second of each object", () => {
  const { calls, overshoot, faults } = runSockets({ ...CALM, bytesPerSecond: 5_000, bytesMax: 300_000 }, 1);
  expect([faults, overshoot <= 0]).toEqual([[], true]);
  expect(calls).toBeLessThan(3 * 4 * 5 * 3_600);
});

it("the sockets of one object share its credit: who sends large messages has no more than who sends small ones", () => {
  const { perLine } = runSockets({ ...CALM, objects: 1, socketsEach: 3, bytesMax: 32_768 }, 4);
  const [mean] = [perLine.reduce((sum, own) => sum + own, 0) / perLine.length];
  for (const own of perLine) expect(Math.abs(own - mean) / mean).toBeLessThan(0.1);
});

it("isolates and objects share it", () => {
  const { bytes, bodyBytes, overshoot } = runSockets({ ...CALM, objects: 2, isolates: 2 }, 5);
  expect(overshoot).toBeLessThanOrEqual(0);
  expect(bodyBytes / (bytes + bodyBytes)).toBeGreaterThan(0.3);
  expect(bodyBytes / (bytes + bodyBytes)).toBeLessThan(0.7);
});

describe("a pool that always answers late", () => {
  // Half a burst is lent at most, half a second's worth, and the next one asked for when it has come.
  it.for([
    { answerMs: 2_500, least: 0.16 },
    { answerMs: 4_000, least: 0.09 },
    { answerMs: 6_500, least: 0.06 },
  ])("by $answerMs ms lets go what waits all the same, and no more than may", ({ answerMs, least }) => {
    const { bytes, overshoot, faults, callsInSilence } = runSockets({ ...CALM, answerMs }, 7);
    expect([faults, callsInSilence]).toEqual([[], 0]);
    expect(overshoot).toBeLessThanOrEqual(0);
    expect(bytes).toBeGreaterThan(least * CALM.bytesPerSecond * (SECONDS - 5));
  });
});

it("a lone small message now and then costs one call", () => {
  const scenario = { ...CALM, objects: 1, socketsEach: 1, seconds: 600, gapMs: 20_000, bytesMax: 600 };
  const { calls, messages, faults, tokensLentInSilence } = runSockets(scenario, 6);
  expect([faults, tokensLentInSilence]).toEqual([[], 0]);
  expect(messages).toBeGreaterThan(50);
  expect(calls).toBeLessThan(1.15 * messages);
});

describe("a limit that is added while sockets are open, and lifted again, with nobody who opens another", () => {
  const MINUTE_MS = 60_000;
  const LIMITED = { fromMs: 70_000, toMs: 200_000 };
  const ADDED: SocketScenario = { ...CALM, seconds: 280, gapMs: 40, limited: LIMITED };

  it("holds at all objects a minute and a call later, to the byte, and is asked about no more a minute after it was lifted", () => {
    const result = runSockets(ADDED, 1);
    expect([result.faults, result.callsInSilence]).toEqual([[], 0]);
    expect(result.overshoot).toBeLessThanOrEqual(0);
    // That it was added is found by the minute, that it was lifted by the answers to renewals.
    expect([result.unawareMs > 1_000, result.unawareMs <= MINUTE_MS + 20]).toEqual([true, true]);
    expect(result.unawareOfEndMs).toBeLessThanOrEqual(11_000);
    expect(result.callsOnceLifted).toBeLessThanOrEqual(2 * ADDED.objects);
    // Of each object, with the first of its life and those for news.
    expect(result.questions / ADDED.objects).toBeLessThanOrEqual(280 / 45 + 3);
  });

  it.for(Array.from({ length: SEEDS }, (_, index) => index + 1))(
    "seed %d, with questions and renewals that are lost and late, and objects that start anew: holds, too",
    (seed) => {
      const result = runSockets({ ...ADDED, isStormy: true }, seed);
      expect([result.faults, result.callsInSilence]).toEqual([[], 0]);
      expect(result.overshoot).toBeLessThanOrEqual(0);
      expect(result.unawareMs).toBeLessThanOrEqual(2 * MINUTE_MS);
    },
  );

  it.for<Canary>(["asks-nobody", "asks-once", "forgets-limits"])("finds an object that is broken: %s", (canary) => {
    const { unawareMs } = runSockets({ ...ADDED, isStormy: canary === "forgets-limits", canary }, 1);
    expect(unawareMs).toBeGreaterThan(2 * MINUTE_MS);
  });
});

describe("lost, late and repeated calls, evictions, sockets that come and go", () => {
  const seeds = Array.from({ length: SEEDS }, (_, index) => index + 1);
  it.for(seeds)("seed %d: never over it, nothing lost, repeated or out of order, and nothing done in silence", (seed) => {
    const { overshoot, faults, callsInSilence, evictions } = runSockets({ ...STORM, bytesMax: seed % 2 === 0 ? 2_000 : 60_000 }, seed);
    expect([faults, callsInSilence]).toEqual([[], 0]);
    expect(overshoot).toBeLessThanOrEqual(0);
    expect(evictions).toBeGreaterThan(0);
  });

  it.for([
    { seed: 1_000_082, objects: 1, socketsEach: 4, bytesPerSecond: 40_976, bytesMax: 773_579, seconds: 53 },
    { seed: 1_000_200, objects: 1, socketsEach: 3, bytesPerSecond: 81_437, bytesMax: 143_254, seconds: 55, isolates: 2 },
  ])("seed $seed, messages of up to $bytesMax bytes at $bytesPerSecond a second: so, too, however long it takes", ({ seed, ...more }) => {
    const { overshoot, faults, callsInSilence } = runSockets({ ...STORM, isolates: 0, ...more }, seed);
    expect([faults, callsInSilence, overshoot <= 0]).toEqual([[], 0, true]);
  });

  it.for<Canary>(["pays-nothing", "forgets", "overtakes", "stays-awake"])("finds an object that is broken: %s", (canary) => {
    const { overshoot, faults, callsInSilence } = runSockets({ ...STORM, canary }, 1);
    expect(overshoot > 0 || faults.length > 0 || callsInSilence > 0).toBe(true);
  });
});
