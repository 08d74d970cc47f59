import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LeastConnections } from "#wasm/binding/least-connections.ts";
import { PeakEwma } from "#wasm/binding/peak-ewma.ts";
import { SmoothRoundRobin } from "#wasm/binding/smooth-round-robin.ts";
import {
  exponentialReference,
  leastConnectionsReference,
  peakEwmaChooseReference,
  peakEwmaEndReference,
  peakEwmaLoadReference,
  smoothRoundRobinReference,
} from "#wasm/reference/balance.ts";
import { kernels } from "../support/kernels.ts";

const DECAY_MS = 10_000;
const subject = kernels();
const ewma = new PeakEwma(subject, 16, DECAY_MS);
const connections = new LeastConnections(subject, 64);
const turns = new SmoothRoundRobin(subject, 64);
const word = fc.integer({ min: 0, max: 0xffff_ffff });

type Latencies = Pick<PeakEwma, "choose" | "end" | "load" | "setOpen" | "start">;

const EWMAS = [
  {
    name: "kernel",
    over(count: number): Latencies {
      ewma.reset(count);
      return ewma;
    },
  },
  {
    name: "twin",
    over(count: number): Latencies {
      const shards = Array.from({ length: count }, () => ({ costMs: 0, stampMs: 0, outstanding: 0, isOpen: true }));
      const at = (index: number): (typeof shards)[0] => shards[index] ?? expect.unreachable();
      return {
        choose: (words, nowMs) => peakEwmaChooseReference(shards, words, { nowMs, decayMs: DECAY_MS }),
        end: (index, latencyMs, nowMs) => peakEwmaEndReference(at(index), latencyMs, { nowMs, decayMs: DECAY_MS }),
        load: (index, nowMs) => peakEwmaLoadReference(at(index), { nowMs, decayMs: DECAY_MS }),
        setOpen: (index, isOpen) => void (at(index).isOpen = isOpen),
        start: (index) => void (at(index).outstanding += 1),
      };
    },
  },
];

describe.for(EWMAS)("two choices by peak EWMA, $name", ({ over }) => {
  it("adopts a peak at once, and forgets it by 1/e in the decay time", () => {
    const shards = over(1);
    shards.end(0, 100, 0);
    shards.end(0, 900, 1);
    expect(shards.load(0, 1)).toBe(900);
    expect(shards.load(0, 1 + DECAY_MS)).toBeCloseTo(900 / Math.E, 9);
    shards.end(0, 100, 1 + DECAY_MS);
    expect(shards.load(0, 1 + DECAY_MS)).toBeCloseTo(900 / Math.E + 100 * (1 - 1 / Math.E), 9);
  });

  it("counts what is outstanding, one more for the request to come", () => {
    const shards = over(1);
    shards.end(0, 10, 0);
    for (let count = 1; count <= 4; count += 1) {
      shards.start(0);
      expect(shards.load(0, 0)).toBe(10 * (count + 1));
    }
  });

  it("probes a shard without history by one request, and goes elsewhere while that is out", () => {
    const shards = over(2);
    shards.end(1, 50, 0);
    expect(shards.choose([0, 0], 0)).toBe(0);
    shards.start(0);
    expect(shards.choose([0, 0], 0)).toBe(1);
    shards.end(0, 5, 0);
    expect(shards.choose([0, 0], 0)).toBe(0);
  });

  it("goes to the cheaper of the two, whichever is drawn first, and to the first of equals", () => {
    const shards = over(2);
    const high = 0xffff_ffff;
    shards.end(0, 20, 0);
    shards.end(1, 10, 0);
    expect([shards.choose([0, 0], 0), shards.choose([high, 0], 0)]).toEqual([1, 1]);
    shards.end(1, 20, 0);
    expect([shards.choose([0, 0], 0), shards.choose([high, 0], 0)]).toEqual([0, 1]);
  });

  it("draws every pair of distinct shards alike", () => {
    const shards = over(4);
    const counts = [0, 0, 0, 0];
    for (let first = 0; first < 40; first += 1) {
      for (let second = 0; second < 30; second += 1) {
        const index = shards.choose([Math.floor((first * 2 ** 32) / 40), Math.floor((second * 2 ** 32) / 30)], 0);
        counts[index] = (counts[index] ?? 0) + 1;
      }
    }
    expect(counts).toEqual([300, 300, 300, 300]);
  });

  it("never chooses a closed shard, finds the cheapest open one where both drawn are closed, and says -1 where none is open", () => {
    const shards = over(4);
    for (const index of [0, 1]) shards.setOpen(index, false);
    shards.end(2, 30, 0);
    shards.end(3, 20, 0);
    expect(shards.choose([0, 0], 0)).toBe(3);
    shards.setOpen(3, false);
    for (const words of [
      [0, 0],
      [2 ** 31, 2 ** 31],
      [2 ** 32 - 1, 2 ** 32 - 1],
    ] as const)
      expect(shards.choose(words, 0)).toBe(2);
    shards.setOpen(2, false);
    expect(shards.choose([0, 0], 0)).toBe(-1);
    expect(over(0).choose([1, 1], 0)).toBe(-1);
  });

  it("takes a clock that went back as one that stands still", () => {
    const shards = over(1);
    shards.end(0, 100, 5_000);
    expect(shards.load(0, 0)).toBe(100);
    shards.end(0, 40, 0);
    expect(shards.load(0, 5_000)).toBe(100);
  });
});

