// Twins of wasm/assembly/limit/concurrency.ts, aimd.ts and vegas.ts.

export interface ReferenceSample {
  readonly nowMs: number;
  readonly latencyMs: number;
  readonly inFlight: number;
  readonly dropped: boolean;
}

const SAMPLE_COUNT_MIN = 100;
const GRADIENT_MIN = 0.5;
const SMOOTHING = 0.2;
const CLOCK_MS = 1;
const BREATH_RATIO = 0.8;
const EPOCH_WINDOW_COUNT_MIN = 20;
const DEEPER_RATIO = 0.9;
const STUBBORN_RATIO = 0.75;
const DROP_RATIO_MAX = 0.05;

interface GradientOptions {
  readonly limitMin?: number;
  readonly limitMax?: number;
  readonly limitInitial?: number;
  readonly tolerance?: number;
  readonly epochMs?: number;
}

type Phase = "warming" | "steady" | "draining" | "measuring";

export class GradientLimitReference {
  readonly #options: Required<GradientOptions>;
  #limit: number;
  #breath = 0;
  #phase: Phase = "warming";
  #top = { limit: 0, meanMs: 0 };
  #window = { served: 0, dropped: 0, latencySumMs: 0, inFlightMax: 0 };
  #epoch = { startMs: -1, windowCount: 0, lowestMs: Infinity };
  #lastLowestMs = Infinity;

  constructor({ limitMin = 1, limitMax = 1_000, limitInitial = 20, tolerance = 1.5, epochMs = 10_000 }: GradientOptions = {}) {
    this.#options = { limitMin, limitMax, limitInitial, tolerance, epochMs };
    this.#limit = limitInitial;
  }

