// What one flow did at this isolate since the last renewal, and what it will want until the next one.
import type { Outcome } from "#shared/errors/outcomes.ts";
import type { FlowBytes } from "#shared/lease/flow-bytes.ts";
import { SECOND_MS } from "#shared/units.ts";
import type { FlowLeft, Shed } from "#shared/protocol/pool-rpc.ts";
import { LATENCY_BUCKETS_MS, type FlowTelemetry } from "#shared/protocol/telemetry.ts";
import { FlowRate } from "./flow-rate.ts";
import type { RateLimitLine } from "./rate-limit-line.ts";
import { Spell } from "./spell.ts";

const NO_BUCKETS: readonly number[] = [...LATENCY_BUCKETS_MS, Infinity].map(() => 0);
const BUCKET_COUNT = NO_BUCKETS.length;
/** An answer that takes longer was waited for. */
const CALL_MS_MAX = 50;
/** How long a mean concurrency, and a peak, are remembered. */
const MEMORY_MS = 4 * SECOND_MS;
/** A flow that asked for nothing for so long wants nothing. */
const QUIET_MS_MAX = SECOND_MS;
/** Of a Poisson arrival's concurrency, what lies this many deviations above the mean is seldom needed. */
const HEADROOM_DEVIATIONS = 3;
/** What lies so many below the mean is nearly always used: the last of such slots for nine tenths of the time, where three are. */
const CONTENDED_DEVIATIONS = 2;

export class FlowMeter {
  /** Asked of the pool and not answered yet, by when; the oldest first. */
  readonly #asked = new Map<string, number>();
  /** The pool's word: others wait for this flow. */
  isQueued = false;
  /** The pool's word: newcomers of this urgency or a later one are refused for a while. */
  readonly #shed = new Spell();
  shedUrgencyFrom = 0;
  shedRetryAfterMs = 0;
  /** As many as may wait, where they do; null: the service's slots are what lacks. */
  shedQueueLength: number | null = null;
  shedMemoryBytes: number | undefined;
  running = 0;
  /** Where the flow has a rate. */
  readonly rate = new FlowRate();
  /** Where the flow has a bandwidth. */
  bytes: FlowBytes | null = null;
  /** What the pool had left of the flow's limits at the last renewal; undefined: it has none. */
  left: FlowLeft | undefined;
  line: RateLimitLine | undefined;
  /** The flow's service time is used up. */
  readonly blocked = new Spell();
  #peak = 0;
  #peakBefore = 0;
  #arrivals = 0;
  #busyMs = 0;
  /** Of reports that did not arrive: it counts for the cost, no longer for the demand. */
  #busyMsLost = 0;
  #arrivalsLost = 0;
  #mean = 0;
  /** Since when nothing came, at renewals. */
  #quietMs = 0;
  #buckets = NO_BUCKETS.slice();
  #sumMs = 0;
  #outcomes: Record<string, number> = {};
  #isReported = true;
  #isForgotten = false;