describe("peak EWMA", () => {
  it("has an exponential within 4e-16 of the value", () => {
    for (let x = 0; x < 700; x += 0.0137) expect(Math.abs(exponentialReference(x) / Math.exp(-x) - 1)).toBeLessThan(4e-16);
    expect([exponentialReference(0), exponentialReference(701), exponentialReference(Infinity)]).toEqual([1, 0, 0]);
  });

  it("refuses what is none: a latency, a time, a word, a shard, a decay", () => {
    ewma.reset(2);
    for (const latencyMs of [-1, Number.NaN, Infinity]) expect(() => ewma.end(0, latencyMs, 0)).toThrow(RangeError);
    for (const nowMs of [Number.NaN, Infinity]) expect(() => ewma.choose([0, 0], nowMs)).toThrow(RangeError);
    for (const bad of [-1, 0.5, 2 ** 32, Number.NaN]) expect(() => ewma.choose([bad, 0], 0)).toThrow(RangeError);
    for (const index of [-1, 2, 0.5, Number.NaN]) expect(() => ewma.start(index)).toThrow(RangeError);
    for (const decayMs of [0, -1, Number.NaN, Infinity]) expect(() => new PeakEwma(subject, 4, decayMs)).toThrow(RangeError);
    expect(() => ewma.reset(17)).toThrow(RangeError);
  });
});

interface Shard {
  readonly weight: number;
  readonly active: number;
}

const LEAST = [
  {
    name: "kernel",
    choose(shards: readonly Shard[], start: number): number {
      connections.replace(shards.map(({ weight }) => weight));
      for (const [index, { active }] of shards.entries()) connections.setActive(index, active);
      return connections.choose(start);
    },
  },
  {
    name: "twin",
    choose: (shards: readonly Shard[], start: number): number =>
      leastConnectionsReference(
        shards.map((shard) => ({ ...shard, credit: 0 })),
        start,
      ),
  },
];

