// A seasonal forecaster's state in an envelope; its settings are the hash of the model's table.
//
// Promise: reading back continues bit for bit; what is refused changes nothing; no accepted state reads or writes outside
// itself.
import { checkEnvelope, ENVELOPE_HEADER_BYTES, writeEnvelope } from "./envelope";
import { open } from "./model";

const MAGIC: u32 = 0x46536754; // "TgSF"

/** Writes the blob and returns its size: 32 bytes more than the state's. */
export function seasonalWrite(table: usize, state: usize, into: usize, settings: u64): u32 {
  return writeEnvelope(MAGIC, state, open(table, state), into, settings);
}

/** Makes the state what the blob holds: 0, or why it was refused with nothing changed. */
export function seasonalRead(table: usize, state: usize, from: usize, blobBytes: u32, settings: u64): u32 {
  const bytes = open(table, state);
  const refusal = checkEnvelope(MAGIC, bytes, from, blobBytes, settings);
  if (refusal === 0) memory.copy(state, from + ENVELOPE_HEADER_BYTES, bytes);
  return refusal;
}
