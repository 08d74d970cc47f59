// A distinct count as bytes, in the smaller of two forms: format · precision · form ·
//   0, sparse: used registers · per register: distance from the last · rank
//   1, dense:  smallest rank · nibbles, rank - smallest, at most 15 · the ranks of the registers whose nibble is 15
// 2^p / 2 bytes and a few where registers are full: 515 for p = 10. Six bits a register were 768.
//
// Promise: reading back gives the same bytes again, merging a blob what merging its sketch gives.

import {
  closeBlob,
  finishBlob,
  isReadable,
  MALFORMED,
  openBlob,
  OTHER_SHAPE,
  readByte,
  readU32,
  refuse,
  startBlob,
  writeByte,
  writeU64,
} from "./codec";
import { histogramAt, hllRankMax, raiseRegister, rankAt, registerCount } from "./hyper-log-log";

const FORMAT: u32 = 0x31;
const SPARSE: u32 = 0;
const DENSE: u32 = 1;
const NIBBLE_MAX: u32 = 15;

/** Writes the blob and returns its size: at most 8 + 1.5 × 2^p bytes. */
export function hllWrite(base: usize, into: usize, bytesMax: u32): u32 {
  const count = registerCount(base);
  const used = count - histogramAt(base, 0);
  startBlob(into, bytesMax, FORMAT);
  writeByte(load<u32>(base));
  // A sparse register takes two bytes, rarely three; a dense one half a byte.
  if (used * 4 <= count) writeSparse(base, count, used);
  else writeDense(base, count);
  return finishBlob(into);
}

/** Adds what the blob holds: 0, or why it was refused with nothing changed. */
export function hllRead(base: usize, from: usize, bytes: u32): u32 {
  const refusal = walk(base, from, bytes, false);
  return refusal === 0 ? walk(base, from, bytes, true) : refusal;
}

function writeSparse(base: usize, count: u32, used: u32): void {
  writeByte(SPARSE);
  writeU64(used);
  let next: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const rank = rankAt(base, i);
    if (rank === 0) continue;
    writeU64(i - next);
    writeByte(rank);
    next = i + 1;
  }
}

function writeDense(base: usize, count: u32): void {
  let smallest: u32 = 0;
  while (histogramAt(base, smallest) === 0) smallest++;
  writeByte(DENSE);
  writeByte(smallest);
  for (let i: u32 = 0; i < count; i += 2) {
    writeByte(min(rankAt(base, i) - smallest, NIBBLE_MAX) | (min(rankAt(base, i + 1) - smallest, NIBBLE_MAX) << 4));
  }
  for (let i: u32 = 0; i < count; i++) {
    const rank = rankAt(base, i);
    if (rank - smallest >= NIBBLE_MAX) writeByte(rank);
  }
}

function walk(base: usize, from: usize, bytes: u32, isAdding: bool): u32 {
  openBlob(from, bytes, FORMAT);
  if (readByte() !== load<u32>(base)) refuse(OTHER_SHAPE);
  const form = readByte();
  if (form === SPARSE) walkSparse(base, isAdding);
  else if (form === DENSE) walkDense(base, from + 4, bytes, isAdding);
  else refuse(MALFORMED);
  return closeBlob();
}

function walkSparse(base: usize, isAdding: bool): void {
  const count = registerCount(base);
  const used = readU32();
  if (used > count) refuse(MALFORMED);
  let next: u32 = 0;
  for (let i: u32 = 0; isReadable() && i < used; i++) {
    const distance = readU32();
    const rank = readByte();
    if (distance >= count - next || rank === 0 || rank > hllRankMax(base)) refuse(MALFORMED);
    if (!isReadable()) return;
    if (isAdding) raiseRegister(base, next + distance, rank);
    next += distance + 1;
  }
}

// The nibbles are read again for the ranks that did not fit them, so they are addressed, not streamed.
function walkDense(base: usize, nibbles: usize, bytes: u32, isAdding: bool): void {
  const count = registerCount(base);
  const smallest = readByte();
  if (smallest > hllRankMax(base)) refuse(MALFORMED);
  for (let i: u32 = 0; i < count; i += 2) readByte();
  if (!isReadable()) return;
  assert(bytes >= 4 + (count >> 1));
  for (let i: u32 = 0; isReadable() && i < count; i++) {
    const nibble = (<u32>load<u8>(nibbles + (i >> 1)) >> ((i & 1) << 2)) & NIBBLE_MAX;
    const rank = nibble === NIBBLE_MAX ? readByte() : smallest + nibble;
    if (rank < smallest + nibble || rank > hllRankMax(base)) refuse(MALFORMED);
    if (isAdding) raiseRegister(base, i, rank);
  }
}
