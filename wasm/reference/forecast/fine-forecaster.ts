// Demand minutes ahead, online, on a grid of bins of one step.
import { exp, expm1, ln, ln1p } from "./elementary.ts";
import { Horizon, type Origin } from "./fine-horizon.ts";
import { DAY_MS, HORIZON_COUNT_MAX, LEVELS, SCALE, TIME, VALUE_MAX } from "./fine-settings.ts";
import { Slots } from "./fine-slots.ts";

const HOUR_MS = 3_600_000;

export interface LocalTime {
  /** Local minus universal time. */
  readonly offsetMs: number;
  /** From this moment on the offset is `offsetAfterMs`. */
  readonly changeAtMs: number;
  readonly offsetAfterMs: number;
}

export interface ProfileRow {
  readonly horizonMs: number;
  readonly mean: number;
  /** Of the 95 % interval. */
  readonly lower: number;
  readonly upper: number;
}

export type Observed = "merged" | "opened" | "late" | "refused";

export class FineForecasterReference {
  readonly #stepMs: number;
  readonly #horizons: readonly Horizon[];
  readonly #slots: Slots;
  readonly #levels = new Float64Array(LEVELS.length);
  readonly #now = new Float64Array(LEVELS.length);
  readonly #rates = LEVELS.map((steps) => 1 - exp(-1 / steps));
  #localTime: LocalTime = { offsetMs: 0, changeAtMs: Infinity, offsetAfterMs: 0 };
  #outlookMs = 0;
  #outlook = new Float64Array(0);
  // The open bin.
  #bin = -1;
  #sum = 0;
  #count = 0;
  // The last closed one.
  #closedBin = -1;
  #lateRun = 0;
  lateCount = 0;
  refusedCount = 0;

  /** Horizons in ascending order, each at least one step. */
  constructor({ stepMs, horizonsMs }: { stepMs: number; horizonsMs: readonly number[] }) {
    if (horizonsMs.length === 0 || horizonsMs.length > HORIZON_COUNT_MAX)
      throw new RangeError(`Cannot fit ${horizonsMs.length} horizons: expected 1 to ${HORIZON_COUNT_MAX}`);
    this.#stepMs = stepMs;
    this.#horizons = horizonsMs.map((horizonMs) => new Horizon(Math.max(1, Math.round(horizonMs / stepMs)), stepMs));
    this.#slots = new Slots(stepMs);
  }

  setLocalTime(localTime: LocalTime): void {
    this.#localTime = localTime;
  }

  /** What the hourly core expects: the mean log1p of the hours from `startMs` on. */
  setOutlook(startMs: number, logs: ArrayLike<number>): void {
    this.#outlookMs = startMs;
    this.#outlook = Float64Array.from(logs);
  }

