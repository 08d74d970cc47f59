import { localTimeAt } from "#shared/forecast/local-time.ts";
import type { DemandQuantiles, DemandRow, LocalTime, Observed, Verdict } from "#shared/forecast/minute-demand.ts";
import { pooledShares, type SharesPool } from "#shared/forecast/pooled-shares.ts";
import type { SeasonalModel } from "#shared/forecast/seasonal-model.ts";
import type { Kernels } from "../kernels.ts";
import { packState, unpackState, type DemandRestoreOutcome } from "./demand-blob.ts";
import { EventUplifts, type DemandEvent, type LearnedUplift } from "./event-uplifts.ts";
import { FineForecaster, type ObservationCounts } from "./fine-forecaster.ts";
import { HourlyDemand } from "./hourly-demand.ts";
import { SeasonalForecaster } from "./seasonal-forecaster.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const STEP_MS = 10_000;
const PROFILE_HORIZONS_MS = [MINUTE_MS, 5 * MINUTE_MS, HOUR_MS];
/** From the shortest start-up time on, for provisioning: what lies between is interpolated. */
const PLAN_HORIZONS_MS = [2 * STEP_MS, MINUTE_MS, 5 * MINUTE_MS, 15 * MINUTE_MS, HOUR_MS];
/** From an hour to this far ahead the minutes' forecast gives way to the hourly core's. */
const HANDOVER_MS = 3 * HOUR_MS;
/** The latest moment a Date can name, less what is looked ahead. */
const TIME_MS_MAX = 8.64e15 - 10 * 24 * HOUR_MS;
/** Local time is asked for again after so long, or when it changes. */
const LOCAL_TIME_MS = 24 * HOUR_MS;

export type DemandSignal = "arrivals" | "concurrency";

/** What a service saw at a time; a signal that is not given, or no number, is missing. */
export interface DemandSample {
  readonly timeMs: number;
  readonly arrivals?: number;
  readonly concurrency?: number;
}

export interface DemandOptions {
  /** IANA; UTC if not given. */
  readonly timeZone?: string;
  readonly events?: readonly DemandEvent[];
  /** Which signal's hours the seasonal core follows; concurrency if not given. */
  readonly hourly?: DemandSignal;
  /** Of the seasonal core. */
  readonly model?: SeasonalModel;
}

export interface JudgedRow extends DemandRow {
  /** What the horizon's forecasts were worth over the last week; null: it is none that is fitted, and so judged. */
  readonly judged: Verdict | null;
}

/**
 * One service's demand: two signals on a grid of 10 s for the minutes, and the hourly core, which inform each other. The core's
 * hours are means of the minutes, by local time and without the events' uplift; what it expects is a feature of theirs.
 */
export class DemandForecaster {
  readonly #core: SeasonalForecaster;
  readonly #hourly: HourlyDemand;
  readonly #fine: Readonly<Record<DemandSignal, FineForecaster>>;
  readonly #hourlySignal: DemandSignal;
  readonly #timeZone: string;
  readonly #events = new EventUplifts();
  #localTime: LocalTime = { offsetMs: 0, changeAtMs: -Infinity, offsetAfterMs: 0 };
  #localUntilMs = -Infinity;
  #lastMs = Number.NaN;