  get limit(): number {
    return Math.floor(this.#phase === "draining" || this.#phase === "measuring" ? this.#breath : this.#limit);
  }

  get answersLeft(): number {
    const { served, dropped } = this.#window;
    return Math.max(SAMPLE_COUNT_MIN, Math.floor(this.#limit)) - served - dropped;
  }

  get baselineMs(): number | null {
    const baselineMs = Math.min(this.#lastLowestMs, this.#epoch.lowestMs);
    return baselineMs === Infinity ? null : baselineMs;
  }

  observe({ nowMs, latencyMs, inFlight, dropped }: ReferenceSample): number {
    const window = this.#window;
    if (dropped) window.dropped += 1;
    else {
      window.served += 1;
      window.latencySumMs += latencyMs;
    }
    window.inFlightMax = Math.max(window.inFlightMax, inFlight);
    if (window.served + window.dropped >= Math.max(SAMPLE_COUNT_MIN, Math.floor(this.#limit))) this.#closeWindow(nowMs);
    return this.limit;
  }

  #closeWindow(nowMs: number): void {
    const { served, dropped, latencySumMs, inFlightMax } = this.#window;
    const meanMs = served > 0 ? latencySumMs / served : 0;
    const isPressed = inFlightMax * 2 >= this.#limit;
    this.#window = { served: 0, dropped: 0, latencySumMs: 0, inFlightMax: 0 };
    if (this.#phase === "warming") {
      this.#phase = "steady";
      return;
    }
    if (served > 0) this.#epoch.lowestMs = Math.min(this.#epoch.lowestMs, meanMs);
    this.#epoch.windowCount += 1;
    if (this.#phase !== "steady") {
      const wasMeasuring = this.#phase === "measuring";
      this.#phase = wasMeasuring ? "steady" : "measuring";
      if (wasMeasuring && served > 0 && meanMs < DEEPER_RATIO * this.#lastLowestMs) {
        this.#lastLowestMs = meanMs;
        this.#breathe(this.#breath, meanMs);
      }
      return;
    }
    this.#update({ meanMs: served > 0 ? meanMs : null, dropRatio: dropped / (served + dropped), isPressed });
    if (this.#rollEpoch(nowMs) && isPressed && served > 0) this.#breathe(this.#limit, meanMs);
  }

  #update({ meanMs, dropRatio, isPressed }: { meanMs: number | null; dropRatio: number; isPressed: boolean }): void {
    const { limitMin, limitMax, tolerance } = this.#options;
    let gradient = 1;
    if (meanMs !== null && isPressed) gradient = Math.min(1, (tolerance * (this.baselineMs ?? 0) + CLOCK_MS) / meanMs);
    if (dropRatio > DROP_RATIO_MAX) gradient = Math.min(gradient, 1 - dropRatio);
    gradient = Math.max(GRADIENT_MIN, gradient);
    this.#judgeDescent(meanMs, gradient);
    const room = gradient === 1 && isPressed ? Math.sqrt(this.#limit) : 0;
    const wanted = this.#limit * gradient + room;
    this.#limit = Math.min(limitMax, Math.max(limitMin, this.#limit * (1 - SMOOTHING) + wanted * SMOOTHING));
  }

  #judgeDescent(meanMs: number | null, gradient: number): void {
    if (gradient === 1 || meanMs === null) {
      this.#top.limit = 0;
      return;
    }
    if (this.#top.limit === 0) this.#top = { limit: this.#limit, meanMs };
    const isHalved = this.#limit * 2 <= this.#top.limit || this.#limit <= this.#options.limitMin;
    if (!isHalved || meanMs < STUBBORN_RATIO * this.#top.meanMs) return;
    this.#top.limit = 0;
    this.#lastLowestMs = meanMs;
    this.#epoch.lowestMs = meanMs;
  }

  #rollEpoch(nowMs: number): boolean {
    const epoch = this.#epoch;
    if (epoch.startMs < 0 || nowMs < epoch.startMs) epoch.startMs = nowMs;
    if (nowMs - epoch.startMs < this.#options.epochMs || epoch.windowCount < EPOCH_WINDOW_COUNT_MIN) return false;
    this.#lastLowestMs = epoch.lowestMs;
    this.#epoch = { startMs: nowMs, windowCount: 0, lowestMs: Infinity };
    return true;
  }

  #breathe(limit: number, meanMs: number): void {
    const baselineMs = this.#lastLowestMs;
    const needed = (BREATH_RATIO * baselineMs + CLOCK_MS) / (Math.max(meanMs, baselineMs) + CLOCK_MS);
    const ratio = Math.max(GRADIENT_MIN, Math.min(1, needed));
    this.#breath = Math.max(this.#options.limitMin, limit * ratio);
    this.#phase = "draining";
  }
}

interface AimdOptions {
  readonly limitMin?: number;
  readonly limitMax?: number;
  readonly limitInitial?: number;
  readonly backoffRatio?: number;
  readonly timeoutMs?: number;
}

export class AimdLimitReference {
  readonly #options: Required<AimdOptions>;
  limit: number;

  constructor({ limitMin = 20, limitMax = 200, limitInitial = 20, backoffRatio = 0.9, timeoutMs = 5_000 }: AimdOptions = {}) {
    this.#options = { limitMin, limitMax, limitInitial, backoffRatio, timeoutMs };
    this.limit = limitInitial;
  }

  observe({ latencyMs, inFlight, dropped }: ReferenceSample): number {
    const { limitMin, limitMax, backoffRatio, timeoutMs } = this.#options;
    let { limit } = this;
    if (dropped || latencyMs > timeoutMs) limit = Math.floor(limit * backoffRatio);
    else if (inFlight * 2 >= limit) limit += 1;
    this.limit = Math.min(limitMax, Math.max(limitMin, limit));
    return this.limit;
  }
}

const PROBE_MULTIPLIER = 30;
const GOLDEN = 0.6180339887498949;

interface VegasOptions {
  readonly limitMax?: number;
  readonly limitInitial?: number;
  readonly alpha?: number;
  readonly beta?: number;
}

export class VegasLimitReference {
  readonly #options: Required<VegasOptions>;
  limit: number;
  #noLoadMs = 0;
  #answers = 0;
  #probes = 1;

  constructor({ limitMax = 1_000, limitInitial = 20, alpha = 0, beta = 0 }: VegasOptions = {}) {
    this.#options = { limitMax, limitInitial, alpha, beta };
    this.limit = limitInitial;
  }

  observe({ latencyMs, inFlight, dropped }: ReferenceSample): number {
    if (this.#isProbe() || this.#noLoadMs === 0 || latencyMs < this.#noLoadMs) this.#noLoadMs = latencyMs;
    else this.limit = Math.min(this.#options.limitMax, Math.max(1, this.limit + this.#step(latencyMs, inFlight, dropped)));
    return this.limit;
  }

  #isProbe(): boolean {
    this.#answers += 1;
    const turns = this.#probes * GOLDEN;
    const isProbe = (0.5 + (turns - Math.floor(turns)) / 2) * PROBE_MULTIPLIER * this.limit <= this.#answers;
    if (isProbe) {
      this.#answers = 0;
      this.#probes += 1;
    }
    return isProbe;
  }

  #step(latencyMs: number, inFlight: number, dropped: boolean): number {
    const digits = Math.max(1, String(this.limit).length - 1);
    if (dropped) return -digits;
    if (inFlight * 2 < this.limit) return 0;
    const alpha = this.#options.alpha || 3 * digits;
    const beta = this.#options.beta || 6 * digits;
    const queued = Math.ceil(this.limit * (1 - this.#noLoadMs / latencyMs));
    if (queued <= digits) return beta;
    if (queued < alpha) return digits;
    return queued > beta ? -digits : 0;
  }
}
