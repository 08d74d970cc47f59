// A forecaster's state as bytes, little-endian: magic u32 · version u32 · settings u64 · length of the state u32 · 0 u32 · the state ·
// XXH64 of all before it. `settings` is a hash of what the state was made for: it means something under those only.
//
// Promise: a blob that is cut, foreign, of another version or other settings, or changed in any bit is refused. The
// checksum finds accidents, not forgers.
import { xxh64 } from "../hash/xxh64";

const VERSION: u32 = 2;
export const ENVELOPE_HEADER_BYTES: u32 = 24;
const SUM_BYTES: u32 = 8;

const TRUNCATED: u32 = 1;
const UNKNOWN_FORMAT: u32 = 2;
const OTHER_VERSION: u32 = 3;
const OTHER_SETTINGS: u32 = 4;
const CORRUPT: u32 = 5;

/** Writes the blob and returns its size: 32 bytes more than the state's. */
export function writeEnvelope(magic: u32, state: usize, bytes: u32, into: usize, settings: u64): u32 {
  store<u32>(into, magic);
  store<u32>(into, VERSION, 4);
  store<u64>(into, settings, 8);
  store<u32>(into, bytes, 16);
  store<u32>(into, 0, 20);
  memory.copy(into + ENVELOPE_HEADER_BYTES, state, bytes);
  store<u64>(into + ENVELOPE_HEADER_BYTES + bytes, xxh64(into, ENVELOPE_HEADER_BYTES + bytes, 0));
  return ENVELOPE_HEADER_BYTES + bytes + SUM_BYTES;
}

/** 0 where it holds `bytes` of such a state, or why not. */
export function checkEnvelope(magic: u32, bytes: u32, from: usize, blobBytes: u32, settings: u64): u32 {
  if (blobBytes < ENVELOPE_HEADER_BYTES + SUM_BYTES) return TRUNCATED;
  if (load<u32>(from) !== magic) return UNKNOWN_FORMAT;
  if (load<u32>(from, 4) !== VERSION) return OTHER_VERSION;
  if (load<u64>(from, 8) !== settings) return OTHER_SETTINGS;
  if (blobBytes < ENVELOPE_HEADER_BYTES + bytes + SUM_BYTES) return TRUNCATED;
  const isWhole = blobBytes === ENVELOPE_HEADER_BYTES + bytes + SUM_BYTES && load<u32>(from, 16) === bytes;
  if (!isWhole || load<u64>(from + ENVELOPE_HEADER_BYTES + bytes) !== xxh64(from, ENVELOPE_HEADER_BYTES + bytes, 0)) return CORRUPT;
  return 0;
}
