// Hostile arguments through the bindings: nothing traps, nothing is written outside the table, kernel and twin agree.
import { describe, expect, it } from "vitest";
import { xxh3, xxh64 } from "#wasm/binding/hash.ts";
import { LeastConnections } from "#wasm/binding/least-connections.ts";
import { PeakEwma } from "#wasm/binding/peak-ewma.ts";
import { ShardTable } from "#wasm/binding/shard-table.ts";
import { SmoothRoundRobin } from "#wasm/binding/smooth-round-robin.ts";
import {
  leastConnectionsReference,
  peakEwmaChooseReference,
  peakEwmaEndReference,
  peakEwmaLoadReference,
  smoothRoundRobinReference,
} from "#wasm/reference/balance.ts";
import { rendezvousBoundedReference, rendezvousReference, rendezvousTopKReference } from "#wasm/reference/rendezvous.ts";
import { xxh3Reference } from "#wasm/reference/xxh3.ts";
import { kernels } from "../support/kernels.ts";
import { HOSTILE, guarded, isAccepted } from "./hostile.ts";

const SEED = 20261121;
/** Mulberry32. */
function randomWords(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let word = Math.imul(state ^ (state >>> 15), state | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return (word ^ (word >>> 14)) >>> 0;
  };
}

const next = randomWords(SEED);
const below = (count: number): number => next() % count;
const hostile = (): number => HOSTILE[below(HOSTILE.length)] ?? 0;
/** Half the time a value that serves, so that states are reached at all. */
const number = (useful: number): number => (below(2) === 0 ? useful : hostile());

/** Counted where they happen. */
let ran = 0;

describe(`with hostile arguments, seed ${SEED}`, () => {
  it("a shard table neither traps nor leaves its place, and chooses as its twin: 20,000 runs", () => {
    const { table, subject, areGuardsWhole } = guarded((instance) => new ShardTable(instance, 9));
    const shards = Array.from({ length: 9 }, (_, index) => ({ seed: xxh64(subject, `shard-${index}`), weight: 1, load: 0 }));
    table.replace(shards.map(({ weight }, index) => ({ shardId: `shard-${index}`, weight })));
    for (let run = 0; run < 20_000; run += 1) {
      ran += 1;
      const shard = shards[below(9)] ?? expect.unreachable();
      const index = shards.indexOf(shard);
      const [weight, load] = [number(below(50)), number(below(20))];
      if (isAccepted(() => table.setWeight(index, weight))) shard.weight = Math.abs(weight);
      if (isAccepted(() => table.setLoad(index, load))) shard.load = Math.abs(load);
      const key = String.fromCharCode(...Array.from({ length: below(30) }, () => below(0x1_0000)));
      const hash = xxh64(subject, key);
      const [ratio, k] = [number(1 + below(100) / 50), number(1 + below(16))];
      let bounded = -2;
      let picks: number[] = [];
      if (isAccepted(() => (bounded = table.chooseBounded(key, ratio))))
        expect(bounded).toBe(rendezvousBoundedReference(hash, shards, Math.min(Math.ceil(ratio * 256), 0xffff_ffff)));
      if (isAccepted(() => (picks = table.topK(key, k)))) expect(picks).toEqual(rendezvousTopKReference(hash, shards, k));
      expect(table.choose(key)).toBe(rendezvousReference(hash, shards));
    }
    expect(areGuardsWhole()).toBe(true);
  });

  it("peak EWMA neither traps nor leaves its place, and is its twin: 40,000 runs", () => {
    const { table, areGuardsWhole } = guarded((instance) => new PeakEwma(instance, 5, 1_000));
    const shards = Array.from({ length: 5 }, () => ({ costMs: 0, stampMs: 0, outstanding: 0, isOpen: true }));
    table.reset(5);
    let time = 0;
    for (let run = 0; run < 40_000; run += 1) {
      ran += 1;
      time += below(500);
      // Times of 1e300 would make everything after them the past.
      const nowMs = run % 16 === 0 ? -Math.abs(hostile()) : time;
      const moment = { nowMs, decayMs: 1_000 };
      const index = number(below(5));
      const [latencyMs, words, isOpen] = [number(below(1_000) / 10), [number(next()), next()] as const, below(3) > 0];
      const shard = shards[index] ?? shards[0] ?? expect.unreachable();
      if (isAccepted(() => table.setOpen(index, isOpen))) shard.isOpen = isOpen;
      if (below(2) === 0 && isAccepted(() => table.start(index))) shard.outstanding += 1;
      if (below(2) === 0 && isAccepted(() => table.end(index, latencyMs, nowMs))) peakEwmaEndReference(shard, latencyMs, moment);
      let [chosen, load] = [-2, -1];
      if (isAccepted(() => (chosen = table.choose(words, nowMs)))) expect(chosen).toBe(peakEwmaChooseReference(shards, words, moment));
      if (isAccepted(() => (load = table.load(index, nowMs)))) expect(load).toBe(peakEwmaLoadReference(shard, moment));
    }
    expect(areGuardsWhole()).toBe(true);
  });

  it("least connections and round robin neither trap nor leave their places, and are their twins: 40,000 runs", () => {
    const { table, areGuardsWhole } = guarded((instance) => ({
      least: new LeastConnections(instance, 7),
      turns: new SmoothRoundRobin(instance, 7),
    }));
    const shards = Array.from({ length: 7 }, () => ({ weight: 0, active: 0, credit: 0 }));
    const rounds = Array.from({ length: 7 }, () => ({ weight: 0, active: 0, credit: 0 }));
    const { least, turns } = table;
    least.replace(shards.map(({ weight }) => weight));
    turns.replace(rounds.map(({ weight }) => weight));
    for (let run = 0; run < 40_000; run += 1) {
      ran += 1;
      const index = number(below(7));
      const [weight, active, start] = [number(below(9)), number(below(9)), number(next())];
      const [shard, round] = [shards[index], rounds[index]];
      if (isAccepted(() => least.setWeight(index, weight)) && shard !== undefined) shard.weight = Math.abs(weight);
      if (isAccepted(() => least.setActive(index, active)) && shard !== undefined) shard.active = Math.abs(active);
      if (isAccepted(() => turns.setWeight(index, weight)) && round !== undefined) round.weight = Math.abs(weight);
      let chosen = -2;
      if (isAccepted(() => (chosen = least.choose(start)))) expect(chosen).toBe(leastConnectionsReference(shards, start));
      expect(turns.next()).toBe(smoothRoundRobinReference(rounds));
    }
    expect(areGuardsWhole()).toBe(true);
  });

  it("XXH3 takes any text and any seed: 5,000 runs", () => {
    const subject = kernels();
    const encoder = new TextEncoder();
    for (let run = 0; run < 5_000; run += 1) {
      ran += 1;
      const text = String.fromCharCode(...Array.from({ length: below(run % 50 === 0 ? 900 : 60) }, () => below(0x1_0000)));
      const seed = (BigInt(next()) << 40n) - BigInt(next());
      expect(xxh3(subject, text, seed)).toBe(xxh3Reference(encoder.encode(text), BigInt.asUintN(64, seed)));
    }
  });

  it("has been through 100,000 runs at least", () => {
    expect(ran).toBeGreaterThanOrEqual(100_000);
  });
});