  get isIdle(): boolean {
    const isQuiet = (this.#isForgotten || this.#quietMs >= QUIET_MS_MAX) && this.bytes?.isIdle !== false;
    return isQuiet && this.running === 0 && this.#peak === 0 && this.#asked.size === 0 && this.#arrivals === 0 && this.#isReported;
  }

  ask(slotId: string, nowMs: number): void {
    this.#asked.set(slotId, nowMs);
  }

  answered(slotId: string): void {
    this.#asked.delete(slotId);
  }

  granted(slotId: string, waitedMs: number): void {
    this.#asked.delete(slotId);
    this.isQueued = waitedMs > CALL_MS_MAX;
  }

  /** The pool's word. */
  noteShed({ urgencyFrom, forMs, retryAfterMs, queueLengthMax, memoryBytesMax }: Shed, nowMs: number): void {
    this.#shed.begin(forMs, nowMs);
    this.shedUrgencyFrom = urgencyFrom;
    this.shedRetryAfterMs = retryAfterMs;
    this.shedQueueLength = queueLengthMax ?? null;
    this.shedMemoryBytes = memoryBytesMax;
  }

  /** Refuses a newcomer. */
  sheds(urgency: number, nowMs: number): boolean {
    return urgency >= this.shedUrgencyFrom && this.#shed.leftMs(nowMs) > 0;
  }

  /** Others wait for this flow, by the pool's word or because one of ours has waited longer than a call takes: whoever comes
   * now queues behind them. */
  isQueuedAt(nowMs: number): boolean {
    if (this.isQueued) return true;
    for (const askedAtMs of this.#asked.values()) return nowMs - askedAtMs > CALL_MS_MAX;
    return false;
  }

  arrive(): void {
    this.#isForgotten = false;
    this.#arrivals += 1;
    this.#isReported = false;
  }

  /** Counts for the demand alone: the request itself arrives later. */
  expect(): void {
    this.#isForgotten = false;
    this.#peak = Math.max(this.#peak, this.running + 1);
  }

  start(): void {
    this.running += 1;
    if (this.running > this.#peak) this.#peak = this.running;
  }

  /** It runs no longer, and has not ended. */
  leave(): void {
    this.running -= 1;
  }

  end(outcome: Outcome, { heldMs, latencyMs }: { heldMs: number; latencyMs: number | undefined }): void {
    this.running -= 1;
    this.#busyMs += heldMs;
    this.#isReported = false;
    this.#outcomes[outcome] = (this.#outcomes[outcome] ?? 0) + 1;
    if (latencyMs === undefined) return;
    let bucket = 0;
    while (bucket < BUCKET_COUNT - 1 && latencyMs > (LATENCY_BUCKETS_MS[bucket] ?? Infinity)) bucket += 1;
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1;
    this.#sumMs += latencyMs;
  }

  /** A refusal at the edge. */
  refuse(outcome: Outcome): void {
    this.#outcomes[outcome] = (this.#outcomes[outcome] ?? 0) + 1;
    this.#isReported = false;
  }

  /**
   * Slots that the flow will use until the next renewal, from the last `elapsedMs`: by Little's law rate × latency, and as
   * much above that as chance needs; never less than the most it used at once; and one, where there is room for it. Nothing for a flow that has been quiet for a
   * while: two renewals in a row say nothing of what comes next.
   */
  demand(elapsedMs: number, { isContended, isShort }: { isContended: boolean; isShort: boolean }): number {
    this.#quietMs = this.#arrivals === 0 && this.#peak === 0 ? this.#quietMs + elapsedMs : 0;
    if (this.#quietMs >= QUIET_MS_MAX || this.#isForgotten) {
      this.#mean = 0;
      this.#peakBefore = 0;
      return 0;
    }
    const memory = Math.exp(-elapsedMs / MEMORY_MS);
    const mean = this.#busyMs / Math.max(1, elapsedMs);
    this.#mean = mean + memory * (this.#mean - mean);
    this.#peakBefore = Math.max(this.#peak, memory * this.#peakBefore);
    // Where others wait, chance is served by the pool: what lies here unused is theirs.
    if (isContended) return Math.max(0, Math.floor(this.#mean - CONTENDED_DEVIATIONS * Math.sqrt(this.#mean)));
    const high = Math.max(mean, this.#mean);
    return Math.max(Math.ceil(this.#peakBefore), Math.ceil(high + HEADROOM_DEVIATIONS * Math.sqrt(high))) + (isShort ? 0 : 1);
  }

  /** The next demand is nothing, unless something comes before. */
  forgetDemand(): void {
    this.#isForgotten = true;
    this.rate.forgetDemand();
    this.bytes?.forgetDemand();
  }

  /** What was measured since the last time, handed over; null: nothing. */
  take(flow: string): FlowTelemetry | null {
    const arrivals = this.#arrivals + this.#arrivalsLost;
    const [outcomes, buckets, sumMs, busyMs] = [this.#outcomes, this.#buckets, this.#sumMs, this.#busyMs + this.#busyMsLost];
    this.#peak = this.running;
    this.#arrivals = 0;
    this.#busyMs = 0;
    const bytes = this.bytes?.takeCount() ?? 0;
    if (this.#isReported && bytes === 0) return null;
    this.#isReported = true;
    this.#busyMsLost = 0;
    this.#arrivalsLost = 0;
    this.#outcomes = {};
    this.#buckets = NO_BUCKETS.slice();
    this.#sumMs = 0;
    return { flow, arrivals, outcomes, buckets, sumMs, busyMs, ...(bytes > 0 && { bytes }) };
  }

  /** Puts back what did not arrive. */
  restore({ arrivals, outcomes, buckets, sumMs, busyMs, bytes = 0 }: FlowTelemetry): void {
    this.#isReported = false;
    this.bytes?.count(bytes);
    this.#busyMsLost += busyMs;
    this.#arrivalsLost += arrivals;
    for (const [outcome, count] of Object.entries(outcomes)) this.#outcomes[outcome] = (this.#outcomes[outcome] ?? 0) + count;
    for (const [index, count] of buckets.entries()) this.#buckets[index] = (this.#buckets[index] ?? 0) + count;
    this.#sumMs += sumMs;
  }
}
