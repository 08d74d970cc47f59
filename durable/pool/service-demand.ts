// The control loop of one service: bins of demand → forecaster → plan → what the operator sees, and what its fleet follows where
// the plan is done. Pure but for the Wasm memory it owns; the pool's object gives it time and a disk. docs/design/control-loop.md.
//
// Fails open: where the forecaster or the planner breaks, it says so once and rests; the pool serves on without it.
import type { ServiceConfig } from "#shared/config/schema.ts";
import type { DemandHistory, HistoryAnswer } from "#shared/protocol/demand-history.ts";
import type { DemandStats, HorizonStats } from "#shared/protocol/demand-stats.ts";
import { refuse } from "#shared/errors/refusal.ts";
import { KIB_BYTES, MINUTE_MS } from "#shared/units.ts";
import type { DemandForecaster } from "#wasm/binding/forecast/demand-forecaster.ts";
import { instantiateKernels, type Kernels } from "#wasm/binding/kernels.ts";
import { kernelsModule } from "#wasm/binding/module.ts";
import { refuseHistory } from "./demand-history.ts";
import { horizonsOf } from "./demand-horizons.ts";
import { DemandPlan, type DemandSetting } from "./demand-plan.ts";
import { fillSilence } from "./demand-silence.ts";
import { DemandEngine } from "./demand-engine.ts";
import { eventsOf, type PlannedFleet } from "./demand-configuration.ts";
import { BIN_MS, DemandMeter, type DemandBin, type DemandLevel, type DemandReport } from "./demand-meter.ts";
import { exchangeShares, isExchangeDue, retriedAtMs, type PoolingShell } from "./demand-pooling.ts";
import { NO_FACTS, type DemandFacts, type DemandStates } from "./demand-store.ts";
import { NOTHING_PREWARMED, prewarmAtMs, prewarmedBy, wantedOf, type PrewarmInput, type WantedShards } from "./prewarm.ts";

/** One service's forecaster with the learned model, its scratch and one blob on its way: 261 KiB, measured; and some room. */
export const DEMAND_MEMORY_BYTES = 352 * KIB_BYTES;
/** After so long without a request the loop sleeps: it sets no alarm until something comes. */
const IDLE_MS = 10 * MINUTE_MS;
/** While it changes, the state is written so often: one row. */
const SAVE_MS = MINUTE_MS;

export interface DemandShell extends PoolingShell {
  readonly kernels: Kernels;
  readonly loadFacts: () => DemandFacts;
  /** Read at the first need, not at the start. */
  readonly loadStates: () => DemandStates | null;
  readonly save: (facts: DemandFacts, states: DemandStates) => void;
  /** Of its time, ÷ the wall's; 1 but in development. */
  readonly speed?: number;
  /** Null: the plan is shown and not done. */
  readonly fleet: () => PlannedFleet | null;
}

export class ServiceDemand {
  readonly #shell: DemandShell;
  #facts = NO_FACTS;
  /** What is stored was told by a clock of another speed: its times are decades away, so it is begun afresh. */
  #isForeign = false;
  #service: ServiceConfig | null = null;
  readonly #engine: DemandEngine;
  readonly #plan: DemandPlan;
  /** Null: asleep. */
  #meter: DemandMeter | null = null;
  #savedAtMs = -Infinity;
  #isDirty = false;
  #hasFailed = false;
  #prewarmed = NOTHING_PREWARMED;

