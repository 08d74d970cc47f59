// A top-k table as bytes: format · capacity · total · used · per entry: count · error · key bytes · key. A table keeps
// its order, so reading one into an empty table of its capacity gives the same bytes again.
//
// Promise: what is accepted could have been written: 0 < count ≥ error, no key twice, Σ count ≤ total.

import { xxh64 } from "../hash/xxh64";
import {
  closeBlob,
  finishBlob,
  INCONSISTENT,
  isReadable,
  MALFORMED,
  openBlob,
  OTHER_SHAPE,
  readBytes,
  readU32,
  readU64,
  refuse,
  startBlob,
  writeBytes,
  writeU64,
} from "./codec";
import {
  addTotal,
  append,
  bytesOf,
  countCell,
  errorCell,
  find,
  keyOf,
  put,
  TOP_K_KEY_BYTES_MAX,
  topKReset,
  topKUsed,
  totalOf,
} from "./top-k";

const FORMAT: u32 = 0x41;

/** Writes the blob and returns its size: at most 16 + 140 × m bytes. */
export function topKWrite(base: usize, into: usize, bytesMax: u32): u32 {
  const used = <i32>topKUsed(base);
  startBlob(into, bytesMax, FORMAT);
  writeU64(load<u32>(base));
  writeU64(totalOf(base));
  writeU64(used);
  for (let entry: i32 = 0; entry < used; entry++) {
    writeU64(load<u32>(countCell(base, entry)));
    writeU64(load<u32>(errorCell(base, entry)));
    writeU64(bytesOf(base, entry));
    writeBytes(keyOf(base, entry), bytesOf(base, entry));
  }
  return finishBlob(into);
}

/**
 * Replaces the table with what the blob holds, of the same capacity: 0, or why it was refused. A refusal leaves the
 * table empty: read into a table of its own, and merge that.
 */
export function topKRead(base: usize, from: usize, bytes: u32): u32 {
  const capacity = load<u32>(base);
  topKReset(base, capacity);
  openBlob(from, bytes, FORMAT);
  if (readU32() !== capacity) refuse(OTHER_SHAPE);
  const total = readU64();
  const used = readU32();
  if (used > capacity) refuse(MALFORMED);
  let sum: u64 = 0;
  for (let i: u32 = 0; isReadable() && i < used; i++) sum += readEntry(base);
  // Counts that stopped add up to more than was counted only where the total did not.
  if (sum > total) refuse(INCONSISTENT);
  addTotal(base, total);
  const refusal = closeBlob();
  if (refusal !== 0) topKReset(base, capacity);
  return refusal;
}

function readEntry(base: usize): u64 {
  const count = readU32();
  const error = readU32();
  const keyBytes = readU32();
  if (keyBytes > TOP_K_KEY_BYTES_MAX) refuse(MALFORMED);
  if (isReadable() && (count === 0 || error > count)) refuse(INCONSISTENT);
  if (!isReadable()) return 0;
  const entry = <i32>topKUsed(base);
  const key = keyOf(base, entry);
  readBytes(key, keyBytes);
  if (!isReadable()) return 0;
  const hash = xxh64(key, keyBytes, 0);
  if (find(base, hash, key, keyBytes) >= 0) refuse(INCONSISTENT);
  put(base, append(base), hash, key, keyBytes, count, error);
  return count;
}
