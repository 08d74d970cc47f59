// One horizon: the level `steps` bins ahead (target 0) and the highest until then (target 1), both as log1p, each with a
// conditional scale and the distribution of its residuals in units of that.
import { exp, ln } from "./elementary.ts";
import { LeastSquares } from "./fine-least-squares.ts";
import { Residuals } from "./fine-residuals.ts";
import { DAY_MS, FEATURE_COUNT, HISTOGRAM, REGRESSION, SCALE, SCALE_FEATURE_COUNT } from "./fine-settings.ts";

const PENDING = REGRESSION.pendingCount;
const SCALE_MEANS = [0, 0.3, 0.3, 0.4, 0, 0];

/** What a forecast is made from: the same for both targets. */
export interface Origin {
  readonly bin: number;
  readonly level: number;
  /** The range that the forecast may leave by REGRESSION.rangeSlack. */
  readonly least: number;
  readonly most: number;
  /** Of the target, from 0 to DAY_MS. */
  readonly timeOfDayMs: number;
  /** log(|short − long running mean| + SCALE.least). */
  readonly restlessness: number;
}

export class Horizon {
  readonly steps: number;
  /** Bins between two forecasts that learn. */
  readonly every: number;
  readonly features = new Float32Array(FEATURE_COUNT);
  readonly #scaleFeatures = new Float32Array(SCALE_FEATURE_COUNT);
  /** After `forecast`: of the two targets. */
  readonly centres = new Float64Array(2);
  readonly scales = new Float64Array(2);
  readonly #regression = new LeastSquares(
    Array.from({ length: FEATURE_COUNT }, () => 0),
    Array.from({ length: FEATURE_COUNT }, () => 1 / REGRESSION.priorDeviation ** 2),
  );
  readonly #scaleRegression = new LeastSquares(
    SCALE_MEANS,
    SCALE_MEANS.map(() => SCALE.noise / SCALE.priorDeviation ** 2),
  );
  readonly #residuals = [new Residuals(), new Residuals()] as const;
  readonly #slots = new Float32Array(SCALE.slotCount);
  #short = 0;
  #long = 0;
  #shortRate: number;
  #longRate: number;
  #updates = 0;
  readonly #keep: number;
  readonly #scaleKeep: number;
  readonly #growth: number;
  // Waiting forecasts.
  #next = 0;
  #lastBin = -Infinity;
  readonly #origins = new Float64Array(PENDING).fill(-1);
  readonly #isWaiting = new Uint8Array(PENDING);
  readonly #pendingFeatures = new Float32Array(PENDING * FEATURE_COUNT);
  readonly #pendingScaleFeatures = new Float32Array(PENDING * SCALE_FEATURE_COUNT);
  /** Level, centres, scales, highest since, time of day. */
  readonly #pendingSaid = new Float32Array(PENDING * 7);

  constructor(steps: number, stepMs: number) {
    this.steps = steps;
    this.every = Math.ceil(steps / PENDING);
    const updateMs = this.every * stepMs;
    this.#keep = keepOf(REGRESSION.memoryMs, updateMs, REGRESSION.memoryUpdatesMin);
    this.#scaleKeep = keepOf(SCALE.memoryMs, updateMs, SCALE.memoryUpdatesMin);
    this.#growth = 1 / keepOf(HISTOGRAM.memoryMs, updateMs, HISTOGRAM.memoryUpdatesMin);
    this.#shortRate = 1 - keepOf(SCALE.shortMs, updateMs, SCALE.shortUpdatesMin);
    this.#longRate = 1 - keepOf(SCALE.longMs, updateMs, SCALE.longUpdatesMin);
    this.#short = 0.3;
    this.#long = 0.3;
  }

  /** `features` are set: centre and scale of both targets. */
  forecast(origin: Origin): void {
    const xs = this.#scaleFeatures;
    xs[0] = 1;
    xs[1] = ln(this.#short + SCALE.least);
    xs[2] = ln(this.#long + SCALE.least);
    const slot = this.#slots[slotOf(origin.timeOfDayMs)]!;
    xs[3] = slot === 0 ? xs[2] : slot;
    xs[4] = origin.restlessness;
    xs[5] = origin.level / 5;
    for (const target of [0, 1] as const) {
      const said = origin.level + this.#regression.predict(target, this.features, 0);
      const slack = REGRESSION.rangeSlack;
      const centre = Math.min(origin.most + slack, Math.max(origin.least - slack, 0, said));
      this.centres[target] = centre;
      const bound = this.#long + SCALE.least;
      const scale = exp(this.#scaleRegression.predict(target, xs, 0));
      this.scales[target] = Math.min(bound * SCALE.boundRatio, Math.max(bound / SCALE.boundRatio, scale));
    }
  }

  quantile(target: 0 | 1, p: number): number {
    return this.centres[target]! + this.scales[target]! * this.#residuals[target].quantile(p);
  }

  /** Keeps the forecast just made, to learn from. */
  issue(origin: Origin): void {
    if (origin.bin < this.#lastBin + this.every) return;
    this.#lastBin = origin.bin;
    const at = this.#next;
    this.#next = (at + 1) % PENDING;
    this.#isWaiting[at] = 1;
    this.#origins[at] = origin.bin;
    this.#pendingFeatures.set(this.features, at * FEATURE_COUNT);
    this.#pendingScaleFeatures.set(this.#scaleFeatures, at * SCALE_FEATURE_COUNT);
    this.#pendingSaid.set(
      [origin.level, this.centres[0]!, this.centres[1]!, this.scales[0]!, this.scales[1]!, 0, origin.timeOfDayMs / DAY_MS],
      at * 7,
    );
  }

  /** Bin `bin` had `level`. */
  observe(bin: number, level: number): void {
    let isNew = false;
    for (let at = 0; at < PENDING; at += 1) {
      if (this.#isWaiting[at] === 0) continue;
      const age = bin - this.#origins[at]!;
      const highest = Math.max(this.#pendingSaid[at * 7 + 5]!, level);
      this.#pendingSaid[at * 7 + 5] = highest;
      if (age < this.steps) continue;
      this.#isWaiting[at] = 0;
      // A label a little late is still one; after a gap there is none.
      if (age > this.steps + this.steps / 8) continue;
      this.#learn(at, level, highest);
      isNew = true;
    }
    if (!isNew) return;
    this.#regression.solve();
    this.#scaleRegression.solve();
  }

  /** Forgets the forecasts that wait: the clock was set. */
  drop(): void {
    this.#isWaiting.fill(0);
    this.#lastBin = -Infinity;
  }

  #learn(at: number, level: number, highest: number): void {
    const said = this.#pendingSaid;
    const [origin, centre, top, scale, topScale] = [
      said[at * 7]!,
      said[at * 7 + 1]!,
      said[at * 7 + 2]!,
      said[at * 7 + 3]!,
      said[at * 7 + 4]!,
    ];
    const [error, topError] = [level - centre, highest - top];
    this.#regression.observe(this.#pendingFeatures, at * FEATURE_COUNT, {
      keep: this.#keep,
      weight: REGRESSION.kappa / (scale * scale),
      targets: [centre + clip(error, scale) - origin, top + clip(topError, topScale) - origin],
    });
    const sizes: [number, number] = [ln(Math.abs(error) + SCALE.least), ln(Math.abs(topError) + SCALE.least)];
    this.#scaleRegression.observe(this.#pendingScaleFeatures, at * SCALE_FEATURE_COUNT, {
      keep: this.#scaleKeep,
      weight: 1,
      targets: sizes,
    });
    this.#residuals[0].observe(error / scale, this.#growth);
    this.#residuals[1].observe(topError / topScale, this.#growth);
    this.#updates += 1;
    const first = 1 / (this.#updates + 1);
    this.#short += Math.max(first, this.#shortRate) * (Math.abs(error) - this.#short);
    this.#long += Math.max(first, this.#longRate) * (Math.abs(error) - this.#long);
    const slot = slotOf(said[at * 7 + 6]! * DAY_MS);
    const before = this.#slots[slot]!;
    this.#slots[slot] = before === 0 ? sizes[0] : before + SCALE.slotRate * (sizes[0] - before);
  }
}

function slotOf(timeOfDayMs: number): number {
  return Math.min(SCALE.slotCount - 1, Math.floor((timeOfDayMs / DAY_MS) * SCALE.slotCount));
}

function clip(error: number, scale: number): number {
  const most = REGRESSION.clipScales * scale + REGRESSION.clipLeast;
  return Math.min(most, Math.max(-most, error));
}

function keepOf(memoryMs: number, updateMs: number, updatesMin: number): number {
  return exp(-1 / Math.max(memoryMs / updateMs, updatesMin));
}