  /** Throws RangeError for a time zone that is none, and where the memory has no room. */
  constructor(kernels: Kernels, { timeZone = "UTC", events = [], hourly = "concurrency", model }: DemandOptions = {}) {
    this.#timeZone = timeZone;
    localTimeAt(timeZone, 0);
    this.#core = new SeasonalForecaster(kernels, model);
    this.#hourly = new HourlyDemand(this.#core);
    this.#hourlySignal = hourly;
    this.#fine = {
      arrivals: new FineForecaster(kernels, { stepMs: STEP_MS, horizonsMs: PROFILE_HORIZONS_MS }),
      concurrency: new FineForecaster(kernels, { stepMs: STEP_MS, horizonsMs: PLAN_HORIZONS_MS }),
    };
    this.#events.set(events);
  }

  /** Of all its states: what `toBytes` saves but for some hundred bytes. */
  get bytes(): number {
    return this.#core.bytes + this.#fine.arrivals.bytes + this.#fine.concurrency.bytes;
  }

  /** Never throws for a value or a time. What became of the concurrency, or of the arrivals where that is not given. */
  observe({ timeMs, arrivals = Number.NaN, concurrency = Number.NaN }: DemandSample): Observed {
    if (Math.abs(timeMs) <= TIME_MS_MAX) this.#keepTime(timeMs);
    const hourly = this.#hourlySignal === "arrivals" ? arrivals : concurrency;
    const isKnown = Number.isFinite(hourly) && Math.abs(timeMs) <= TIME_MS_MAX;
    if (isKnown) {
      const expectedAfter = (horizonMs: number): number => this.#fine[this.#hourlySignal].quantile(horizonMs, 0.5);
      if (this.#events.observe(hourly, timeMs, expectedAfter)) this.#tellEvents(timeMs);
    }
    const ofArrivals = this.#fine.arrivals.observe(arrivals, timeMs);
    const ofConcurrency = this.#fine.concurrency.observe(concurrency, timeMs);
    if (isKnown && (this.#hourlySignal === "arrivals" ? ofArrivals : ofConcurrency) !== "late") this.#observeHour(hourly, timeMs);
    const observed = Number.isNaN(concurrency) ? ofArrivals : ofConcurrency;
    if (observed === "opened" || observed === "merged") this.#lastMs = timeMs;
    return observed;
  }

  #observeHour(value: number, timeMs: number): void {
    const without = Math.expm1(Math.max(0, Math.log1p(Math.max(0, value)) - this.#upliftAt(timeMs)));
    const outlook = this.#hourly.observe(without, this.#localMs(timeMs));
    if (outlook === null) return;
    const startMs = outlook.startMs - (this.#localMs(timeMs) - timeMs);
    for (const signal of SIGNALS) this.#fine[signal].setOutlook(startMs, outlook.logs);
    this.#tellEvents(timeMs);
  }

  #keepTime(timeMs: number): void {
    if (timeMs < this.#localUntilMs && timeMs > this.#localUntilMs - 2 * LOCAL_TIME_MS) return;
    this.#localTime = localTimeAt(this.#timeZone, timeMs);
    this.#localUntilMs = Math.min(timeMs + LOCAL_TIME_MS, this.#localTime.changeAtMs);
    for (const signal of SIGNALS) this.#fine[signal].setLocalTime(this.#localTime);
    this.#tellEvents(timeMs);
  }

  #localMs(timeMs: number): number {
    const { offsetMs, changeAtMs, offsetAfterMs } = this.#localTime;
    return timeMs + (timeMs < changeAtMs ? offsetMs : offsetAfterMs);
  }

  #upliftAt(timeMs: number): number {
    let sum = 0;
    for (const { startMs, endMs, log } of this.#events.upliftsAt(timeMs)) if (startMs <= timeMs && timeMs < endMs) sum += log;
    return sum;
  }

  #tellEvents(timeMs: number): void {
    const uplifts = this.#events.upliftsAt(timeMs - HOUR_MS);
    for (const signal of SIGNALS) this.#fine[signal].setEvents(uplifts);
  }

  /** The events that are known from now on, instead of those before. */
  setEvents(events: readonly DemandEvent[]): void {
    this.#events.set(events);
    if (!Number.isNaN(this.#lastMs)) this.#tellEvents(this.#lastMs);
  }

  /** What events of that name have shown; null where none has. */
  learnedUplift(name: string): LearnedUplift | null {
    return this.#events.learnedOf(name);
  }

  /** Concurrency `horizonMs` from `nowMs` on that is exceeded with probability 1 − p; 0 before any observation. RangeError as FineForecaster.quantile. */
  quantile(horizonMs: number, p: number, nowMs = this.#lastMs): number {
    return this.#fine.concurrency.quantile(horizonMs + this.#silentMs(nowMs), p);
  }

  /** The same for the highest 10 s of the coming window. */
  maxQuantile(windowMs: number, p: number, nowMs = this.#lastMs): number {
    return this.#fine.concurrency.maxQuantile(windowMs + this.#silentMs(nowMs), p);
  }

  /** Both for many probabilities at once. */
  quantiles(horizonMs: number, asked: DemandQuantiles, nowMs = this.#lastMs): void {
    this.#fine.concurrency.quantiles(horizonMs + this.#silentMs(nowMs), asked);
  }

  /** Rows for horizons from `nowMs` on: mean, lower, upper of the 95 % interval. */
  profile(signal: DemandSignal, horizonsMs: readonly number[] = PROFILE_HORIZONS_MS, nowMs = this.#lastMs): DemandRow[] {
    const silentMs = this.#silentMs(nowMs);
    const rows = this.#fine[signal].profile(horizonsMs.map((horizonMs) => horizonMs + silentMs));
    return rows.map((row, index) => this.#handedOver(signal, { ...row, horizonMs: horizonsMs[index] ?? 0 }, silentMs));
  }

  // Beyond an hour, for the signal that it follows, the hourly core knows better.
  #handedOver(signal: DemandSignal, row: DemandRow, silentMs: number): DemandRow {
    const aheadMs = row.horizonMs + silentMs;
    if (signal !== this.#hourlySignal || aheadMs <= HOUR_MS || Number.isNaN(this.#lastMs)) return row;
    const targetMs = this.#lastMs + aheadMs;
    const hour = this.#hourly.rowAt(this.#localMs(targetMs));
    if (hour === null) return row;
    const share = Math.min(1, Math.log(aheadMs / HOUR_MS) / Math.log(HANDOVER_MS / HOUR_MS));
    const uplift = this.#upliftAt(targetMs);
    const between = (from: number, to: number): number => {
      const log = (1 - share) * Math.log1p(from) + share * Math.max(0, Math.log1p(to) + uplift);
      return Math.expm1(log);
    };
    return {
      horizonMs: row.horizonMs,
      mean: between(row.mean, hour.mean),
      lower: between(row.lower, hour.lower),
      upper: between(row.upper, hour.upper),
    };
  }

  #silentMs(nowMs: number): number {
    return Number.isNaN(this.#lastMs) || Number.isNaN(nowMs) ? 0 : Math.max(0, nowMs - this.#lastMs);
  }

  /** The same, each row with how its horizon was judged: for those who look at it, not for those who plan with it. */
  judgedProfile(signal: DemandSignal, horizonsMs: readonly number[] = PROFILE_HORIZONS_MS, nowMs = this.#lastMs): JudgedRow[] {
    const fittedMs = signal === "arrivals" ? PROFILE_HORIZONS_MS : PLAN_HORIZONS_MS;
    const verdicts = this.#fine[signal].verdicts();
    return this.profile(signal, horizonsMs, nowMs).map((row) => ({ ...row, judged: verdicts[fittedMs.indexOf(row.horizonMs)] ?? null }));
  }

  counts(signal: DemandSignal): ObservationCounts {
    return this.#fine[signal].counts;
  }

  /** Between which forecasters what they tell of kinds means the same; null where the model knows of one kind only. */
  get kindsModel(): string | null {
    return this.#core.learnedShares.length > 1 ? this.#core.modelHash : null;
  }

  /** What the hourly core has to tell the gateway's other services (SeasonalForecaster.clusterWeights). */
  clusterWeights(): number[] | null {
    return this.#core.clusterWeights();
  }

  /** What it believes of the kinds of series, kind by kind. */
  get shares(): number[] {
    return this.#core.shares;
  }

  /** Believes of the kinds of series what the gateway's other services have shown; kept in its state. RangeError where the pool is of other kinds. */
  believe(pool: SharesPool): void {
    this.#core.setShares(pooledShares(this.#core.learnedShares, pool));
  }

  /** Everything it knows but its options, for `restore`. */
  toBytes(): Uint8Array {
    const host = { lastMs: Number.isNaN(this.#lastMs) ? null : this.#lastMs, hourly: this.#hourly.state, events: this.#events.state };
    return packState(host, [this.#core.toBytes(), this.#fine.arrivals.toBytes(), this.#fine.concurrency.toBytes()]);
  }

  /** Goes on where `toBytes` was. What is refused makes it start afresh. */
  restore(bytes: Uint8Array): DemandRestoreOutcome {
    const unpacked = unpackState(bytes);
    if (!unpacked.ok) return this.#afresh(unpacked);
    const [core, arrivals, concurrency] = unpacked.parts;
    for (const [part, blob] of [
      [this.#core, core],
      [this.#fine.arrivals, arrivals],
      [this.#fine.concurrency, concurrency],
    ] as const) {
      const outcome = part.restore(blob);
      if (!outcome.ok) return this.#afresh(outcome);
    }
    const { lastMs, hourly, events } = unpacked.host;
    this.#lastMs = lastMs ?? Number.NaN;
    this.#hourly.state = hourly;
    this.#events.state = events;
    this.#localUntilMs = -Infinity;
    return { ok: true };
  }

  #afresh<T>(refusal: T): T {
    this.clear();
    return refusal;
  }

  /** Forgets everything. */
  clear(): void {
    this.#core.clear();
    for (const signal of SIGNALS) this.#fine[signal].clear();
    this.#hourly.state = { hour: null, sum: 0, count: 0, expectedLog: null };
    this.#events.state = { learned: {}, running: null };
    this.#lastMs = Number.NaN;
    this.#localUntilMs = -Infinity;
  }

  /** Gives the memory back. The forecaster must not be used afterwards. */
  release(): void {
    this.#core.release();
    for (const signal of SIGNALS) this.#fine[signal].release();
  }
}

const SIGNALS = ["arrivals", "concurrency"] as const satisfies readonly DemandSignal[];
