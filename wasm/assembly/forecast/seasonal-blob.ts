// A forecaster's state as bytes, little-endian: magic u32 · version u32 · settings u64 · length of the state u32 · 0 u32 · the state ·
// XXH64 of all before it. `settings` is the hash of the model's table: a state means something under its own model only.
//
// Promise: reading back continues bit for bit. A blob that is cut, foreign, of another version or model, or changed in any
// bit is refused and changes nothing. The checksum finds accidents, not forgers; yet no accepted state reads or writes
// outside itself.
import { xxh64 } from "../hash/xxh64";
import { open } from "./model";

const MAGIC: u32 = 0x46536754; // "TgSF"
const VERSION: u32 = 1;
const HEADER_BYTES: u32 = 24;
const SUM_BYTES: u32 = 8;

const TRUNCATED: u32 = 1;
const UNKNOWN_FORMAT: u32 = 2;
const OTHER_VERSION: u32 = 3;
const OTHER_MODEL: u32 = 4;
const CORRUPT: u32 = 5;

/** Writes the blob and returns its size: 32 bytes more than the state's. */
export function seasonalWrite(table: usize, state: usize, into: usize, settings: u64): u32 {
  const bytes = open(table, state);
  store<u32>(into, MAGIC);
  store<u32>(into, VERSION, 4);
  store<u64>(into, settings, 8);
  store<u32>(into, bytes, 16);
  store<u32>(into, 0, 20);
  memory.copy(into + HEADER_BYTES, state, bytes);
  store<u64>(into + HEADER_BYTES + bytes, xxh64(into, HEADER_BYTES + bytes, 0));
  return HEADER_BYTES + bytes + SUM_BYTES;
}

/** Makes the state what the blob holds: 0, or why it was refused with nothing changed. */
export function seasonalRead(table: usize, state: usize, from: usize, blobBytes: u32, settings: u64): u32 {
  const bytes = open(table, state);
  if (blobBytes < HEADER_BYTES + SUM_BYTES) return TRUNCATED;
  if (load<u32>(from) !== MAGIC) return UNKNOWN_FORMAT;
  if (load<u32>(from, 4) !== VERSION) return OTHER_VERSION;
  if (load<u64>(from, 8) !== settings) return OTHER_MODEL;
  if (blobBytes < HEADER_BYTES + bytes + SUM_BYTES) return TRUNCATED;
  const isWhole = blobBytes === HEADER_BYTES + bytes + SUM_BYTES && load<u32>(from, 16) === bytes;
  if (!isWhole || load<u64>(from + HEADER_BYTES + bytes) !== xxh64(from, HEADER_BYTES + bytes, 0)) return CORRUPT;
  memory.copy(state, from + HEADER_BYTES, bytes);
  return 0;
}
