// Count-min sketch: how often each of many keys was seen, never too low.
//
// Memory picture, at a 16-aligned base, for w columns, w a power of two from 64 to 4,096 (16 + 16 × w bytes):
//   columns u32 · unused u32 · total u64 · counters u32[4][w]
//
// Mathematics. Row r takes its column from 16 bits of the key's XXH64 of its own, so the rows are independent. With N
// counted in all, a row is too high by N / w in expectation, by e × N / w with probability below 1/e (Markov), and
// all four at once with probability below e⁻⁴ = 1.8 %. Only the smallest counts.
//
// Promise: an estimate is never below the truth, and above it by more than e × N / w for fewer than 1.8 % of keys.
// Counters stop at 2³² - 1 (where they say "at least"), the total at 2⁶⁴ - 1. Conservative update raises a counter
// only to what the key's estimate needs: less error, the same promise, also after merging (cell by cell, a sum of two
// upper bounds), but no longer the same cells for any order.
// Source: G. Cormode, S. Muthukrishnan, "An improved data stream summary" (2005); C. Estan, G. Varghese (2002) for
// conservative update.

import { xxh64 } from "../hash/xxh64";
import { KEY_BYTES_MAX, KEY_OFFSET } from "../memory/layout";
import {
  closeBlob,
  finishBlob,
  INCONSISTENT,
  isReadable,
  MALFORMED,
  openBlob,
  OTHER_SHAPE,
  readU32,
  readU64,
  refuse,
  startBlob,
  writeGap,
  writeU64,
} from "./codec";

const ROW_COUNT: u32 = 4;
const COLUMN_COUNT_MIN: u32 = 64;
const COLUMN_COUNT_MAX: u32 = 4096;
const FORMAT: u32 = 0x21;
const TOTAL: usize = 8;
const COUNTERS: usize = 16;

export function countMinReset(base: usize, columnCount: u32): void {
  assert(
    (base & 15) === 0 && columnCount >= COLUMN_COUNT_MIN && columnCount <= COLUMN_COUNT_MAX && (columnCount & (columnCount - 1)) === 0,
  );
  memory.fill(base, 0, COUNTERS + ((<usize>(columnCount * ROW_COUNT)) << 2));
  store<u32>(base, columnCount);
}

/** Counts the key of `keyBytes` bytes at KEY_OFFSET, and returns its estimate. */
export function countMinAdd(base: usize, keyBytes: u32, amount: u32, isConservative: bool): u32 {
  const keyHash = hashOf(keyBytes);
  store<u64>(base, saturatingAdd64(load<u64>(base, TOTAL), amount), TOTAL);
  const wanted = saturatingAdd(estimateOf(base, keyHash), amount);
  for (let row: u32 = 0; row < ROW_COUNT; row++) {
    const cell = cellOf(base, row, keyHash);
    const before = load<u32>(cell, COUNTERS);
    store<u32>(cell, isConservative ? max(before, wanted) : saturatingAdd(before, amount), COUNTERS);
  }
  return wanted;
}

export function countMinEstimate(base: usize, keyBytes: u32): u32 {
  return estimateOf(base, hashOf(keyBytes));
}

export function countMinTotal(base: usize): f64 {
  return <f64>load<u64>(base, TOTAL);
}

/** Adds everything in `other`, which has as many columns. */
export function countMinMerge(base: usize, other: usize): void {
  const columnCount = load<u32>(base);
  assert(base !== other && columnCount === load<u32>(other));
  store<u64>(base, saturatingAdd64(load<u64>(base, TOTAL), load<u64>(other, TOTAL)), TOTAL);
  const bytes = (<usize>(columnCount * ROW_COUNT)) << 2;
  for (let at: usize = 0; at < bytes; at += 4) {
    store<u32>(base + at, saturatingAdd(load<u32>(base + at, COUNTERS), load<u32>(other + at, COUNTERS)), COUNTERS);
  }
}

/** Writes format · columns · total · counters (runs of 0 as 0, length) and returns the size: at most 16 + 20 × w bytes. */
export function countMinWrite(base: usize, into: usize, bytesMax: u32): u32 {
  const count = load<u32>(base) * ROW_COUNT;
  startBlob(into, bytesMax, FORMAT);
  writeU64(load<u32>(base));
  writeU64(load<u64>(base, TOTAL));
  let gap: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const counter = load<u32>(base + ((<usize>i) << 2), COUNTERS);
    if (counter === 0) {
      gap++;
      continue;
    }
    writeGap(gap);
    gap = 0;
    writeU64(counter);
  }
  writeGap(gap);
  return finishBlob(into);
}

/** Adds what the blob holds: 0, or why it was refused with nothing changed. */
export function countMinRead(base: usize, from: usize, bytes: u32): u32 {
  const refusal = walk(base, from, bytes, false);
  return refusal === 0 ? walk(base, from, bytes, true) : refusal;
}

function walk(base: usize, from: usize, bytes: u32, isAdding: bool): u32 {
  openBlob(from, bytes, FORMAT);
  const columnCount = readU32();
  if (columnCount !== load<u32>(base)) refuse(OTHER_SHAPE);
  const total = readU64();
  const count = columnCount * ROW_COUNT;
  let wasGap = false;
  for (let i: u32 = 0; isReadable() && i < count;) {
    const counter = readU32();
    if (counter > 0) {
      if (<u64>counter > total) refuse(INCONSISTENT);
      if (isAdding) raiseCell(base + ((<usize>i) << 2), counter);
      i++;
      wasGap = false;
      continue;
    }
    const gap = readU32();
    if (wasGap || gap === 0 || gap > count - i) refuse(MALFORMED);
    i += gap;
    wasGap = true;
  }
  if (isAdding) store<u64>(base, saturatingAdd64(load<u64>(base, TOTAL), total), TOTAL);
  return closeBlob();
}

function raiseCell(cell: usize, amount: u32): void {
  store<u32>(cell, saturatingAdd(load<u32>(cell, COUNTERS), amount), COUNTERS);
}

function hashOf(keyBytes: u32): u64 {
  assert(keyBytes <= KEY_BYTES_MAX);
  return xxh64(KEY_OFFSET, keyBytes, 0);
}

function estimateOf(base: usize, keyHash: u64): u32 {
  let estimate = u32.MAX_VALUE;
  for (let row: u32 = 0; row < ROW_COUNT; row++) estimate = min(estimate, load<u32>(cellOf(base, row, keyHash), COUNTERS));
  return estimate;
}

function cellOf(base: usize, row: u32, keyHash: u64): usize {
  const columnCount = load<u32>(base);
  const column = <u32>(keyHash >> (row << 4)) & (columnCount - 1);
  return base + ((<usize>(row * columnCount + column)) << 2);
}

function saturatingAdd(a: u32, b: u32): u32 {
  const sum = a + b;
  return sum < a ? u32.MAX_VALUE : sum;
}

function saturatingAdd64(a: u64, b: u64): u64 {
  const sum = a + b;
  return sum < a ? u64.MAX_VALUE : sum;
}
