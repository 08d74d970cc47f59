import type { Region } from "./arena.ts";
import { checkInteger, checkNumber } from "./check-range.ts";
import type { Kernels } from "./kernels.ts";

const LIMIT_MAX = 1_000_000;
const DAY_MS = 86_400_000;
const NOW_MS_MAX = 8.64e15;
const IN_FLIGHT_MAX = 2 ** 31 - 1;
const GRADIENT_BYTES = 128;
const SMALL_BYTES = 32;

/** One answer of an endpoint. */
export interface AnswerSample {
  readonly nowMs: number;
  readonly latencyMs: number;
  /** Requests in flight when it came, itself included. */
  readonly inFlight: number;
  /** Timed out or refused for load; an endpoint's other errors are no drops. */
  readonly dropped: boolean;
}

/** How many requests an endpoint takes at once: what is admitted beyond only queues there. */
export interface AdaptiveLimit {
  readonly limit: number;
  /** Learns from one answer, and returns the limit from now on. Throws RangeError for a sample that is none. */
  observe(sample: AnswerSample): number;
  /** Gives the memory back. The limit must not be used afterwards. */
  release(): void;
}

export interface GradientOptions {
  readonly limitMin?: number;
  readonly limitMax?: number;
  readonly limitInitial?: number;
  /** How many times as long as without a queue an answer may take, 1 to 10. */
  readonly tolerance?: number;
  /** The baseline is at most two epochs old. */
  readonly epochMs?: number;
}

/** By latency, against a baseline that is measured on the way (wasm/assembly/limit/concurrency.ts). For everything. */
export class GradientLimit implements AdaptiveLimit {
  readonly #kernels: Kernels;
  readonly #region: Region;
  readonly #base: number;

  /** Takes 128 bytes. Throws RangeError for an option that is none, or where the memory has no room. */
  constructor(kernels: Kernels, options: GradientOptions = {}) {
    const { limitMin = 1, limitMax = 1_000, limitInitial = 20, tolerance = 1.5, epochMs = 10_000 } = options;
    checkLimits({ limitMin, limitMax, limitInitial });
    checkNumber(tolerance, { doing: "tolerate such a latency ratio", min: 1, max: 10 });
    checkNumber(epochMs, { doing: "make an epoch of so many milliseconds", min: 1, max: DAY_MS });
    this.#kernels = kernels;
    this.#region = kernels.arena.allocate(GRADIENT_BYTES, "a gradient limit");
    this.#base = this.#region.offset;
    kernels.exports.gradientReset(this.#base, limitMin, limitMax, limitInitial, tolerance, epochMs);
  }

  get limit(): number {
    return this.#kernels.exports.gradientLimit(this.#base);
  }

  /** How many more answers until the limit may change: whoever has many that are equally old gives it no more at a time. */
  get answersLeft(): number {
    return this.#kernels.exports.gradientAnswersLeft(this.#base) >>> 0;
  }

  /** What an answer takes that does not queue; null while nothing is known. */
  get baselineMs(): number | null {
    const baselineMs = this.#kernels.exports.gradientBaseline(this.#base);
    return baselineMs === Infinity ? null : baselineMs;
  }

  observe(sample: AnswerSample): number {
    checkSample(sample);
    const { nowMs, latencyMs, inFlight, dropped } = sample;
    return this.#kernels.exports.gradientObserve(this.#base, nowMs, latencyMs, inFlight, dropped ? 1 : 0);
  }

  release(): void {
    this.#kernels.arena.release(this.#region);
  }
}

export interface AimdOptions {
  readonly limitMin?: number;
  readonly limitMax?: number;
  readonly limitInitial?: number;
  /** What a drop leaves of the limit, from ½ to below 1. */
  readonly backoffRatio?: number;
  /** An answer that takes longer is a drop. */
  readonly timeoutMs?: number;
}

/** By drops alone (wasm/assembly/limit/aimd.ts): for endpoints that refuse by themselves. */
export class AimdLimit implements AdaptiveLimit {
  readonly #kernels: Kernels;
  readonly #region: Region;
  readonly #base: number;
  #limit: number;

