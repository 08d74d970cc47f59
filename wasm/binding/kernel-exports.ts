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
}

interface RendezvousExports {
  rendezvousChoose(base: Offset, capacity: number, count: number, keyHash: bigint): number;
  rendezvousChooseKey(base: Offset, capacity: number, count: number, keyBytes: number): number;
}

/** Handles and times are f64; answers below 0 are refusals (wasm/assembly/schedule/fair-queue/refusal.ts). */
export interface FairQueueExports {
  fairQueueBytes(itemCapacity: number, flowCapacity: number, classCapacity: number): number;
  fairQueueInit(base: Offset, itemCapacity: number, flowCapacity: number, classCapacity: number, ageStepMs: number): number;
  fairQueueSetClass(base: Offset, classIndex: number, weight: number): number;
  fairQueueOpenFlow(base: Offset, classIndex: number, weight: number, lengthMax: number): number;
  fairQueueSetFlowWeight(base: Offset, flowIndex: number, weight: number): number;
  fairQueueCloseFlow(base: Offset, flowIndex: number): number;
  fairQueuePush(base: Offset, flowIndex: number, urgency: number, cost: number, arrivalMs: number, deadlineMs: number): number;
  fairQueuePop(base: Offset, nowMs: number): number;
  fairQueuePeek(base: Offset): number;
  fairQueueRemove(base: Offset, handle: number): number;
  fairQueueExpire(base: Offset, nowMs: number, countMax: number): number;
  fairQueueLength(base: Offset): number;
  fairQueueFlowLength(base: Offset, flowIndex: number): number;
  fairQueueClassLength(base: Offset, classIndex: number): number;
  fairQueueCostAhead(base: Offset, flowIndex: number): number;
}

export interface KernelExports extends LayoutExports, HashExports, RendezvousExports, FairQueueExports {}
