// One horizon: the level `steps` bins ahead (target 0) and the highest until then (target 1), both as log1p less the
// calendar's uplift, each with a conditional scale and the distribution of its residuals in units of that.
import { exponential, logarithm } from "./elementary.ts";
import { INTERVAL_PROBABILITIES, narrowest, valueOf } from "./fine-interval.ts";
import { Judge } from "./fine-judge.ts";
import { LeastSquares, type Target } from "./fine-least-squares.ts";
import { Pool, POOL_COUNT } from "./fine-pool.ts";
import { Residuals } from "./fine-residuals.ts";
import {
  CEILING,
  DAY_MS,
  FEATURE_COUNT,
  JUDGE,
  LATE_LABEL_RATIO,
  POOL,
  REGRESSION,
  RESIDUALS,
  SCALE,
  SCALE_FEATURE_COUNT,
  WAITING_COUNT_MAX,
} from "./fine-settings.ts";

/** What a forecast is made from. */
export interface Origin {
  readonly bin: number;
  readonly level: number;
  /** The range that the forecast may leave by REGRESSION.rangeSlack. */
  readonly least: number;
  readonly most: number;
  /** The highest level of late. */
  readonly highest: number;
  /** What the day before was at the target's time; NaN where unknown. */
  readonly seasonal: number;
  /** Of the target, local. */
  readonly timeOfDayMs: number;
  /** log(|shortest − middle running mean| + SCALE.least). */
  readonly restlessness: number;
  /** What the calendar adds at the origin, and at the target, in logs. */
  readonly upliftHere: number;
  readonly uplift: number;
}

/** Where a waiting forecast keeps what was said. */
const SAID = {
  level: 0,
  centre: 1,
  top: 2,
  scale: 3,
  topScale: 4,
  own: 5,
  highest: 6,
  slot: 7,
  median: 8,
  lower: 9,
  upper: 10,
  persistence: 11,
  seasonal: 12,
  share: 13,
} as const;
const SAID_COUNT = 14;

export class Horizon {
  readonly steps: number;
  /** Bins between two forecasts that learn. */
  readonly every: number;
  /** To be set before `forecast`. */
  readonly features = new Float32Array(FEATURE_COUNT);
  readonly judge: Judge;
  /** After `forecast`, of the two targets. */
  readonly #centres: [number, number] = [0, 0];
  readonly #scales: [number, number] = [1, 1];
  /** What each of the pool says: the regression, persistence, the two shortest running means. */
  readonly #members = new Float32Array(POOL_COUNT);
  readonly #pool: Pool;
  #mixed = 0;
  #ceiling = 0;
  readonly #scaleFeatures = new Float32Array(SCALE_FEATURE_COUNT);
  readonly #regression: LeastSquares;
  readonly #scaleRegression: LeastSquares;
  readonly #residuals: readonly [Residuals, Residuals];
  readonly #slots = new Float32Array(SCALE.slotCount);
  #short = logarithm(SCALE.initial);
  #long = logarithm(SCALE.initial);
  readonly #shortRate: number;
  readonly #longRate: number;
  #updates = 0;
  // The forecasts that wait; an origin of NaN waits for nothing.
  readonly #waitingCount: number;
  #next = 0;
  #lastBin = Number.NaN;
  readonly #origins: Float64Array;
  readonly #waitingFeatures: Float32Array;
  readonly #waitingScaleFeatures: Float32Array;
  readonly #waitingMembers: Float32Array;
  readonly #said: Float32Array;

