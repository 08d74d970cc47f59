// Demand minutes ahead, online, on a grid of bins of one step: a regression per horizon, what lies between interpolated.
// Mathematics and figures: docs/design/forecasting-online.md.
import {
  FITTED_HORIZON_COUNT_MAX,
  OUTLOOK_COUNT_MAX,
  type DemandQuantiles,
  type DemandRow,
  type LocalTime,
  type Observed,
  type Uplift,
  type Verdict,
} from "#shared/forecast/minute-demand.ts";
import { exponential, exponentialLessOne, logarithm, logOnePlus } from "./elementary.ts";
import { Calendar } from "./fine-calendar.ts";
import { Horizon, type Origin } from "./fine-horizon.ts";
import { narrowest } from "./fine-interval.ts";
import type { Target } from "./fine-least-squares.ts";
import { CEILING, DAY_MS, HOUR_MS, LEVELS, REGRESSION, SCALE, TAIL_LEAST, TIME, VALUE_MAX } from "./fine-settings.ts";
import { Slots } from "./fine-slots.ts";

/** e to this is more than any value that is told. */
const LEVEL_MAX = 40;
/** An interval beyond the last horizon is at most so many times as wide as there. */
const SPREAD_MAX = 4;

export class FineForecasterReference {
  readonly counts = { missing: 0, late: 0, refused: 0, clockSteps: 0 };
  readonly calendar = new Calendar();
  readonly #stepMs: number;
  readonly #horizons: readonly Horizon[];
  readonly #slots: Slots;
  /** Running means of √(1 + value) at the last closed bin; on that scale a count's noise is the same at every level. */
  readonly #roots = new Float64Array(LEVELS.length);
  readonly #rootsNow = new Float64Array(LEVELS.length);
  readonly #levelsNow = new Float64Array(LEVELS.length);
  readonly #outlook = new Float32Array(OUTLOOK_COUNT_MAX);
  #outlookMs = 0;
  #outlookCount = 0;
  #highest = 0;
  // The open bin; NaN before the first.
  #bin = Number.NaN;
  #sum = 0;
  #count = 0;
  #closedBin = Number.NaN;
  #lateRun = 0;

  /** A step in milliseconds, and horizons from one step on, ascending. */
  constructor({ stepMs, horizonsMs }: { stepMs: number; horizonsMs: readonly number[] }) {
    if (horizonsMs.length === 0 || horizonsMs.length > FITTED_HORIZON_COUNT_MAX)
      throw new RangeError(`Cannot fit ${horizonsMs.length} horizons: expected 1 to ${FITTED_HORIZON_COUNT_MAX}`);
    this.#stepMs = stepMs;
    this.#horizons = horizonsMs.map((horizonMs) => new Horizon(Math.max(1, Math.floor(horizonMs / stepMs + 0.5)), stepMs));
    this.#slots = new Slots(stepMs);
  }

  setLocalTime(localTime: LocalTime): void {
    this.calendar.setLocalTime(localTime);
  }

  setEvents(events: readonly Uplift[]): void {
    this.calendar.setEvents(events);
  }