  constructor(shell: DemandShell) {
    this.#shell = shell;
    const loadStates = (): DemandStates | null => (this.#isForeign ? null : shell.loadStates());
    const freshKernels = (): Kernels => instantiateKernels(kernelsModule, { memoryBytes: DEMAND_MEMORY_BYTES });
    this.#engine = new DemandEngine(
      { kernels: shell.kernels, freshKernels, loadStates },
      {
        begun: () => (this.#facts = { ...this.#facts, exchangedAtMs: 0 }),
        refused: (part, reason) => this.#restarted(part, reason),
      },
    );
    this.#plan = new DemandPlan({ fleet: shell.fleet, planner: () => this.#engine.planner });
  }

  /** Once, when the disk may be read. */
  open(setting: DemandSetting): void {
    const { speed = 1 } = this.#shell;
    const facts = this.#shell.loadFacts();
    this.#isForeign = facts.speed !== speed;
    this.#facts = this.#isForeign ? { ...NO_FACTS, restarts: facts.restarts, speed } : facts;
    this.configure(setting);
    if (this.#isForeign && facts.binEndMs !== null) this.#restarted("forecaster", "clock");
  }

  configure(setting: DemandSetting): void {
    this.#service = setting.service;
    this.#plan.configure(setting);
    if (setting.service !== null) this.#engine.forecaster?.setEvents(eventsOf(setting.service));
  }

  /** Nothing comes and nothing runs, as far as is known: one that has failed knows nothing. */
  get isAsleep(): boolean {
    return this.#meter === null && !this.#hasFailed;
  }

  /** What a holder did since it last said so. */
  report(holder: string, report: DemandReport, nowMs: number): void {
    if (report.arrivals > 0 || report.busyMs > 0 || report.refusedCount > 0) this.#wake(nowMs)?.report(holder, report, nowMs);
  }

  arrive(nowMs: number): void {
    this.#wake(nowMs)?.arrive(nowMs);
  }

  refuse(nowMs: number): void {
    this.#wake(nowMs)?.refuse(nowMs);
  }

  /** After every event of the pool: what is out now. */
  note(level: DemandLevel & { readonly isBusy: boolean }, nowMs: number): void {
    if (level.isBusy) this.#wake(nowMs);
    else if (this.#meter === null && !this.#facts.isSilent && this.#idleMs(nowMs) < IDLE_MS) this.#begin(nowMs);
    this.#meter?.setLevel(level, nowMs);
  }

  /** When `tick` has something to do; null: nothing, until something comes. */
  get wakesAtMs(): number | null {
    if (this.#service === null) return null;
    return this.#meter === null ? this.#facts.prewarmAtMs : this.#meter.closesAtMs;
  }

  /** What its shards follow, where the plan is done; null: nothing is known since the object started, or any more. */
  wantedAt(nowMs: number): WantedShards | null {
    if (this.#hasFailed) return null;
    return wantedOf(this.#plan.last, { prewarmed: this.#prewarmed, isAsleep: this.isAsleep, nowMs });
  }

  /** Takes the bins that have closed into the forecast and the plan. Never throws, but for what `save` throws. */
  tick(nowMs: number): void {
    const service = this.#service;
    if (service !== null) this.#prewarm(service, nowMs);
    if (this.#meter === null || service === null || nowMs < this.#meter.closesAtMs) return;
    const bins = this.#meter.take(nowMs);
    if (!this.#attempt(() => this.#observe(service, bins, nowMs))) return;
    const isSilent = this.#idleMs(nowMs) >= IDLE_MS && this.#facts.binEndMs !== null;
    if (isSilent) this.#fallAsleep(service, nowMs);
    if (isSilent || (this.#isDirty && nowMs - this.#savedAtMs >= SAVE_MS)) this.#save(nowMs);
  }

  /** What was wanted before this pool saw any of it. On disk when it is answered. */
  learn(history: DemandHistory, nowMs: number): HistoryAnswer {
    const service = this.#service;
    const refusal = refuseHistory(history, { knownUntilMs: this.#facts.binEndMs, nowMs });
    if (refusal !== null) return refusal;
    const isTold = service !== null && this.#attempt(() => this.#plan.learn(history, this.#engine.forecasterOf(service)));
    if (!isTold) return refuse("internal", "The forecaster has failed and rests until its pool restarts.");
    const binEndMs = history.startMs + history.slots.length * BIN_MS;
    this.#facts = { ...this.#facts, isSilent: false, binEndMs, binCount: this.#facts.binCount + history.slots.length };
    this.#save(nowMs);
    return { ok: true, knownUntilMs: binEndMs };
  }

  stats(nowMs: number): DemandStats {
    const service = this.#service;
    const { binCount, arrivalsPerSecond, slotsWanted } = this.#facts;
    let horizons: readonly HorizonStats[] = [];
    if (service !== null && binCount > 0) this.#attempt(() => (horizons = horizonsOf(this.#engine.forecasterOf(service), nowMs)));
    const { restarts } = this.#facts;
    return {
      binCount,
      arrivalsPerSecond,
      slotsWanted,
      horizons,
      plan: this.#plan.stats(this.#facts),
      restarts,
      hasFailed: this.#hasFailed,
    };
  }

  #observe(service: ServiceConfig, bins: readonly DemandBin[], nowMs: number): void {
    const [first] = bins;
    const last = bins.at(-1);
    if (first === undefined || last === undefined) return;
    const forecaster = this.#engine.forecasterOf(service);
    if (this.#facts.isSilent && this.#facts.binEndMs !== null) fillSilence(forecaster, this.#facts.binEndMs, first.endMs - BIN_MS);
    for (const { endMs, arrivalsPerSecond, slots } of bins)
      forecaster.observe({ timeMs: endMs - 1, arrivals: arrivalsPerSecond, concurrency: slots });
    const wantedSlots = bins.map(({ slots }) => slots);
    const planned = this.#plan.follow(forecaster, wantedSlots, { before: this.#facts, nowMs });
    this.#facts = {
      ...this.#facts,
      isSilent: false,
      binEndMs: last.endMs,
      binCount: this.#facts.binCount + bins.length,
      arrivalsPerSecond: last.arrivalsPerSecond,
      slotsWanted: last.slots,
      ...planned,
    };
    this.#isDirty = true;
    if (isExchangeDue(this.#facts.exchangedAtMs, nowMs)) void this.#exchange(service.service, forecaster, nowMs);
  }

  async #exchange(service: string, forecaster: DemandForecaster, nowMs: number): Promise<void> {
    this.#facts = { ...this.#facts, exchangedAtMs: nowMs };
    const isCurrent = (): boolean => this.#engine.forecaster === forecaster;
    const isAnswered = await exchangeShares(this.#shell, { service, forecaster, isCurrent });
    if (!isAnswered) this.#facts = { ...this.#facts, exchangedAtMs: retriedAtMs(nowMs) };
  }

  #restarted(part: "forecaster" | "planner", reason: string): void {
    const key = `${part} ${reason}`;
    const { restarts } = this.#facts;
    this.#facts = { ...this.#facts, restarts: { ...restarts, [key]: (restarts[key] ?? 0) + 1 } };
    this.#shell.warn("demand-begun-afresh", { service: this.#service?.service, part, reason });
  }

  #save(nowMs: number): void {
    const { states } = this.#engine;
    if (states === null) return;
    this.#shell.save(this.#facts, states);
    this.#savedAtMs = nowMs;
    this.#isDirty = false;
  }

  #attempt(run: () => void): boolean {
    if (this.#hasFailed) return false;
    try {
      run();
      return true;
    } catch (error) {
      this.#hasFailed = true;
      this.#meter = null;
      this.#shell.warn("demand-failed", { service: this.#service?.service, error: String(error) });
      return false;
    }
  }

  /** Where the plan is done, its own forecast says what is kept meanwhile, and when it has to be awake again. */
  #fallAsleep(service: ServiceConfig, nowMs: number): void {
    let atMs: number | null = null;
    if (this.#shell.fleet() !== null) {
      this.#attempt(() => {
        const input = this.#prewarmInput(service, nowMs);
        const { count, untilMs } = prewarmedBy(input);
        this.#prewarmed = { count: Math.max(count, service.shards.countMin), untilMs };
        atMs = prewarmAtMs(input, this.#prewarmed.count);
      });
    }
    this.#meter = null;
    this.#facts = { ...this.#facts, isSilent: true, prewarmAtMs: atMs };
  }

  /** Awake as if something had come, and for as long. */
  #prewarm(service: ServiceConfig, nowMs: number): void {
    const { prewarmAtMs: atMs } = this.#facts;
    if (this.#meter !== null || atMs === null || nowMs < atMs || this.#shell.fleet() === null) return;
    this.#wake(nowMs);
    this.#attempt(() => (this.#prewarmed = prewarmedBy(this.#prewarmInput(service, nowMs))));
  }

  #prewarmInput(service: ServiceConfig, nowMs: number): PrewarmInput {
    const forecaster = this.#engine.forecasterOf(service);
    const { shardSlots, startMsPrior } = this.#plan.policyFor(service);
    const startMs = this.#plan.last?.startMs ?? startMsPrior;
    return { expect: (horizonsMs) => forecaster.profile("concurrency", horizonsMs, nowMs), nowMs, startMs, shardSlots };
  }

  #wake(nowMs: number): DemandMeter | null {
    if (this.#hasFailed) return null;
    if (this.#meter === null) this.#begin(nowMs);
    this.#facts = { ...this.#facts, activeAtMs: nowMs, prewarmAtMs: null };
    return this.#meter;
  }

  #begin(nowMs: number): void {
    if (this.#hasFailed) return;
    this.#meter = new DemandMeter(nowMs, this.#facts.isSilent || this.#facts.binEndMs === null, this.#shell.speed);
  }

  /** A clock set back does not keep it awake for longer. */
  #idleMs(nowMs: number): number {
    if (this.#facts.activeAtMs > nowMs) this.#facts = { ...this.#facts, activeAtMs: nowMs };
    return nowMs - this.#facts.activeAtMs;
  }
}
