// The most frequent keys of a stream (Space-Saving), with their names.
//
// Memory picture, at a 16-aligned base, for m entries, m from 4 to 256 (16 + 148 × m bytes, rounded up to 16):
//   capacity u32 · used u32 · total u64 · hash u64[m] · count u32[m] · error u32[m] · key bytes u32[m] · key u8[m][128]
// Used entries come first, in no order.
//
// Mathematics. A key that has no entry takes the one with the smallest count c, and may have been seen up to c times
// before: count c + amount, error c. Merging adds c of the other table to what only one of them has, where the other
// is full. Both keep Σ count ≤ N: an add raises both alike; in a merge, with r entries in both, p and q kept of one
// only, the m - r - p not kept of the first are at least its c each, and p, q change places in the second. So the
// smallest count is at most N / m, always.
//
// Promise: count - error ≤ truth ≤ count; error ≤ N / m; a key seen more than N / m times has an entry; a key
// without one was seen at most N / m times. It holds after any adds and merges. Counts stop at 2³² - 1 ("at least").
// Keys are told apart by their bytes, not their hash, so nobody can be counted as another.
// Source: A. Metwally, D. Agrawal, A. El Abbadi, "Efficient computation of frequent and top-k elements" (2005);
// M. Cafaro, M. Pulimeno, P. Tempesta (2016) for the merge. Ties: the first entry.

import { xxh64 } from "../hash/xxh64";
import { KEY_OFFSET } from "../memory/layout";

export const TOP_K_KEY_BYTES_MAX: u32 = 128;
export const CAPACITY_MIN: u32 = 4;
export const CAPACITY_MAX: u32 = 256;
/** Marks an entry of `other` that both tables have, while a merge runs. */
const MATCHED: u32 = 0x80000000;

const USED: usize = 4;
const TOTAL: usize = 8;
const HASHES: usize = 16;

export function topKReset(base: usize, capacity: u32): void {
  assert((base & 15) === 0 && capacity >= CAPACITY_MIN && capacity <= CAPACITY_MAX);
  memory.fill(base, 0, HASHES + 148 * <usize>capacity);
  store<u32>(base, capacity);
}

/** Counts the key of `keyBytes` bytes at KEY_OFFSET `amount` times. */
export function topKAdd(base: usize, keyBytes: u32, amount: u32): void {
  assert(keyBytes <= TOP_K_KEY_BYTES_MAX);
  addTotal(base, amount);
  const hash = xxh64(KEY_OFFSET, keyBytes, 0);
  let entry = find(base, hash, KEY_OFFSET, keyBytes);
  if (entry >= 0) {
    const cell = countCell(base, entry);
    store<u32>(cell, saturatingAdd(load<u32>(cell), amount));
    return;
  }
  const floorCount = topKFloor(base);
  entry = load<u32>(base, USED) < load<u32>(base) ? append(base) : smallest(base);
  put(base, entry, hash, KEY_OFFSET, keyBytes, saturatingAdd(floorCount, amount), floorCount);
}

/** The most that a key without an entry can have been seen. */
export function topKFloor(base: usize): u32 {
  return load<u32>(base, USED) < load<u32>(base) ? 0 : load<u32>(countCell(base, smallest(base)));
}

export function topKTotal(base: usize): f64 {
  return <f64>load<u64>(base, TOTAL);
}

export function topKUsed(base: usize): u32 {
  return load<u32>(base, USED);
}

