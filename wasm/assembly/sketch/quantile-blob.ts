// A quantile sketch as bytes: format · zero count · span · [lowest index, zigzag · counts of the span, runs of 0 as
// 0, length] · [min · max · sum · what the sum lost, f64 each] (the brackets only where there is something).
// Two bytes a bin where each holds fewer than 16,384 values: about 200 bytes for a second of latencies.
//
// Promise: reading back gives the same bytes again. A blob is judged whole before anything of it is added; what is
// accepted could have been written (spans, totals, min and max agree with the bins, the sum lies between them).

import {
  closeBlob,
  finishBlob,
  INCONSISTENT,
  isReadable,
  MALFORMED,
  openBlob,
  readF64,
  readPositive,
  readU32,
  refuse,
  startBlob,
  TOO_MANY,
  writeF64,
  writeGap,
  writeU64,
} from "./codec";
import {
  addSummary,
  addToBin,
  addToSum,
  addZeros,
  BIN_COUNT_MAX,
  binAt,
  INDEX_MAX,
  INDEX_MIN,
  indexOf,
  quantileCount,
  quantileHighest,
  quantileLowest,
  quantileMax,
  quantileMin,
  quantileSum,
  sumLost,
  VALUE_MAX,
  VALUE_MIN,
  zeroCountOf,
} from "./quantile";

const FORMAT: u32 = 0x11;

/** Writes the blob and returns its size: at most 53 + 5 × n bytes. */
export function quantileWrite(base: usize, into: usize, bytesMax: u32): u32 {
  const count = quantileCount(base);
  const zeroCount = zeroCountOf(base);
  startBlob(into, bytesMax, FORMAT);
  writeU64(zeroCount);
  if (count > zeroCount) writeBins(base);
  else writeU64(0);
  if (count > 0) {
    writeF64(quantileMin(base));
    writeF64(quantileMax(base));
    writeF64(quantileSum(base));
    writeF64(sumLost(base));
  }
  return finishBlob(into);
}

/** Adds what the blob holds: 0, or why it was refused with nothing changed. */
export function quantileRead(base: usize, from: usize, bytes: u32): u32 {
  const refusal = walk(base, from, bytes, false);
  return refusal === 0 ? walk(base, from, bytes, true) : refusal;
}

function writeBins(base: usize): void {
  const highest = quantileHighest(base);
  let lowest = quantileLowest(base);
  while (binAt(base, lowest) === 0) lowest++;
  writeU64(<u64>(highest - lowest + 1));
  const zigzag: u32 = (lowest << 1) ^ (lowest >> 31);
  writeU64(zigzag);
  let gap: u32 = 0;
  for (let index = lowest; index <= highest; index++) {
    const amount = binAt(base, index);
    if (amount === 0) {
      gap++;
      continue;
    }
    writeGap(gap);
    gap = 0;
    writeU64(amount);
  }
}

function walk(base: usize, from: usize, bytes: u32, isAdding: bool): u32 {
  openBlob(from, bytes, FORMAT);
  const zeroCount = readU32();
  const span = readU32();
  const zigzag = span > 0 ? readU32() : 0;
  const lowest = <i32>(zigzag >> 1) ^ -(<i32>(zigzag & 1));
  const highest = lowest + <i32>span - 1;
  if (span > BIN_COUNT_MAX || (span > 0 && (lowest < INDEX_MIN || lowest > INDEX_MAX || highest > INDEX_MAX))) refuse(MALFORMED);
  const total = <u64>zeroCount + walkBins(base, lowest, span, isAdding);
  if (isReadable() && total > 0) {
    const smallest = readPositive();
    const largest = readPositive();
    const sum = readPositive();
    const lost = readF64();
    if (isReadable() && !isConsistent(zeroCount, span, lowest, total, smallest, largest, sum, lost)) refuse(INCONSISTENT);
    if (total > <u64>(u32.MAX_VALUE - (isAdding ? 0 : quantileCount(base)))) refuse(TOO_MANY);
    if (isAdding) {
      addZeros(base, zeroCount);
      addSummary(base, smallest, largest);
      addToSum(base, sum);
      addToSum(base, lost);
    }
  }
  return closeBlob();
}

function walkBins(base: usize, lowest: i32, span: u32, isAdding: bool): u64 {
  let total: u64 = 0;
  let wasGap = true; // A span begins with a count, and a gap follows none.
  for (let i: u32 = 0; i < span && isReadable();) {
    const amount = readU32();
    if (amount > 0) {
      if (isAdding) addToBin(base, lowest + <i32>i, amount);
      total += amount;
      i++;
      wasGap = false;
      continue;
    }
    const gap = readU32();
    if (wasGap || gap === 0 || gap >= span - i) refuse(MALFORMED);
    i += gap;
    wasGap = true;
  }
  return total;
}

function isConsistent(zeroCount: u32, span: u32, lowest: i32, total: u64, smallest: f64, largest: f64, sum: f64, lost: f64): bool {
  if (smallest > largest || largest > VALUE_MAX || smallest < VALUE_MIN !== zeroCount > 0) return false;
  if (span === 0 ? largest >= VALUE_MIN : largest < VALUE_MIN || indexOf(largest) !== lowest + <i32>span - 1) return false;
  if (zeroCount === 0 && indexOf(smallest) > lowest) return false;
  const count = <f64>total;
  return sum >= smallest * count * 0.999999 && sum <= largest * count * 1.000001 && sum + lost === sum;
}