  /** Takes 32 bytes. Throws RangeError for an option that is none, or where the memory has no room. */
  constructor(kernels: Kernels, options: AimdOptions = {}) {
    const { limitMin = 20, limitMax = 200, limitInitial = 20, backoffRatio = 0.9, timeoutMs = 5_000 } = options;
    checkLimits({ limitMin, limitMax, limitInitial });
    checkNumber(backoffRatio, { doing: "back off by such a ratio", min: 0.5, max: 1 - Number.EPSILON });
    checkNumber(timeoutMs, { doing: "call an answer late after so many milliseconds", min: 1, max: DAY_MS });
    this.#kernels = kernels;
    this.#region = kernels.arena.allocate(SMALL_BYTES, "an AIMD limit");
    this.#base = this.#region.offset;
    this.#limit = limitInitial;
    kernels.exports.aimdReset(this.#base, limitMin, limitMax, limitInitial, backoffRatio, timeoutMs);
  }

  get limit(): number {
    return this.#limit;
  }

  observe(sample: AnswerSample): number {
    checkSample(sample);
    this.#limit = this.#kernels.exports.aimdObserve(this.#base, sample.latencyMs, sample.inFlight, sample.dropped ? 1 : 0);
    return this.#limit;
  }

  release(): void {
    this.#kernels.arena.release(this.#region);
  }
}

export interface VegasOptions {
  readonly limitMax?: number;
  readonly limitInitial?: number;
  /** Raise the limit while fewer queue; 0: with the limit's digits. */
  readonly alpha?: number;
  /** Lower it while more queue; 0: with the limit's digits. */
  readonly beta?: number;
}

/** By the queue that the latency implies (wasm/assembly/limit/vegas.ts): for endpoints whose queue drains now and then. */
export class VegasLimit implements AdaptiveLimit {
  readonly #kernels: Kernels;
  readonly #region: Region;
  readonly #base: number;
  #limit: number;

  /** Takes 32 bytes. Throws RangeError for an option that is none, or where the memory has no room. */
  constructor(kernels: Kernels, { limitMax = 1_000, limitInitial = 20, alpha = 0, beta = 0 }: VegasOptions = {}) {
    checkLimits({ limitMin: 1, limitMax, limitInitial });
    checkInteger(alpha, { doing: "raise a limit while so many queue", min: 0, max: LIMIT_MAX });
    checkInteger(beta, { doing: "lower a limit while so many queue", min: alpha, max: LIMIT_MAX });
    this.#kernels = kernels;
    this.#region = kernels.arena.allocate(SMALL_BYTES, "a Vegas limit");
    this.#base = this.#region.offset;
    this.#limit = limitInitial;
    kernels.exports.vegasReset(this.#base, limitMax, limitInitial, alpha, beta);
  }

  get limit(): number {
    return this.#limit;
  }

  observe(sample: AnswerSample): number {
    checkSample(sample);
    this.#limit = this.#kernels.exports.vegasObserve(this.#base, sample.latencyMs, sample.inFlight, sample.dropped ? 1 : 0);
    return this.#limit;
  }

  release(): void {
    this.#kernels.arena.release(this.#region);
  }
}

function checkLimits({ limitMin, limitMax, limitInitial }: { limitMin: number; limitMax: number; limitInitial: number }): void {
  checkInteger(limitMax, { doing: "limit concurrency to at most so much", min: 1, max: LIMIT_MAX });
  checkInteger(limitMin, { doing: "limit concurrency to at least so much", min: 1, max: limitMax });
  checkInteger(limitInitial, { doing: "limit concurrency to so much at first", min: limitMin, max: limitMax });
}

function checkSample({ nowMs, latencyMs, inFlight }: AnswerSample): void {
  checkNumber(nowMs, { doing: "observe an answer at a time", min: 0, max: NOW_MS_MAX });
  checkNumber(latencyMs, { doing: "observe a latency in milliseconds", min: 0, max: DAY_MS });
  checkInteger(inFlight, { doing: "observe so many requests in flight", min: 0, max: IN_FLIGHT_MAX });
}
