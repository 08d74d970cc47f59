// A fine forecaster's state in an envelope; its settings are the hash of its step and horizons.
//
// Promise: reading back continues bit for bit; what is refused changes nothing; no accepted state reads or writes outside
// itself.
import { checkEnvelope, ENVELOPE_HEADER_BYTES, writeEnvelope } from "../envelope";
import { bytesOf, LAYOUT_BYTES } from "./horizon-layout";
import { BIN, HORIZON_COUNT, HORIZONS, SLOT_MS, WEEK_COUNT } from "./state";

const MAGIC: u32 = 0x46466754; // "TgFF"

/** Writes the blob and returns its size: 32 bytes more than the state's. */
export function fineWrite(state: usize, bytes: u32, into: usize, settings: u64): u32 {
  return writeEnvelope(MAGIC, state, bytes, into, settings);
}

/** Makes the state, which was made with the same settings, what the blob holds: 0, or why it was refused. */
export function fineRead(state: usize, bytes: u32, from: usize, blobBytes: u32, settings: u64): u32 {
  const refusal = checkEnvelope(MAGIC, bytes, from, blobBytes, settings);
  if (refusal === 0) take(state, from + ENVELOPE_HEADER_BYTES, bytes);
  return refusal;
}

// All but what says where the rest stands: that is the same already, or forged.
function take(state: usize, from: usize, bytes: u32): void {
  memory.copy(from, state, BIN);
  memory.copy(from + SLOT_MS, state + SLOT_MS, 8);
  memory.copy(from + HORIZON_COUNT, state + HORIZON_COUNT, 4);
  memory.copy(from + WEEK_COUNT, state + WEEK_COUNT, 8);
  let at = HORIZONS;
  for (let count = load<u32>(state, HORIZON_COUNT); count > 0; count--) {
    memory.copy(from + at, state + at, LAYOUT_BYTES);
    at += bytesOf(state + at);
  }
  memory.copy(state, from, bytes);
}
