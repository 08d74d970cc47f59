// A fine forecaster's state in an envelope; its settings are the hash of its step and horizons.
//
// Promise: reading back continues bit for bit; what is refused changes nothing; no accepted state reads or writes outside
// itself: what says where things stand must be what it is here.
import { checkEnvelope, ENVELOPE_HEADER_BYTES, OTHER_SETTINGS, writeEnvelope } from "../envelope";
import { bytesOf, LAYOUT_BYTES } from "./horizon-layout";
import { DAY_COUNT, HORIZON_COUNT, HORIZONS, SLOT_MS, WEEK_COUNT } from "./state";

const MAGIC: u32 = 0x46466754; // "TgFF"

/** Writes the blob and returns its size: 32 bytes more than the state's. */
export function fineWrite(state: usize, bytes: u32, into: usize, settings: u64): u32 {
  return writeEnvelope(MAGIC, state, bytes, into, settings);
}

/** Makes the state, which was made with the same settings, what the blob holds: 0, or why it was refused. */
export function fineRead(state: usize, bytes: u32, from: usize, blobBytes: u32, settings: u64): u32 {
  const refusal = checkEnvelope(MAGIC, bytes, from, blobBytes, settings);
  if (refusal !== 0) return refusal;
  if (!isLaidOutAlike(state, from + ENVELOPE_HEADER_BYTES)) return OTHER_SETTINGS;
  memory.copy(state, from + ENVELOPE_HEADER_BYTES, bytes);
  return 0;
}

function isLaidOutAlike(state: usize, other: usize): bool {
  if (memory.compare(state, other, 8) !== 0 || memory.compare(state + SLOT_MS, other + SLOT_MS, 8) !== 0) return false;
  if (load<u32>(state, HORIZON_COUNT) !== load<u32>(other, HORIZON_COUNT)) return false;
  if (load<u32>(state, WEEK_COUNT) !== load<u32>(other, WEEK_COUNT)) return false;
  if (load<u32>(state, DAY_COUNT) !== load<u32>(other, DAY_COUNT)) return false;
  let at = HORIZONS;
  for (let count = load<u32>(state, HORIZON_COUNT); count > 0; count--) {
    if (memory.compare(state + at, other + at, LAYOUT_BYTES) !== 0) return false;
    at += bytesOf(state + at);
  }
  return true;
}