  constructor(steps: number, stepMs: number) {
    this.steps = steps;
    this.every = clockOf(steps);
    const updateMs = this.every * stepMs;
    const keepOf = (memoryMs: number, updatesMin: number): number => exponential(-1 / Math.max(memoryMs / updateMs, updatesMin));
    this.#regression = new LeastSquares({
      means: Array.from({ length: FEATURE_COUNT }, () => 0),
      precision: 1 / (REGRESSION.priorDeviation * REGRESSION.priorDeviation),
      keep: keepOf(REGRESSION.memoryMs, REGRESSION.memoryUpdatesMin),
    });
    this.#scaleRegression = new LeastSquares({
      means: SCALE.means,
      precision: SCALE.noise / (SCALE.priorDeviation * SCALE.priorDeviation),
      keep: keepOf(SCALE.memoryMs, SCALE.memoryUpdatesMin),
    });
    const keep = keepOf(RESIDUALS.memoryMs, RESIDUALS.memoryUpdatesMin);
    this.#residuals = [new Residuals(keep), new Residuals(keep)];
    this.#shortRate = 1 - keepOf(SCALE.shortMs, SCALE.shortUpdatesMin);
    this.#longRate = 1 - keepOf(SCALE.longMs, SCALE.longUpdatesMin);
    this.#pool = new Pool(keepOf(POOL.memoryMs, POOL.memoryUpdatesMin));
    this.judge = new Judge(keepOf(JUDGE.memoryMs, JUDGE.memoryUpdatesMin));
    this.#waitingCount = Math.min(WAITING_COUNT_MAX, steps);
    this.#origins = new Float64Array(this.#waitingCount).fill(Number.NaN);
    this.#waitingFeatures = new Float32Array(this.#waitingCount * FEATURE_COUNT);
    this.#waitingScaleFeatures = new Float32Array(this.#waitingCount * SCALE_FEATURE_COUNT);
    this.#waitingMembers = new Float32Array(this.#waitingCount * POOL_COUNT);
    this.#said = new Float32Array(this.#waitingCount * SAID_COUNT);
  }

  forecast(origin: Origin): void {
    const x = this.#scaleFeatures;
    const slot = this.#slots[slotOf(origin.timeOfDayMs)]!;
    x[0] = 1;
    x[1] = this.#short;
    x[2] = this.#long;
    x[3] = slot === 0 ? this.#long : slot;
    x[4] = origin.restlessness;
    x[5] = origin.level / 5;
    for (const target of [0, 1] as const) {
      const said = origin.level + this.#regression.predict(target, this.features);
      const slack = REGRESSION.rangeSlack;
      this.#centres[target] = Math.max(0, Math.min(origin.most + slack, Math.max(origin.least - slack, said)));
      const bound = logarithm(SCALE.boundRatio);
      const size = this.#scaleRegression.predict(target, x);
      this.#scales[target] = exponential(Math.min(this.#long + bound, Math.max(this.#long - bound, size)));
    }
    const members = this.#members;
    members[0] = this.#centres[0];
    members[1] = origin.level;
    members[2] = origin.level + this.features[1]!;
    members[3] = origin.level + this.features[2]!;
    this.#mixed = this.#pool.mix(members);
    this.#centres[0] = this.judge.yields ? origin.level : this.#mixed;
    this.#ceiling = Math.max(origin.highest, this.#centres[0], this.#centres[1]);
  }

  /** Of the forecast just made, less the uplift, `spread` times as wide; p within (0, 1). */
  quantile(target: Target, p: number, spread: number): number {
    const said = this.#centres[target] + spread * this.#scales[target] * this.#residuals[target].quantile(p);
    return Math.min(said, this.#ceiling - CEILING.perFold * logarithm(1 - p));
  }

  /** The same for INTERVAL_PROBABILITIES. */
  intervalLevels(spread: number): number[] {
    return this.#residuals[0].quantiles(INTERVAL_PROBABILITIES).map((z, index) => {
      const said = this.#centres[0] + spread * this.#scales[0] * z;
      return Math.min(said, this.#ceiling - CEILING.perFold * logarithm(1 - INTERVAL_PROBABILITIES[index]!));
    });
  }

  /** Keeps the forecast just made, where it is time for one to learn from. */
  issue(origin: Origin): void {
    if (origin.bin < this.#lastBin + this.every) return;
    this.#lastBin = origin.bin;
    const at = this.#next;
    this.#next = (at + 1) % this.#waitingCount;
    this.#origins[at] = origin.bin;
    this.#waitingFeatures.set(this.features, at * FEATURE_COUNT);
    this.#waitingScaleFeatures.set(this.#scaleFeatures, at * SCALE_FEATURE_COUNT);
    const said = this.#said.subarray(at * SAID_COUNT, (at + 1) * SAID_COUNT);
    this.#waitingMembers.set(this.#members, at * POOL_COUNT);
    said[SAID.level] = origin.level;
    [said[SAID.centre], said[SAID.top]] = this.#centres;
    [said[SAID.scale], said[SAID.topScale]] = this.#scales;
    said[SAID.highest] = 0;
    said[SAID.slot] = slotOf(origin.timeOfDayMs);
    const { median, lower, upper, share } = narrowest(this.intervalLevels(1).map((level) => level + origin.uplift));
    said[SAID.median] = median;
    said[SAID.own] = this.judge.yields ? this.#mixed + origin.uplift : median;
    said[SAID.lower] = lower;
    said[SAID.upper] = upper;
    said[SAID.share] = share;
    said[SAID.persistence] = origin.level + origin.upliftHere;
    said[SAID.seasonal] = origin.seasonal;
  }

  /** Bin `bin` had `level`, the calendar's `uplift` not in it. */
  observe(bin: number, level: number, uplift: number): void {
    let isNew = false;
    for (let at = 0; at < this.#waitingCount; at += 1) {
      const age = bin - this.#origins[at]!;
      if (Number.isNaN(age)) continue;
      const highest = Math.max(this.#said[at * SAID_COUNT + SAID.highest]!, level);
      this.#said[at * SAID_COUNT + SAID.highest] = highest;
      if (age < this.steps) continue;
      this.#origins[at] = Number.NaN;
      // After a gap there is no label.
      if (age > this.steps * (1 + LATE_LABEL_RATIO)) continue;
      this.#learn(at, level);
      this.#judge(at, valueOf(level + uplift), uplift);
      isNew = true;
    }
    if (!isNew) return;
    this.#regression.solve();
    this.#scaleRegression.solve();
  }

  /** Forgets the forecasts that wait: the clock was set. */
  drop(): void {
    this.#origins.fill(Number.NaN);
    this.#lastBin = Number.NaN;
  }

  #learn(at: number, level: number): void {
    const said = this.#said.subarray(at * SAID_COUNT, (at + 1) * SAID_COUNT);
    const [origin, centre, scale] = [said[SAID.level]!, said[SAID.centre]!, said[SAID.scale]!];
    const own = this.#waitingMembers[at * POOL_COUNT]!;
    const [top, topScale, highest] = [said[SAID.top]!, said[SAID.topScale]!, said[SAID.highest]!];
    const [error, topError] = [level - centre, highest - top];
    this.#regression.observe({
      features: this.#waitingFeatures,
      at: at * FEATURE_COUNT,
      weight: REGRESSION.kappa / (scale * scale),
      targets: [own + clip(level - own, scale) - origin, top + clip(topError, topScale) - origin],
    });
    const size = logarithm(Math.abs(error) + SCALE.least);
    this.#scaleRegression.observe({
      features: this.#waitingScaleFeatures,
      at: at * SCALE_FEATURE_COUNT,
      weight: 1,
      targets: [size, logarithm(Math.abs(topError) + SCALE.least)],
    });
    this.#residuals[0].observe(error / scale, this.#updates);
    this.#residuals[1].observe(topError / topScale, this.#updates);
    this.#updates += 1;
    const atFirst = 1 / (this.#updates + 1);
    this.#short += Math.max(atFirst, this.#shortRate) * (size - this.#short);
    this.#long += Math.max(atFirst, this.#longRate) * (size - this.#long);
    const slot = said[SAID.slot]!;
    const before = this.#slots[slot]!;
    this.#slots[slot] = before === 0 ? size : before + SCALE.slotRate * (size - before);
  }

  #judge(at: number, value: number, uplift: number): void {
    for (let index = 0; index < POOL_COUNT; index += 1)
      this.#pool.observe(index, Math.abs(value - valueOf(this.#waitingMembers[at * POOL_COUNT + index]! + uplift)));
    const said = this.#said.subarray(at * SAID_COUNT, (at + 1) * SAID_COUNT);
    this.judge.observe({
      value,
      own: valueOf(said[SAID.own]!),
      said: valueOf(said[SAID.median]!),
      lower: valueOf(said[SAID.lower]!),
      upper: valueOf(said[SAID.upper]!),
      share: said[SAID.share]!,
      persistence: valueOf(said[SAID.persistence]!),
      seasonal: valueOf(said[SAID.seasonal]!),
    });
  }
}

// Coarse enough for the places, and of no common factor with an hour's 60 minutes: a clock that beat with what happens
// every five or ten of them would learn one phase of it.
function clockOf(steps: number): number {
  let every = Math.ceil(steps / WAITING_COUNT_MAX);
  while (every > 1 && (every % 2 === 0 || every % 3 === 0 || every % 5 === 0)) every += 1;
  return every;
}

function slotOf(timeOfDayMs: number): number {
  return Math.min(SCALE.slotCount - 1, Math.floor((timeOfDayMs / DAY_MS) * SCALE.slotCount));
}

function clip(error: number, scale: number): number {
  const most = REGRESSION.clipScales * scale + REGRESSION.clipLeast;
  return Math.min(most, Math.max(-most, error));
}