/** Adds everything in `other`, of the same capacity. Without an entry here or there it could have been seen as often as both floors. */
export function topKMerge(base: usize, other: usize): void {
  assert(base !== other && load<u32>(base) === load<u32>(other));
  const floorHere = topKFloor(base);
  const floorThere = topKFloor(other);
  const used = load<i32>(base, USED);
  const otherUsed = load<i32>(other, USED);
  store<u64>(base, saturatingAdd64(load<u64>(base, TOTAL), load<u64>(other, TOTAL)), TOTAL);
  for (let entry: i32 = 0; entry < used; entry++) {
    const same = find(other, hashOf(base, entry), keyOf(base, entry), bytesOf(base, entry));
    const count = same >= 0 ? load<u32>(countCell(other, same)) : floorThere;
    const error = same >= 0 ? load<u32>(errorCell(other, same)) : floorThere;
    if (same >= 0) store<u32>(bytesCell(other, same), load<u32>(bytesCell(other, same)) | MATCHED);
    store<u32>(countCell(base, entry), saturatingAdd(load<u32>(countCell(base, entry)), count));
    store<u32>(errorCell(base, entry), saturatingAdd(load<u32>(errorCell(base, entry)), error));
  }
  for (let entry: i32 = 0; entry < otherUsed; entry++) {
    const bytes = load<u32>(bytesCell(other, entry));
    store<u32>(bytesCell(other, entry), bytes & ~MATCHED);
    if ((bytes & MATCHED) !== 0) continue;
    const count = saturatingAdd(load<u32>(countCell(other, entry)), floorHere);
    const error = saturatingAdd(load<u32>(errorCell(other, entry)), floorHere);
    offer(base, hashOf(other, entry), keyOf(other, entry), bytes, count, error);
  }
}

// The rest is the family's own: top-k-blob.ts reads and writes through it.

/** Takes a key that has no entry where there is room, or where it was seen more often than another. */
function offer(base: usize, hash: u64, key: usize, keyBytes: u32, count: u32, error: u32): void {
  const isFull = load<u32>(base, USED) === load<u32>(base);
  const entry = isFull ? smallest(base) : append(base);
  if (!isFull || count > load<u32>(countCell(base, entry))) put(base, entry, hash, key, keyBytes, count, error);
}

export function put(base: usize, entry: i32, hash: u64, key: usize, keyBytes: u32, count: u32, error: u32): void {
  store<u64>(base + ((<usize>entry) << 3), hash, HASHES);
  store<u32>(countCell(base, entry), count);
  store<u32>(errorCell(base, entry), error);
  store<u32>(bytesCell(base, entry), keyBytes);
  memory.copy(keyOf(base, entry), key, keyBytes);
}

export function append(base: usize): i32 {
  const entry = load<i32>(base, USED);
  store<i32>(base, entry + 1, USED);
  return entry;
}

export function addTotal(base: usize, amount: u64): void {
  store<u64>(base, saturatingAdd64(load<u64>(base, TOTAL), amount), TOTAL);
}

export function totalOf(base: usize): u64 {
  return load<u64>(base, TOTAL);
}

export function find(base: usize, hash: u64, key: usize, keyBytes: u32): i32 {
  const used = load<i32>(base, USED);
  for (let entry: i32 = 0; entry < used; entry++) {
    if (hashOf(base, entry) !== hash || bytesOf(base, entry) !== keyBytes) continue;
    if (memory.compare(keyOf(base, entry), key, keyBytes) === 0) return entry;
  }
  return -1;
}

function smallest(base: usize): i32 {
  const used = load<i32>(base, USED);
  let best: i32 = 0;
  for (let entry: i32 = 1; entry < used; entry++) {
    if (load<u32>(countCell(base, entry)) < load<u32>(countCell(base, best))) best = entry;
  }
  return best;
}

function hashOf(base: usize, entry: i32): u64 {
  return load<u64>(base + ((<usize>entry) << 3), HASHES);
}

export function countCell(base: usize, entry: i32): usize {
  return base + HASHES + ((<usize>load<u32>(base)) << 3) + ((<usize>entry) << 2);
}

export function errorCell(base: usize, entry: i32): usize {
  return base + HASHES + 12 * <usize>load<u32>(base) + ((<usize>entry) << 2);
}

function bytesCell(base: usize, entry: i32): usize {
  return base + HASHES + ((<usize>load<u32>(base)) << 4) + ((<usize>entry) << 2);
}

export function bytesOf(base: usize, entry: i32): u32 {
  return load<u32>(bytesCell(base, entry)) & ~MATCHED;
}

export function keyOf(base: usize, entry: i32): usize {
  return base + HASHES + 20 * <usize>load<u32>(base) + ((<usize>entry) << 7);
}

function saturatingAdd(a: u32, b: u32): u32 {
  const sum = a + b;
  return sum < a ? u32.MAX_VALUE : sum;
}

function saturatingAdd64(a: u64, b: u64): u64 {
  const sum = a + b;
  return sum < a ? u64.MAX_VALUE : sum;
}