  /** What the hourly core says: log1p of the hours from `startMs` on. Those beyond OUTLOOK_COUNT_MAX are left out. */
  setOutlook(startMs: number, logs: ArrayLike<number>): void {
    this.#outlookMs = startMs;
    this.#outlookCount = Math.min(OUTLOOK_COUNT_MAX, logs.length);
    for (let hour = 0; hour < this.#outlookCount; hour += 1) this.#outlook[hour] = logs[hour]!;
  }

  /**
   * A value at a time; values of one bin are averaged. NaN or infinity say that the value is missing, as silence does. A
   * value of a bin before the open one is late: it changes nothing, unless the clock was set back.
   */
  observe(value: number, timeMs: number): Observed {
    if (!(Math.abs(timeMs) <= TIME.timeMsMax)) return this.#counted("refused");
    if (!Number.isFinite(value)) return this.#counted("missing");
    const held = Math.min(VALUE_MAX, Math.max(0, value));
    const bin = Math.floor(timeMs / this.#stepMs);
    if (bin < this.#bin) {
      this.#lateRun += 1;
      if ((this.#bin - bin) * this.#stepMs <= TIME.lateMsMax && this.#lateRun < TIME.lateRunMax) return this.#counted("late");
      this.#turnBack(bin);
    }
    this.#lateRun = 0;
    if (bin === this.#bin) {
      this.#sum += held;
      this.#count += 1;
      return "merged";
    }
    if (bin > this.#bin) this.#close();
    this.#bin = bin;
    this.#sum = held;
    this.#count = 1;
    return "opened";
  }

  #counted(observed: "missing" | "late" | "refused"): Observed {
    this.counts[observed] += 1;
    return observed;
  }

  // What waits would be judged by the wrong bins; what was learned stays.
  #turnBack(bin: number): void {
    for (const horizon of this.#horizons) horizon.drop();
    this.counts.clockSteps += 1;
    if (!Number.isNaN(this.#closedBin)) this.#closedBin = bin - 1;
    this.#bin = Number.NaN;
  }

  #close(): void {
    const bin = this.#bin;
    const middleMs = this.#middleMs(bin);
    const uplift = this.calendar.upliftAt(middleMs);
    const level = this.#levelNow();
    this.#slots.observe(this.calendar.localMs(middleMs), level);
    for (const horizon of this.#horizons) horizon.observe(bin, level, uplift);
    const elapsedDays = Number.isNaN(this.#closedBin) ? 0 : ((bin - this.#closedBin) * this.#stepMs) / DAY_MS;
    this.#highest = Math.max(level, this.#highest - CEILING.leakPerDay * elapsedDays);
    this.#advance(level);
    this.#roots.set(this.#rootsNow);
    this.#closedBin = bin;
    for (const horizon of this.#horizons) {
      const origin = this.#describe(horizon, level);
      horizon.forecast(origin);
      horizon.issue(origin);
    }
  }

  // The open bin's, less the uplift.
  #levelNow(): number {
    return Math.max(0, logOnePlus(this.#sum / this.#count) - this.calendar.upliftAt(this.#middleMs(this.#bin)));
  }

  // The running means with the open bin in them, from those at the last closed one; the same again where nothing is new.
  #advance(level: number): void {
    const elapsed = this.#bin - this.#closedBin;
    const root = exponential(level / 2);
    for (let index = 0; index < LEVELS.length; index += 1) {
      const before = this.#roots[index]!;
      const rate = Number.isNaN(elapsed) ? 1 : 1 - exponential(-elapsed / LEVELS[index]!);
      this.#rootsNow[index] = before + rate * (root - before);
      this.#levelsNow[index] = 2 * logarithm(Math.max(1, this.#rootsNow[index]!));
    }
  }

  // Sets the horizon's features, from the open bin.
  #describe(horizon: Horizon, level: number): Origin {
    const x = horizon.features;
    const levels = this.#levelsNow;
    x.fill(0);
    x[0] = REGRESSION.intercept;
    let [least, most] = [level, level];
    for (let index = 0; index < LEVELS.length; index += 1) {
      x[1 + index] = levels[index]! - level;
      least = Math.min(least, levels[index]!);
      most = Math.max(most, levels[index]!);
    }
    const hereMs = this.#middleMs(this.#bin);
    const thereMs = hereMs + horizon.steps * this.#stepMs;
    const [localHereMs, localThereMs] = [this.calendar.localMs(hereMs), this.calendar.localMs(thereMs)];
    const slots = this.#slots;
    const dayBefore = slots.weekAt(localThereMs - DAY_MS);
    const seasons = [
      [slots.weekAt(localHereMs), slots.weekAt(localThereMs)],
      [slots.weekAt(localHereMs - DAY_MS), dayBefore],
      [slots.dayAt(localHereMs), slots.dayAt(localThereMs)],
      [this.#outlookAt(hereMs), this.#outlookAt(thereMs)],
    ] as const;
    // Each season's change from here to there, and how far it lies from now; nothing where it is unknown.
    for (const [index, [here, there]] of seasons.entries()) {
      if (Number.isNaN(here) || Number.isNaN(there)) continue;
      x[1 + LEVELS.length + 2 * index] = there - here;
      x[2 + LEVELS.length + 2 * index] = here - levels[1]!;
    }
    return {
      bin: this.#bin,
      level,
      least,
      most,
      highest: this.#highest,
      seasonal: dayBefore,
      timeOfDayMs: localThereMs - DAY_MS * Math.floor(localThereMs / DAY_MS),
      restlessness: logarithm(Math.abs(levels[0]! - levels[2]!) + SCALE.least),
      upliftHere: this.calendar.upliftAt(hereMs),
      uplift: this.calendar.upliftAt(thereMs),
    };
  }

  // Linear between the middles of the hours; an hour around them it holds, and beyond it is unknown.
  #outlookAt(timeMs: number): number {
    const last = this.#outlookCount - 1;
    const position = (timeMs - this.#outlookMs) / HOUR_MS - 0.5;
    if (last < 1 || !(position >= -1 && position <= last + 1)) return Number.NaN;
    const held = Math.min(last, Math.max(0, position));
    const first = Math.min(last - 1, Math.floor(held));
    return this.#outlook[first]! + (held - first) * (this.#outlook[first + 1]! - this.#outlook[first]!);
  }

  #middleMs(bin: number): number {
    return (bin + 0.5) * this.#stepMs;
  }

  /** The value `horizonMs` after the last observed bin that is exceeded with probability 1 − p. 0 before any observation. */
  quantile(horizonMs: number, p: number): number {
    return this.#ask(0, horizonMs, p);
  }

  /** The same for the highest bin of the coming window. */
  maxQuantile(windowMs: number, p: number): number {
    return Math.max(this.#ask(1, windowMs, p), this.#ask(0, windowMs, p));
  }

  /** Both for many probabilities: here one after the other, which is what the kernel's answers at once are held against. */
  quantiles(horizonMs: number, { probabilities, soon, most }: DemandQuantiles): void {
    for (const [index, p] of probabilities.entries()) {
      soon[index] = this.quantile(horizonMs, p);
      most[index] = this.maxQuantile(horizonMs, p);
    }
  }

  profile(horizonsMs: readonly number[]): DemandRow[] {
    return horizonsMs.map((horizonMs) => {
      if (Number.isNaN(this.#bin)) return { horizonMs, mean: 0, lower: 0, upper: 0 };
      const said = this.#saidAt(horizonMs, (horizon, spread) => horizon.intervalLevels(spread));
      const uplift = this.calendar.upliftAt(this.#thereMs(horizonMs));
      const { median, lower, upper } = narrowest(said.map((level) => Math.min(LEVEL_MAX, level + uplift)));
      return { horizonMs, mean: toValue(median), lower: toValue(lower), upper: toValue(upper) };
    });
  }

  /** Per fitted horizon. */
  verdicts(): Verdict[] {
    return this.#horizons.map(({ judge }) => judge.verdict());
  }

  #ask(target: Target, horizonMs: number, p: number): number {
    if (Number.isNaN(this.#bin)) return 0;
    const held = Math.min(1 - TAIL_LEAST, Math.max(TAIL_LEAST, p));
    const [said] = this.#saidAt(horizonMs, (horizon, spread) => [horizon.quantile(target, held, spread)]);
    const [hereMs, thereMs] = [this.#middleMs(this.#bin), this.#thereMs(horizonMs)];
    const uplift = target === 0 ? this.calendar.upliftAt(thereMs) : this.calendar.upliftMostWithin(hereMs, thereMs);
    return toValue(Math.min(LEVEL_MAX, said! + uplift));
  }

  // Levels at a time ahead. Between two fitted horizons they go with the logarithm of the time.
  #saidAt(horizonMs: number, say: (horizon: Horizon, spread: number) => number[]): number[] {
    const level = this.#levelNow();
    this.#advance(level);
    const steps = this.#stepsOf(horizonMs);
    const horizons = this.#horizons;
    let next = 0;
    while (next < horizons.length - 1 && horizons[next]!.steps < steps) next += 1;
    const there = horizons[next]!;
    there.forecast(this.#describe(there, level));
    const said = say(there, Math.min(SPREAD_MAX, Math.max(1, Math.sqrt(steps / there.steps))));
    if (steps > there.steps) {
      const change = this.#changeBetween(there.steps, steps);
      return said.map((far) => far + change);
    }
    if (next === 0 || steps === there.steps) return said;
    const here = horizons[next - 1]!;
    here.forecast(this.#describe(here, level));
    const share = logarithm(steps / here.steps) / logarithm(there.steps / here.steps);
    return say(here, 1).map((near, index) => near + share * (said[index]! - near));
  }

  #stepsOf(horizonMs: number): number {
    return Math.max(1, horizonMs / this.#stepMs);
  }

  #thereMs(horizonMs: number): number {
    return this.#middleMs(this.#bin) + this.#stepsOf(horizonMs) * this.#stepMs;
  }

  // What the hourly core says happens between two times ahead.
  #changeBetween(fromSteps: number, untilSteps: number): number {
    const hereMs = this.#middleMs(this.#bin);
    const change = this.#outlookAt(hereMs + untilSteps * this.#stepMs) - this.#outlookAt(hereMs + fromSteps * this.#stepMs);
    return Number.isNaN(change) ? 0 : change;
  }
}

function toValue(level: number): number {
  return Math.min(VALUE_MAX, Math.max(0, exponentialLessOne(level)));
}
