import { assert } from "#shared/assert.ts";
import {
  askFor,
  EVENT_COUNT_MAX,
  FITTED_HORIZON_COUNT_MAX,
  OBSERVED,
  OUTLOOK_COUNT_MAX,
  QUANTILE_COUNT_MAX,
  UPLIFT_LOG_MAX,
  verdictOf,
  type DemandQuantiles,
  type DemandRow,
  type LocalTime,
  type Observed,
  type Uplift,
  type Verdict,
} from "#shared/forecast/minute-demand.ts";
import type { Region } from "../arena.ts";
import { checkInteger, checkNumber } from "../check-range.ts";
import type { Kernels } from "../kernels.ts";
import { readState, writeState, type RestoreOutcome } from "./state-blob.ts";

const DAY_MS = 86_400_000;
const STEP_MS_MIN = 100;
const HORIZON_MS_MAX = 7 * DAY_MS;
const ASKED_MS_MAX = 3_660 * DAY_MS;
const COUNTS_AT = 184;
const YIELDS_AT = 16;
const SUMS_AT = 144;

/** One piece of scratch memory for all fine forecasters of an instance. */
const scratches = new WeakMap<Kernels, Region>();

/** What happened to observations that changed nothing, and how often the clock was set back. */
export interface ObservationCounts {
  readonly missing: number;
  readonly late: number;
  readonly refused: number;
  readonly clockSteps: number;
}

/**
 * Demand minutes ahead, one signal, online (wasm/assembly/forecast/fine/fine.ts; figures in docs/design/forecasting-online.md): from
 * the first observation on, persistence between wide bounds, then a regression per fitted horizon. Never throws for a value
 * or a time.
 */
export class FineForecaster {
  readonly #kernels: Kernels;
  readonly #region: Region;
  readonly #scratch: number;
  readonly #stepMs: number;
  readonly #steps: Uint32Array;
  readonly #bytes: number;
  readonly #settings: bigint;

