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

interface QuantileExports {
  quantileReset(base: Offset, binCount: number): void;
  quantileAdd(base: Offset, value: number): number;
  quantileMerge(base: Offset, other: Offset): number;
  quantileValue(base: Offset, q: number): number;
  quantileCount(base: Offset): number;
  quantileSum(base: Offset): number;
  quantileMin(base: Offset): number;
  quantileMax(base: Offset): number;
  quantileWrite(base: Offset, into: Offset, bytesMax: number): number;
  quantileRead(base: Offset, from: Offset, bytes: number): number;
}

interface CountMinExports {
  countMinReset(base: Offset, columnCount: number): void;
  countMinAdd(base: Offset, keyBytes: number, amount: number, isConservative: number): number;
  countMinEstimate(base: Offset, keyBytes: number): number;
  countMinTotal(base: Offset): number;
  countMinMerge(base: Offset, other: Offset): void;
  countMinWrite(base: Offset, into: Offset, bytesMax: number): number;
  countMinRead(base: Offset, from: Offset, bytes: number): number;
}

interface TopKExports {
  topKReset(base: Offset, capacity: number): void;
  topKAdd(base: Offset, keyBytes: number, amount: number): void;
  topKFloor(base: Offset): number;
  topKTotal(base: Offset): number;
  topKUsed(base: Offset): number;
  topKMerge(base: Offset, other: Offset): void;
  topKWrite(base: Offset, into: Offset, bytesMax: number): number;
  topKRead(base: Offset, from: Offset, bytes: number): number;
}

interface HyperLogLogExports {
  hllReset(base: Offset, precision: number): void;
  hllAdd(base: Offset, keyBytes: number): void;
  hllEstimate(base: Offset): number;
  hllMerge(base: Offset, other: Offset): void;
  hllWrite(base: Offset, into: Offset, bytesMax: number): number;
  hllRead(base: Offset, from: Offset, bytes: number): number;
}

interface GcraExports {
  gcraConfigure(base: Offset, tokens: number, periodMs: number, burst: number): void;
  gcraTake(base: Offset, cost: number, nowMs: number): number;
  gcraPeek(base: Offset, cost: number, nowMs: number): number;
  gcraCharge(base: Offset, cost: number, nowMs: number): void;
  gcraGiveBack(base: Offset, cost: number): void;
  gcraRemaining(base: Offset, nowMs: number): number;
}

interface AdaptiveLimitExports {
  gradientReset(base: Offset, least: number, most: number, initial: number, tolerance: number, epochMs: number): void;
  gradientObserve(base: Offset, nowMs: number, latencyMs: number, inFlight: number, isDropped: number): number;
  gradientLimit(base: Offset): number;
  gradientAnswersLeft(base: Offset): number;
  gradientBaseline(base: Offset): number;
  aimdReset(base: Offset, least: number, most: number, initial: number, backoffRatio: number, timeoutMs: number): void;
  aimdObserve(base: Offset, latencyMs: number, inFlight: number, isDropped: number): number;
  vegasReset(base: Offset, most: number, initial: number, alpha: number, beta: number): void;
  vegasObserve(base: Offset, latencyMs: number, inFlight: number, isDropped: number): number;
}

type LimitExports = GcraExports & AdaptiveLimitExports;

type SketchExports = QuantileExports & CountMinExports & TopKExports & HyperLogLogExports;

interface MaglevExports {
  maglevBuild(base: Offset, capacity: number, count: number, tableSize: number): void;
  maglevChoose(base: Offset, capacity: number, tableSize: number, keyHash: bigint): number;
  maglevChooseKey(base: Offset, capacity: number, tableSize: number, keyBytes: number): number;
}

interface BalanceExports {
  leastConnectionsChoose(base: Offset, capacity: number, count: number, start: number): number;
  peakEwmaChoose(
    ...table: [base: Offset, capacity: number, count: number, wordA: number, wordB: number, nowMs: number, decayMs: number]
  ): number;
  peakEwmaEnd(...table: [base: Offset, capacity: number, index: number, latencyMs: number, nowMs: number, decayMs: number]): void;
  peakEwmaLoad(...table: [base: Offset, capacity: number, index: number, nowMs: number, decayMs: number]): number;
  peakEwmaStart(base: Offset, capacity: number, index: number): void;
  smoothRoundRobinNext(base: Offset, capacity: number, count: number): number;
}

/** Handles and times are f64; answers below 0 are refusals (wasm/assembly/schedule/fair-queue/refusal.ts). */
export interface FairQueueExports {
  fairQueueBytes(itemCapacity: number, flowCapacity: number, classCapacity: number): number;
  fairQueueInit(base: Offset, itemCapacity: number, flowCapacity: number, classCapacity: number, ageStepMs: number): number;
  fairQueueSetClass(base: Offset, classIndex: number, weight: number): number;
  fairQueueOpenFlow(base: Offset, classIndex: number, weight: number, lengthMax: number): number;
  fairQueueSetFlowWeight(base: Offset, flowIndex: number, weight: number): number;
  fairQueueHold(base: Offset, flowIndex: number, isHeld: number): number;
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

type ScheduleExports = RendezvousExports & MaglevExports & BalanceExports & FairQueueExports;

/** Refusals of a blob are numbers above 0 (wasm/assembly/forecast/seasonal-blob.ts). */
interface SeasonalExports {
  seasonalBytes(table: Offset): number;
  seasonalScratchBytes(): number;
  seasonalInit(table: Offset, state: Offset): void;
  seasonalObserve(table: Offset, state: Offset, scratch: Offset, value: number): void;
  seasonalForecast(...call: [table: Offset, state: Offset, scratch: Offset, horizon: number, choice: number, ratio: number]): void;
  seasonalShares(table: Offset, state: Offset): Offset;
  seasonalSetShares(table: Offset, state: Offset, from: Offset): void;
  /** 0: nothing to tell yet. */
  seasonalClusterWeights(table: Offset, state: Offset, scratch: Offset): Offset;
  seasonalWrite(table: Offset, state: Offset, into: Offset, settings: bigint): number;
  seasonalRead(...call: [table: Offset, state: Offset, from: Offset, bytes: number, settings: bigint]): number;
}

/** Horizons are u32 steps, ascending, `count` of them at `steps` (wasm/assembly/forecast/fine/). */
interface FineExports {
  fineBytes(stepMs: number, steps: Offset, count: number): number;
  fineScratchBytes(): number;
  fineInit(state: Offset, stepMs: number, steps: Offset, count: number): void;
  fineObserve(state: Offset, scratch: Offset, value: number, timeMs: number): number;
  fineQuantiles(...call: [state: Offset, scratch: Offset, horizonMs: number, asked: Offset, count: number]): void;
  fineProfile(state: Offset, scratch: Offset, horizonMs: number): void;
  fineHorizon(state: Offset, index: number): Offset;
  fineSetOutlook(state: Offset, startMs: number, from: Offset, count: number): void;
  fineSetEvents(state: Offset, from: Offset, count: number): void;
  fineSetLocalTime(state: Offset, offsetMs: number, changeAtMs: number, offsetAfterMs: number): void;
  fineWrite(state: Offset, bytes: number, into: Offset, settings: bigint): number;
  fineRead(...call: [state: Offset, bytes: number, from: Offset, blobBytes: number, settings: bigint]): number;
}

type ForecastExports = SeasonalExports & FineExports;

export interface KernelExports extends LayoutExports, HashExports, ScheduleExports, SketchExports, LimitExports, ForecastExports {}