describe.for(LEAST)("weighted least connections, $name", ({ choose }) => {
  const count = fc.oneof(fc.nat(5), word);
  const anyShards = fc.array(fc.record({ weight: count, active: count }), { maxLength: 40 });

  it("chooses a smallest (active + 1) / weight, of equals the first from the start; never weight 0", () => {
    fc.assert(
      fc.property(anyShards, word, (shards, start) => {
        const chosen = choose(shards, start);
        const best = shards[chosen];
        if (best === undefined) {
          expect([chosen, shards.filter(({ weight }) => weight > 0)]).toEqual([-1, []]);
          return;
        }
        const turn = (index: number): number => (index - (start % shards.length) + shards.length) % shards.length;
        for (const [index, { weight, active }] of shards.entries()) {
          const [left, right] = [BigInt(best.active + 1) * BigInt(weight), BigInt(active + 1) * BigInt(best.weight)];
          expect(best.weight > 0 && (weight === 0 || left < right || (left === right && turn(chosen) <= turn(index)))).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("fills shards as their weights say, with no more than one between them", () => {
    const shards = [3, 2, 1].map((weight) => ({ weight, active: 0 }));
    for (let placed = 0; placed < 600; placed += 1) {
      const shard = shards[choose(shards, placed)];
      if (shard !== undefined) shard.active += 1;
      for (const { weight, active } of shards) expect(Math.abs(active - ((placed + 1) * weight) / 6)).toBeLessThanOrEqual(1);
    }
    expect(shards.map(({ active }) => active)).toEqual([300, 200, 100]);
  });
});

const ROUNDS = [
  {
    name: "kernel",
    over(weights: readonly number[]): () => number {
      turns.replace(weights);
      return () => turns.next();
    },
  },
  {
    name: "twin",
    over(weights: readonly number[]): () => number {
      const shards = weights.map((weight) => ({ weight, active: 0, credit: 0 }));
      return () => smoothRoundRobinReference(shards);
    },
  },
];

describe.for(ROUNDS)("smooth weighted round robin, $name", ({ over }) => {
  it("gives nginx's own example: {5, 1, 1} is a a b a c a a", () => {
    const next = over([5, 1, 1]);
    expect(Array.from({ length: 14 }, () => "abc"[next()]).join(" ")).toBe("a a b a c a a a a b a c a a");
  });

  it("gives everyone exactly its weight in every cycle, and never lets anyone run a whole turn ahead", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(12), { minLength: 1, maxLength: 12 }), (weights) => {
        const next = over(weights);
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        if (total === 0) expect(next()).toBe(-1);
        const counts = weights.map(() => 0);
        for (let turn = 1; turn <= 2 * total; turn += 1) {
          const index = next();
          counts[index] = (counts[index] ?? 0) + 1;
          // The richest has credit before it pays, so what it is ahead by afterwards is below 1.
          for (const [shard, weight] of weights.entries()) expect((counts[shard] ?? 0) - (turn * weight) / total).toBeLessThan(1);
          if (turn % total === 0) expect(counts).toEqual(weights.map((weight) => (weight * turn) / total));
        }
      }),
      { numRuns: 200 },
    );
  });

  it("says -1 without shards", () => {
    expect(over([])()).toBe(-1);
  });
});

describe("least connections and round robin", () => {
  it("refuse what is none: a weight, a count, a shard, a start", () => {
    for (const bad of [-1, 0.5, Number.NaN, Infinity, 2 ** 32]) {
      expect(() => connections.replace([bad])).toThrow(RangeError);
      expect(() => turns.replace([bad])).toThrow(RangeError);
      expect(() => connections.choose(bad)).toThrow(RangeError);
      expect(() => connections.setActive(0, bad)).toThrow(RangeError);
      expect(() => turns.setWeight(bad, 1)).toThrow(RangeError);
    }
    expect(() => turns.replace([2 ** 20 + 1])).toThrow(RangeError);
    expect(() => turns.replace(Array.from({ length: 65 }, () => 1))).toThrow(RangeError);
    for (const capacity of [0, 1_025, 1.5, Number.NaN]) expect(() => new LeastConnections(subject, capacity)).toThrow(RangeError);
  });

  it("take the greatest weights and counts without a wrap", () => {
    const most = 0xffff_ffff;
    connections.replace([most, most]);
    connections.setActive(0, most);
    connections.setActive(1, most - 1);
    expect(connections.choose(0)).toBe(1);
    turns.replace(Array.from({ length: 64 }, () => 2 ** 20));
    expect(Array.from({ length: 128 }, () => turns.next())).toEqual(Array.from({ length: 128 }, (_, turn) => turn % 64));
  });
});