  /** NaN says that the value of that time is missing. */
  observe(value: number, timeMs: number): Observed {
    if (!(Math.abs(timeMs) <= TIME.timeMsMax) || !Number.isFinite(value)) {
      this.refusedCount += 1;
      return "refused";
    }
    const held = Math.min(VALUE_MAX, Math.max(0, value));
    const bin = Math.floor(timeMs / this.#stepMs);
    if (this.#count > 0 && bin < this.#bin) {
      this.lateCount += 1;
      this.#lateRun += 1;
      if ((this.#bin - bin) * this.#stepMs <= TIME.lateMsMax && this.#lateRun < TIME.lateRunMax) return "late";
      // The clock was set back: what waits would be judged by the wrong hours.
      for (const horizon of this.#horizons) horizon.drop();
      this.#closedBin = bin - 1;
    } else if (this.#count > 0 && bin > this.#bin) this.#close();
    this.#lateRun = 0;
    if (this.#count > 0 && bin === this.#bin) {
      this.#sum += held;
      this.#count += 1;
      return "merged";
    }
    this.#bin = bin;
    this.#sum = held;
    this.#count = 1;
    return "opened";
  }

  #close(): void {
    const bin = this.#bin;
    const level = ln1p(this.#sum / this.#count);
    this.#slots.observe(this.#localMs(bin), level);
    for (const horizon of this.#horizons) horizon.observe(bin, level);
    this.#advance(bin, level);
    this.#levels.set(this.#now);
    this.#closedBin = bin;
    for (const horizon of this.#horizons) {
      const origin = this.#describe(horizon, bin, level);
      horizon.forecast(origin);
      horizon.issue(origin);
    }
  }

  // The running means with bin `bin` in them, from those of the last closed bin.
  #advance(bin: number, level: number): void {
    const elapsed = bin - this.#closedBin;
    for (let index = 0; index < LEVELS.length; index += 1) {
      const rate = this.#closedBin === -1 ? 1 : elapsed === 1 ? this.#rates[index]! : 1 - exp(-elapsed / LEVELS[index]!);
      this.#now[index] = this.#levels[index]! + rate * (level - this.#levels[index]!);
    }
  }

  #describe(horizon: Horizon, bin: number, level: number): Origin {
    const x = horizon.features;
    const now = this.#now;
    x.fill(0);
    x[0] = 0.3;
    let [least, most] = [level, level];
    for (let index = 0; index < LEVELS.length; index += 1) {
      x[1 + index] = now[index]! - level;
      least = Math.min(least, now[index]!);
      most = Math.max(most, now[index]!);
    }
    const hereMs = this.#localMs(bin);
    const thereMs = this.#localMs(bin + horizon.steps);
    const slots = this.#slots;
    const middleMs = (bin + 0.5) * this.#stepMs;
    const seasons = [
      [slots.weekAt(hereMs), slots.weekAt(thereMs)],
      [slots.weekAt(hereMs - DAY_MS), slots.weekAt(thereMs - DAY_MS)],
      [slots.dayAt(hereMs), slots.dayAt(thereMs)],
      [this.#outlookAt(middleMs), this.#outlookAt(middleMs + horizon.steps * this.#stepMs)],
    ] as const;
    // Each season's change from here to there, and how far it lies from now; nothing where it is unknown.
    for (const [index, [here, there]] of seasons.entries()) {
      if (Number.isNaN(here) || Number.isNaN(there)) continue;
      x[1 + LEVELS.length + 2 * index] = there - here;
      x[2 + LEVELS.length + 2 * index] = here - now[1]!;
    }
    const timeOfDayMs = thereMs - DAY_MS * Math.floor(thereMs / DAY_MS);
    return { bin, level, least, most, timeOfDayMs, restlessness: ln(Math.abs(now[0]! - now[2]!) + SCALE.least) };
  }

  #outlookAt(timeMs: number): number {
    const position = (timeMs - this.#outlookMs) / HOUR_MS - 0.5;
    const last = this.#outlook.length - 1;
    if (!(position >= -1 && position <= last + 1)) return Number.NaN;
    const held = Math.min(last, Math.max(0, position));
    const first = Math.min(last - 1, Math.floor(held));
    if (last < 1) return Number.NaN;
    return this.#outlook[first]! + (held - first) * (this.#outlook[first + 1]! - this.#outlook[first]!);
  }

  #localMs(bin: number): number {
    const middleMs = (bin + 0.5) * this.#stepMs;
    const { offsetMs, changeAtMs, offsetAfterMs } = this.#localTime;
    return middleMs + (middleMs < changeAtMs ? offsetMs : offsetAfterMs);
  }

  /** The level at `horizonMs` from the last observation that is exceeded with probability 1 − p. 0 before any. */
  quantile(horizonMs: number, p: number): number {
    return this.#ask(0, horizonMs, p);
  }

  /** The same for the highest bin of the coming window. */
  maxQuantile(windowMs: number, p: number): number {
    return this.#ask(1, windowMs, p);
  }

  profile(horizonsMs: readonly number[]): ProfileRow[] {
    return horizonsMs.map((horizonMs) => {
      const mean = this.#ask(0, horizonMs, Number.NaN);
      const lower = Math.min(mean, this.#ask(0, horizonMs, 0.025));
      return { horizonMs, mean, lower, upper: Math.max(mean, this.#ask(0, horizonMs, 0.975)) };
    });
  }

  // p NaN: the centre. Between two horizons it goes with the logarithm of the time.
  #ask(target: 0 | 1, horizonMs: number, p: number): number {
    if (this.#count === 0) return 0;
    const level = ln1p(this.#sum / this.#count);
    this.#advance(this.#bin, level);
    const steps = horizonMs / this.#stepMs;
    const horizons = this.#horizons;
    let upper = 0;
    while (upper < horizons.length - 1 && horizons[upper]!.steps < steps) upper += 1;
    const say = (horizon: Horizon): number => {
      horizon.forecast(this.#describe(horizon, this.#bin, level));
      return Number.isNaN(p) ? horizon.centres[target]! : horizon.quantile(target, p);
    };
    const said = say(horizons[upper]!);
    if (upper === 0 || horizons[upper]!.steps <= steps) return toValue(said);
    const before = say(horizons[upper - 1]!);
    const share = ln(steps / horizons[upper - 1]!.steps) / ln(horizons[upper]!.steps / horizons[upper - 1]!.steps);
    return toValue(before + share * (said - before));
  }
}

function toValue(level: number): number {
  return Math.min(VALUE_MAX, Math.max(0, expm1(Math.min(40, level))));
}
