// A service's demand in bins of ten seconds, from what holders report and what the ledger has out. Pure.
import { SECOND_MS } from "#shared/units.ts";
import { PLAN_STEP_MS } from "./plan/settings.ts";

export const BIN_MS = PLAN_STEP_MS;
/** A report speaks of the time since its holder's last one, at most so long; a bin stays open so much longer than it lasts. */
export const REPORT_MS_MAX = 5 * SECOND_MS;
const HOLDER_COUNT_MAX = 4_096;
/** Bins that are open, or wait to be taken; the oldest are forgotten first. */
const BIN_COUNT_MAX = 60;
/** A level that nobody has confirmed for longer says nothing. */
const LEVEL_MS_MAX = 60 * SECOND_MS;
/** A bin of which less is known is missing. */
const COVERED_MS_MIN = 0.9 * BIN_MS;
/** Before any request has ended; it weighs as much as one. */
const HOLD_MS_PRIOR = SECOND_MS;
/** What a bin says of the mean hold counts ten minutes later by 1 ÷ e. */
const HOLD_DECAY = Math.exp(-BIN_MS / (600 * SECOND_MS));

export interface DemandReport {
  readonly arrivals: number;
  /** Time that the requests that ended held slots, in all. */
  readonly busyMs: number;
  readonly endedCount: number;
  /** Refused for want of capacity. */
  readonly refusedCount: number;
}

/** What is out now, and what would be. */
export interface DemandLevel {
  /** Requests that hold a slot, as their holders last said. */
  readonly requests: number;
  readonly sockets: number;
  /** Requests that wait for want of slots; none if not given. */
  readonly waiting?: number;
}

export interface DemandBin {
  readonly endMs: number;
  readonly arrivalsPerSecond: number;
  /** Mean slots wanted: served and unserved. */
  readonly slots: number;
}

interface OpenBin {
  arrivals: number;
  busyMs: number;
  endedCount: number;
  /** Refused, and by how many more wait than before: who leaves the queue, served or refused, is counted as what became of it. */
  refusedCount: number;
  /** Integrals over time. */
  requestsMs: number;
  socketsMs: number;
  coveredMs: number;
}

/**
 * Concurrency is measured twice. What requests held until they ended is exact in the mean (Little's law), but late for long
 * ones; what holders say that runs is current, but they say it when a request comes, so that one is always running. A bin
 * takes the first where requests are shorter than itself, and the second the longer they are.
 */
export class DemandMeter {
  readonly #bins = new Map<number, OpenBin>();
  readonly #reportedMs = new Map<string, number>();
  readonly #reportMsMax: number;
  readonly #levelMsMax: number;
  #next: number;
  #level: DemandLevel = { requests: 0, sockets: 0 };
  #levelMs: number;
  #held = { busyMs: 0, requestsMs: 0, count: 0 };
  readonly #holdMsPrior: number;
  /** Refused requests that would still run. */
  #unserved = 0;

  /**
   * `isIdleBefore`: nothing came or ran in the bin before `nowMs`; else that bin is missing. `speed`: of this meter's time, ÷ that of
   * holders, which go on reporting as often.
   */
  constructor(nowMs: number, isIdleBefore: boolean, speed = 1) {
    this.#reportMsMax = speed * REPORT_MS_MAX;
    this.#levelMsMax = speed * LEVEL_MS_MAX;
    this.#holdMsPrior = speed * HOLD_MS_PRIOR;
    this.#next = Math.floor(nowMs / BIN_MS);
    this.#levelMs = isIdleBefore ? this.#next * BIN_MS : nowMs;
  }

  /** When the next bin can be taken. */
  get closesAtMs(): number {
    return (this.#next + 1) * BIN_MS + this.#reportMsMax;
  }

  report(holder: string, { arrivals, busyMs, endedCount, refusedCount }: DemandReport, nowMs: number): void {
    const fromMs = Math.max(this.#reportedMs.get(holder) ?? nowMs, nowMs - this.#reportMsMax);
    this.#reportedMs.delete(holder);
    this.#reportedMs.set(holder, nowMs);
    const [oldest] = this.#reportedMs;
    if (oldest !== undefined && this.#reportedMs.size > HOLDER_COUNT_MAX) this.#reportedMs.delete(oldest[0]);
    this.#over(fromMs, nowMs, (bin, { share }) => {
      bin.arrivals += share * arrivals;
      bin.busyMs += share * busyMs;
      bin.endedCount += share * endedCount;
      bin.refusedCount += share * refusedCount;
    });
  }

  arrive(nowMs: number): void {
    this.#bin(Math.floor(nowMs / BIN_MS)).arrivals += 1;
  }

  refuse(nowMs: number): void {
    this.#bin(Math.floor(nowMs / BIN_MS)).refusedCount += 1;
  }

  /** What is out from now on. */
  setLevel(level: DemandLevel, nowMs: number): void {
    const { requests, sockets } = this.#level;
    if (nowMs > this.#levelMs && nowMs - this.#levelMs <= this.#levelMsMax) {
      this.#over(this.#levelMs, nowMs, (bin, { ms }) => {
        bin.requestsMs += requests * ms;
        bin.socketsMs += sockets * ms;
        bin.coveredMs += ms;
      });
    }
    const joined = (level.waiting ?? 0) - (this.#level.waiting ?? 0);
    if (joined !== 0) this.#bin(Math.floor(nowMs / BIN_MS)).refusedCount += joined;
    this.#level = level;
    this.#levelMs = nowMs;
  }

