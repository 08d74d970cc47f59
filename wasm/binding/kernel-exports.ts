// The raw exports, by family. Offsets are bytes from the start of the instance's memory; unsigned 64-bit results
// arrive signed. Nobody but a binding touches them; wasm/build/tidegate.d.ts has the compiler's own list.

/** An offset into the instance's memory, in bytes. */
export type Offset = number;

interface LayoutExports {
  readonly KEY_OFFSET: WebAssembly.Global;
  readonly KEY_BYTES_MAX: WebAssembly.Global;
  readonly ARENA_OFFSET: WebAssembly.Global;
}

interface HashExports {
  xxh64(offset: Offset, bytes: number, seed: bigint): bigint;
  xxh3(offset: Offset, bytes: number, seed: bigint): bigint;
}

interface RendezvousExports {
  rendezvousChoose(base: Offset, capacity: number, count: number, keyHash: bigint): number;
  rendezvousChooseKey(base: Offset, capacity: number, count: number, keyBytes: number): number;
  rendezvousChooseBounded(...table: [base: Offset, capacity: number, count: number, keyBytes: number, ratio256: number]): number;
  rendezvousTopK(...table: [base: Offset, capacity: number, count: number, keyBytes: number, k: number]): number;
}

interface MaglevExports {
  maglevBuild(base: Offset, capacity: number, count: number, tableSize: number): void;
  maglevChoose(base: Offset, capacity: number, tableSize: number, keyHash: bigint): number;
  maglevChooseKey(base: Offset, capacity: number, tableSize: number, keyBytes: number): number;
}

interface BalanceExports {
  leastConnectionsChoose(base: Offset, capacity: number, count: number, start: number): number;
  peakEwmaChoose(...table: [base: Offset, capacity: number, count: number, words: bigint, nowMs: number, decayMs: number]): number;
  peakEwmaEnd(...table: [base: Offset, capacity: number, index: number, latencyMs: number, nowMs: number, decayMs: number]): void;
  peakEwmaLoad(...table: [base: Offset, capacity: number, index: number, nowMs: number, decayMs: number]): number;
  peakEwmaStart(base: Offset, capacity: number, index: number): void;
  smoothRoundRobinNext(base: Offset, capacity: number, count: number): number;
}

export interface KernelExports extends LayoutExports, HashExports, RendezvousExports, MaglevExports, BalanceExports {}
