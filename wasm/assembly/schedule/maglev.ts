// Maglev hashing with weights: a table of answers, for services with very many shards.
//
// Memory picture, at a 16-aligned base, for a capacity c that is a multiple of four, at most 4,096, and a prime table
// size s of at most 65,537 (24 × c + 2 × s bytes):
//   next round u32[c] · turns u32[c] · position u32[c] · skip u32[c] · weight u32[c] · shard u32[c] · entry u16[s]
// The host writes position (below s), skip (1 … s - 1), weight and shard, in an order of its own that does not
// depend on who else is there (the binding sorts by name). Building uses up position, next round and turns.
//
// Mathematics. Every shard prefers the entries position, position + skip, position + 2 skip … modulo s: all of them,
// as s is prime. In turn each takes its next preferred entry that is free; a shard of weight w has its turn in round
// r where r × w ≥ its target, which grows by the largest weight with each turn: t turns bring the next in round
// ⌈t × largest ÷ w⌉, and four shards' rounds are compared at once. So entries are shared as weights say, to one turn, and who goes leaves most of the others' entries alone. A lookup is one remainder and one load.
// Source: D. Eisenbud et al., "Maglev: a fast and reliable software network load balancer" (NSDI 2016), listing 1;
// the weights as in Envoy's maglev_lb.cc, here in integers.
//
// Promise: Envoy's own tables for its own inputs. Weight 0 has no entry; without any weight every entry is empty.
// Building ends: each round fills an entry at least, so there are s rounds of c shards at most.

import { hashOfKey } from "./rendezvous";

const SHARD_COUNT_MAX: u32 = 4096;
const TABLE_SIZE_MAX: u32 = 65537;
const EMPTY: u16 = 0xffff;

/** Fills the table from the first `count` shards. */
export function maglevBuild(base: usize, capacity: u32, count: u32, tableSize: u32): void {
  check(base, capacity, tableSize);
  assert(count <= capacity);
  const entries = base + 24 * <usize>capacity;
  memory.fill(entries, 0xff, (<usize>tableSize) << 1);
  const columnBytes = (<usize>capacity) << 2;
  const weights = base + (columnBytes << 2);
  let weightMax: u32 = 0;
  for (let index: u32 = 0; index < count; index++) weightMax = max(weightMax, load<u32>(weights + ((<usize>index) << 2)));
  // Everybody's first turn is round 1. Whoever has no weight, and every place beyond the last shard, never has one.
  memory.fill(base, 0xff, columnBytes);
  memory.fill(base + columnBytes, 0, columnBytes);
  for (let index: u32 = 0; index < count; index++) {
    const at = base + ((<usize>index) << 2);
    if (load<u32>(at + (columnBytes << 2)) > 0) store<u32>(at, 1);
  }
  if (weightMax === 0) return;
  let filled: u32 = 0;
  for (let round: u32 = 1; filled < tableSize; round++) {
    for (let four: u32 = 0; four < count && filled < tableSize; four += 4) {
      if (!v128.any_true(i32x4.le_u(v128.load(base + ((<usize>four) << 2)), i32x4.splat(round)))) continue;
      const last = min(four + 4, count);
      for (let index = four; index < last && filled < tableSize; index++) {
        filled += takeTurn(base, capacity, index, round, tableSize, weightMax);
      }
    }
  }
}

/** How many entries the shard takes in this round: 1, or 0 where it has no turn. */
function takeTurn(base: usize, capacity: u32, index: u32, round: u32, tableSize: u32, weightMax: u32): u32 {
  const columnBytes = (<usize>capacity) << 2;
  const at = base + ((<usize>index) << 2);
  if (load<u32>(at) > round) return 0;
  takeEntry(base, capacity, index, tableSize);
  const turns = load<u32>(at + columnBytes) + 1;
  store<u32>(at + columnBytes, turns);
  // At most s + largest ÷ w + 1: the turn before was within s rounds.
  const weight = <u64>load<u32>(at + (columnBytes << 2));
  store<u32>(at, <u32>((<u64>turns * <u64>weightMax + weight - 1) / weight));
  return 1;
}

/** The shard of a key of `keyBytes` bytes at KEY_OFFSET, or -1 where the table is empty. */
export function maglevChooseKey(base: usize, capacity: u32, tableSize: u32, keyBytes: u32): i32 {
  return maglevChoose(base, capacity, tableSize, hashOfKey(keyBytes));
}

export function maglevChoose(base: usize, capacity: u32, tableSize: u32, keyHash: u64): i32 {
  check(base, capacity, tableSize);
  const entry = load<u16>(base + 24 * <usize>capacity + ((<usize>(keyHash % <u64>tableSize)) << 1));
  return entry === EMPTY ? -1 : <i32>entry;
}

function takeEntry(base: usize, capacity: u32, index: u32, tableSize: u32): void {
  const positionAt = base + ((<usize>capacity) << 3) + ((<usize>index) << 2);
  const skip = load<u32>(positionAt + ((<usize>capacity) << 2));
  const shard = load<u32>(positionAt + 12 * <usize>capacity);
  const entries = base + 24 * <usize>capacity;
  let position = load<u32>(positionAt);
  assert(skip > 0 && skip < tableSize && position < tableSize && shard < SHARD_COUNT_MAX);
  for (let step: u32 = 0; step < tableSize; step++) {
    const at = entries + ((<usize>position) << 1);
    position += skip;
    if (position >= tableSize) position -= tableSize;
    if (load<u16>(at) !== EMPTY) continue;
    store<u16>(at, <u16>shard);
    break;
  }
  store<u32>(positionAt, position);
}

function check(base: usize, capacity: u32, tableSize: u32): void {
  assert((base & 15) === 0 && (capacity & 3) === 0 && capacity <= SHARD_COUNT_MAX && tableSize >= 2 && tableSize <= TABLE_SIZE_MAX);
}