  /** The bins that have closed since the last time and of which enough is known, oldest first. */
  take(nowMs: number): DemandBin[] {
    this.setLevel(this.#level, nowMs);
    const end = Math.floor((nowMs - this.#reportMsMax) / BIN_MS);
    const taken: DemandBin[] = [];
    for (const index of [...this.#bins.keys()].toSorted((a, b) => a - b)) {
      if (index >= end) break;
      const bin = this.#bins.get(index);
      this.#bins.delete(index);
      if (bin === undefined) continue;
      const slots = this.#slotsOf(bin);
      if (bin.coveredMs < COVERED_MS_MIN) continue;
      taken.push({ endMs: (index + 1) * BIN_MS, arrivalsPerSecond: (bin.arrivals * SECOND_MS) / BIN_MS, slots });
    }
    this.#next = Math.max(this.#next, end);
    return taken;
  }

  #slotsOf({ busyMs, endedCount, refusedCount, requestsMs, socketsMs, coveredMs }: OpenBin): number {
    this.#held = {
      busyMs: HOLD_DECAY * this.#held.busyMs + busyMs,
      requestsMs: HOLD_DECAY * this.#held.requestsMs + requestsMs,
      count: HOLD_DECAY * this.#held.count + endedCount,
    };
    const endedMs = (this.#holdMsPrior + this.#held.busyMs) / (1 + this.#held.count);
    // Little's law again: of requests so long that none has ended yet, only what runs speaks.
    const runningMs = (this.#holdMsPrior + this.#held.requestsMs) / (1 + this.#held.count);
    const holdMs = Math.max(1, endedMs, runningMs);
    const short = Math.min(1, BIN_MS / holdMs);
    const covered = Math.max(1, coveredMs);
    const served = (short * busyMs) / BIN_MS + ((1 - short) * requestsMs) / covered;
    const unserved = this.#unservedSlots(refusedCount, short === 1 ? Math.max(1, endedMs) : holdMs);
    // A queue that empties has been counted before: while it does, what is served is more than what comes.
    return socketsMs / covered + Math.max(0, served + unserved);
  }

  /** As if each refused request had run for an exponential time of the mean hold: Σ over bins is refused × hold. */
  #unservedSlots(refusedCount: number, holdMs: number): number {
    const stays = Math.exp(-BIN_MS / holdMs);
    const ratio = holdMs / BIN_MS;
    const before = this.#unserved;
    this.#unserved = before * stays + refusedCount * ratio * (1 - stays);
    return before * ratio * (1 - stays) + refusedCount * ratio * (1 - ratio * (1 - stays));
  }

  #over(fromMs: number, toMs: number, add: (bin: OpenBin, part: { readonly ms: number; readonly share: number }) => void): void {
    const wholeMs = toMs - fromMs;
    if (!(wholeMs > 0)) {
      add(this.#bin(Math.floor(toMs / BIN_MS)), { ms: 0, share: 1 });
      return;
    }
    for (let atMs = fromMs; atMs < toMs;) {
      const index = Math.floor(atMs / BIN_MS);
      const untilMs = Math.min(toMs, (index + 1) * BIN_MS);
      add(this.#bin(index), { ms: untilMs - atMs, share: (untilMs - atMs) / wholeMs });
      atMs = untilMs;
    }
  }

  /** What comes for the bin that was taken last goes to the first that was not; no report speaks of older ones. A clock that was set back begins anew. */
  #bin(index: number): OpenBin {
    if (index < this.#next - 1) {
      this.#bins.clear();
      this.#next = index;
    }
    const at = Math.max(index, this.#next);
    if (at >= this.#next + BIN_COUNT_MAX) {
      this.#next = at - BIN_COUNT_MAX + 1;
      for (const known of this.#bins.keys()) if (known < this.#next) this.#bins.delete(known);
    }
    const known = this.#bins.get(at);
    if (known !== undefined) return known;
    const bin = { arrivals: 0, busyMs: 0, endedCount: 0, refusedCount: 0, requestsMs: 0, socketsMs: 0, coveredMs: 0 };
    this.#bins.set(at, bin);
    return bin;
  }
}