  /**
   * Bins of `stepMs`, 100 ms to a day; up to five fitted horizons, ascending, from one step to a week. Throws RangeError for
   * others, and where the memory has no room: 14.5 KiB at 10 s for 1 min, 5 min and 1 h.
   */
  constructor(kernels: Kernels, { stepMs, horizonsMs }: { stepMs: number; horizonsMs: readonly number[] }) {
    checkInteger(stepMs, { doing: "forecast in bins of so many milliseconds", min: STEP_MS_MIN, max: DAY_MS });
    checkInteger(horizonsMs.length, { doing: "fit so many horizons", min: 1, max: FITTED_HORIZON_COUNT_MAX });
    let before = stepMs;
    for (const horizonMs of horizonsMs) {
      checkNumber(horizonMs, { doing: "fit a horizon of so many milliseconds", min: before, max: HORIZON_MS_MAX });
      before = horizonMs;
    }
    this.#kernels = kernels;
    this.#stepMs = stepMs;
    this.#steps = Uint32Array.from(horizonsMs, (horizonMs) => Math.floor(horizonMs / stepMs + 0.5));
    const shape = kernels.writeBytes(new Uint8Array(Float64Array.of(stepMs, ...this.#steps).buffer));
    this.#settings = kernels.exports.xxh64(kernels.keyOffset, shape, 0n);
    this.#bytes = kernels.exports.fineBytes(stepMs, this.#placeSteps(), this.#steps.length);
    this.#scratch = scratchOf(kernels);
    this.#region = kernels.arena.allocate(this.#bytes, "a fine forecaster");
    this.clear();
  }

  #placeSteps(): number {
    new Uint32Array(this.#kernels.memory, this.#kernels.keyOffset, this.#steps.length).set(this.#steps);
    return this.#kernels.keyOffset;
  }

  #placeNumbers(numbers: readonly number[]): number {
    new Float64Array(this.#kernels.memory, this.#kernels.keyOffset, numbers.length).set(numbers);
    return this.#kernels.keyOffset;
  }

  /** Of its state. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * A value at a time, in any order; values of one bin are averaged. A negative value is 0, one above 10¹⁵ is 10¹⁵. NaN and
   * infinities say "missing", as silence does. A value of a bin before the open one is late and changes nothing; ten minutes
   * late, or thirty times in a row, and the clock was set back: what was learned stays.
   */
  observe(value: number, timeMs: number): Observed {
    const code = this.#kernels.exports.fineObserve(this.#region.offset, this.#scratch, value, timeMs);
    const observed = OBSERVED[code];
    assert(observed !== undefined, "what becomes of an observation has a name");
    return observed;
  }

  /**
   * The value `horizonMs` after the last observed bin that is exceeded with probability 1 − p; 0 before any observation. Throws
   * RangeError for a horizon below 0 or above ten years, and for p outside [0, 1].
   */
  quantile(horizonMs: number, p: number): number {
    const [value = 0] = this.#askOne(horizonMs, p).soon;
    return value;
  }

  /** The same for the highest bin of the coming window. */
  maxQuantile(windowMs: number, p: number): number {
    const [value = 0] = this.#askOne(windowMs, p).most;
    return value;
  }

  /**
   * Both for many probabilities at once, bit for bit: a fraction of the work, as all of a horizon are one forecast's. Throws RangeError
   * for more than QUANTILE_COUNT_MAX of them, and as `quantile` does.
   */
  quantiles(horizonMs: number, { probabilities, soon, most }: DemandQuantiles): void {
    checkHorizon(horizonMs);
    const count = probabilities.length;
    checkInteger(count, { doing: "forecast so many quantiles", min: 0, max: QUANTILE_COUNT_MAX });
    for (const p of probabilities) checkNumber(p, { doing: "forecast a quantile", min: 0, max: 1 });
    const { exports, memory, keyOffset } = this.#kernels;
    const asked = new Float64Array(memory, keyOffset, 3 * count);
    asked.set(probabilities);
    exports.fineQuantiles(this.#region.offset, this.#scratch, horizonMs, keyOffset, count);
    soon.set(asked.subarray(count, 2 * count));
    most.set(asked.subarray(2 * count));
  }

  /**
   * One row for each horizon, fitted or not: lower ≤ mean ≤ upper. The interval is the narrowest in the values' unit that is
   * expected to hold 95 %: of skewed demand it leaves out more above than below. Throws RangeError as `quantile` does.
   */
  profile(horizonsMs: readonly number[]): DemandRow[] {
    return horizonsMs.map((horizonMs) => {
      checkHorizon(horizonMs);
      this.#kernels.exports.fineProfile(this.#region.offset, this.#scratch, horizonMs);
      const [mean = 0, lower = 0, upper = 0] = new Float64Array(this.#kernels.memory, this.#scratch, 3);
      return { horizonMs, mean, lower, upper };
    });
  }

  #askOne(horizonMs: number, p: number): DemandQuantiles {
    const one = askFor(Float64Array.of(p));
    this.quantiles(horizonMs, one);
    return one;
  }

  /** What each fitted horizon was worth, in their order. */
  verdicts(): Verdict[] {
    return Array.from(this.#steps, (_, index) => {
      const at = this.#kernels.exports.fineHorizon(this.#region.offset, index);
      const [yields = 0] = new Uint32Array(this.#kernels.memory, at + YIELDS_AT, 1);
      const sums = new Float64Array(this.#kernels.memory, at + SUMS_AT, 11);
      const [weight = 0, value = 0, error = 0, , persistence = 0, seasonal = 0, seasonalValue = 0] = sums;
      const [inside = 0, width = 0, pinball = 0, bias = 0] = sums.subarray(7);
      return verdictOf({ weight, value, error, persistence, seasonal, seasonalValue, inside, width, pinball, bias }, yields !== 0);
    });
  }

  get counts(): ObservationCounts {
    const [missing = 0, late = 0, refused = 0, clockSteps = 0] = new Uint32Array(this.#kernels.memory, this.#region.offset + COUNTS_AT, 4);
    return { missing, late, refused, clockSteps };
  }

  /**
   * What the hourly core says: log1p of the hours from `startMs` on, the first 32 of them. To be set after the first observation of
   * a new hour: that one closes the bin before, from which is learned with the outlook of then.
   */
  setOutlook(startMs: number, logs: ArrayLike<number>): void {
    const held = Array.from({ length: Math.min(OUTLOOK_COUNT_MAX, logs.length) }, (_, hour) => logs[hour] ?? Number.NaN);
    this.#kernels.exports.fineSetOutlook(this.#region.offset, startMs, this.#placeNumbers(held), held.length);
  }

  /** The events that are known, instead of those before. Throws RangeError for more than eight, and for a factor above 1,000. */
  setEvents(events: readonly Uplift[]): void {
    checkInteger(events.length, { doing: "expect so many events", min: 0, max: EVENT_COUNT_MAX });
    for (const { log } of events)
      checkNumber(log, { doing: "expect an event's uplift, in logs", min: -UPLIFT_LOG_MAX, max: UPLIFT_LOG_MAX });
    const numbers = events.flatMap(({ startMs, endMs, log }) => [startMs, endMs, log]);
    this.#kernels.exports.fineSetEvents(this.#region.offset, this.#placeNumbers(numbers), events.length);
  }

  setLocalTime({ offsetMs, changeAtMs, offsetAfterMs }: LocalTime): void {
    this.#kernels.exports.fineSetLocalTime(this.#region.offset, offsetMs, changeAtMs, offsetAfterMs);
  }

  /** Everything it knows, for `restore`: 32 bytes more than its state. */
  toBytes(): Uint8Array {
    return writeState(this.#kernels, this.#bytes, (into) =>
      this.#kernels.exports.fineWrite(this.#region.offset, this.#bytes, into, this.#settings),
    );
  }

  /** Goes on where `toBytes` was, bit for bit. What was truncated, damaged, or written by another version or step is refused. */
  restore(blob: Uint8Array): RestoreOutcome {
    return readState(this.#kernels, { blob, bytes: this.#bytes }, (from, blobBytes) =>
      this.#kernels.exports.fineRead(this.#region.offset, this.#bytes, from, blobBytes, this.#settings),
    );
  }

  /** Forgets everything. */
  clear(): void {
    this.#kernels.exports.fineInit(this.#region.offset, this.#stepMs, this.#placeSteps(), this.#steps.length);
  }

  /** Gives the memory back. The forecaster must not be used afterwards. */
  release(): void {
    this.#kernels.arena.release(this.#region);
  }
}

function checkHorizon(horizonMs: number): void {
  checkNumber(horizonMs, { doing: "forecast so many milliseconds ahead", min: 0, max: ASKED_MS_MAX });
}

/** Throws RangeError where the memory has no room. */
function scratchOf(kernels: Kernels): number {
  const known = scratches.get(kernels);
  if (known !== undefined) return known.offset;
  const scratch = kernels.arena.allocate(kernels.exports.fineScratchBytes(), "the fine forecasters' scratch memory");
  scratches.set(kernels, scratch);
  return scratch.offset;
}
