// Reading and writing the sketches' blobs. One format byte (sketch in the upper four bits, version in the lower),
// then varints (LEB128, shortest form only) and little-endian f64. A count of 0 announces a run: 0, length.
//
// Promise: a reader never leaves the blob; the first thing wrong is the one that is reported, and reads after it give 0.
// The cursor is that of the call in progress; nothing of it outlives the call.

/** Why a blob was refused; the binding gives each number its name. 0: it was not. */
export const TRUNCATED: u32 = 1;
export const UNKNOWN_FORMAT: u32 = 2;
export const MALFORMED: u32 = 3;
export const INCONSISTENT: u32 = 4;
export const TOO_MANY: u32 = 5;
export const OTHER_SHAPE: u32 = 6;

let cursor: usize = 0;
let end: usize = 0;
let fault: u32 = 0;

export function openBlob(from: usize, bytes: u32, format: u32): void {
  cursor = from;
  end = from + bytes;
  fault = 0;
  const found = readByte();
  if (fault === 0 && found !== format) fault = UNKNOWN_FORMAT;
}

export function isReadable(): bool {
  return fault === 0;
}

export function refuse(reason: u32): void {
  if (fault === 0) fault = reason;
}

/** Ends reading: what was wrong, or 0. Bytes left over are wrong too. */
export function closeBlob(): u32 {
  if (cursor !== end) refuse(MALFORMED);
  return fault;
}

export function readByte(): u32 {
  if (fault !== 0) return 0;
  if (cursor >= end) {
    fault = TRUNCATED;
    return 0;
  }
  return load<u8>(cursor++);
}

export function readU64(): u64 {
  let value: u64 = 0;
  for (let shift: u32 = 0; shift < 64; shift += 7) {
    const byte = <u64>readByte();
    value |= (byte & 127) << shift;
    if (byte >= 128) continue;
    if ((byte === 0 && shift > 0) || (shift === 63 && byte > 1)) refuse(MALFORMED);
    return fault === 0 ? value : 0;
  }
  refuse(MALFORMED);
  return 0;
}

export function readU32(): u32 {
  const value = readU64();
  if (value <= <u64>u32.MAX_VALUE) return <u32>value;
  refuse(MALFORMED);
  return 0;
}

/** A finite number ≥ 0 that is not -0. */
export function readPositive(): f64 {
  const value = readF64();
  if (reinterpret<i64>(value) >= 0 && value <= f64.MAX_VALUE) return value;
  refuse(MALFORMED);
  return 0;
}

export function readF64(): f64 {
  if (fault !== 0) return 0;
  if (end - cursor < 8) {
    fault = TRUNCATED;
    return 0;
  }
  cursor += 8;
  return load<f64>(cursor - 8);
}

export function readBytes(into: usize, bytes: u32): void {
  if (fault !== 0) return;
  if (end - cursor < <usize>bytes) {
    fault = TRUNCATED;
    return;
  }
  memory.copy(into, cursor, bytes);
  cursor += bytes;
}

export function startBlob(into: usize, bytesMax: u32, format: u32): void {
  cursor = into;
  end = into + bytesMax;
  writeByte(format);
}

/** Ends writing: the blob's size, given where it began. */
export function finishBlob(into: usize): u32 {
  return <u32>(cursor - into);
}

export function writeByte(byte: u32): void {
  assert(cursor < end);
  store<u8>(cursor++, <u8>byte);
}

export function writeU64(value: u64): void {
  while (value >= 128) {
    writeByte((<u32>value & 127) | 128);
    value >>= 7;
  }
  writeByte(<u32>value);
}

export function writeF64(value: f64): void {
  assert(end - cursor >= 8);
  store<f64>(cursor, value);
  cursor += 8;
}

export function writeBytes(from: usize, bytes: u32): void {
  assert(end - cursor >= <usize>bytes);
  memory.copy(cursor, from, bytes);
  cursor += bytes;
}

/** The number of zeros, where there were any since the last count. */
export function writeGap(gap: u32): void {
  if (gap === 0) return;
  writeByte(0);
  writeU64(gap);
}
