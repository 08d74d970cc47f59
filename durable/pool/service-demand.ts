// The control loop of one service: bins of demand → forecaster → plan → what the operator sees, and what its fleet follows where
// the plan is done. Pure but for the Wasm memory it owns; the pool's object gives it time and a disk. docs/design/control-loop.md.
//
// Fails open: where the forecaster or the planner breaks, it says so once and rests; the pool serves on without it.
import type { ServiceConfig } from "#shared/config/schema.ts";
import type { DemandStats, HorizonStats } from "#shared/protocol/demand-stats.ts";
import { KIB_BYTES, MINUTE_MS, SECOND_MS } from "#shared/units.ts";
import { DemandForecaster, type DemandOptions } from "#wasm/binding/forecast/demand-forecaster.ts";
import type { Kernels } from "#wasm/binding/kernels.ts";
import type { PoolShard } from "./layout.ts";
import { newPlannerState, readPlannerState, type PlannerState } from "./plan/planner-state.ts";
import { plan, type Plan, type PlanPolicy } from "./planner.ts";
import { eventsOf, modelOf, planPolicyOf, type PlannedFleet } from "./demand-configuration.ts";
import { BIN_MS, DemandMeter, type DemandBin, type DemandLevel, type DemandReport } from "./demand-meter.ts";
import { NO_FACTS, type DemandFacts, type DemandStates } from "./demand-store.ts";
import { horizonsOf, planStatsOf } from "./shown-demand.ts";
import { NOTHING_PREWARMED, prewarmAtMs, prewarmedBy, type PrewarmInput, type WantedShards } from "./prewarm.ts";
import { fillSilence } from "./silence.ts";

/** One service's forecaster with the learned model, its scratch and one blob on its way: 261 KiB, measured; and the table of another model. */
export const DEMAND_MEMORY_BYTES = 352 * KIB_BYTES;
/** After so long without a request the loop sleeps: it sets no alarm until something comes. */
const IDLE_MS = 10 * MINUTE_MS;
/** While it changes, the state is written so often: one row. */
const SAVE_MS = MINUTE_MS;

export interface DemandShell {
  readonly kernels: Kernels;
  readonly loadFacts: () => DemandFacts;
  /** Read at the first need, not at the start. */
  readonly loadStates: () => DemandStates | null;
  readonly save: (facts: DemandFacts, states: DemandStates) => void;
  /** Of its time, ÷ the wall's; 1 but in development. */
  readonly speed?: number;
  readonly warn: (event: string, details: Readonly<Record<string, unknown>>) => void;
  /** Null: the plan is shown and not done. */
  readonly fleet: () => PlannedFleet | null;
}

export interface DemandSetting {
  readonly service: ServiceConfig | null;
  readonly shards: readonly PoolShard[];
}

interface Engine {
  /** Of the configuration's parts that it was made for. */
  readonly key: string;
  readonly forecaster: DemandForecaster;
}

export class ServiceDemand {
  readonly #shell: DemandShell;
  #facts = NO_FACTS;
  #setting: DemandSetting = { service: null, shards: [] };
  #policy: PlanPolicy | null = null;
  #engine: Engine | null = null;
  #planner: PlannerState | null = null;
  #lastPlan: Plan | null = null;
  /** Null: asleep. */
  #meter: DemandMeter | null = null;
  #savedAtMs = -Infinity;
  #isDirty = false;
  #hasFailed = false;
  #prewarmed = NOTHING_PREWARMED;

  constructor(shell: DemandShell) {
    this.#shell = shell;
  }

  /** Once, when the disk may be read. */
  open(setting: DemandSetting): void {
    this.#facts = this.#shell.loadFacts();
    this.configure(setting);
  }

  configure(setting: DemandSetting): void {
    this.#setting = setting;
    this.#policy = setting.service === null ? null : this.#policyFor(setting.service);
    if (setting.service !== null) this.#engine?.forecaster.setEvents(eventsOf(setting.service));
  }

  #policyFor(service: ServiceConfig): PlanPolicy {
    return planPolicyOf(service, { current: this.#setting.shards, fleet: this.#shell.fleet() });
  }

  get isAsleep(): boolean {
    return this.#meter === null;
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
    if (this.#setting.service === null) return null;
    return this.#meter === null ? this.#facts.prewarmAtMs : this.#meter.closesAtMs;
  }

  /** What its shards follow, where the plan is done; null: nothing is known since the object started. */
  wantedAt(nowMs: number): WantedShards | null {
    const { count, untilMs } = this.#prewarmed;
    const kept = this.#meter === null || nowMs < untilMs ? count : 0;
    if (this.#lastPlan === null) return kept === 0 ? null : { count: kept, warmCount: null, startMs: null };
    const { startMs, warmCount } = this.#lastPlan;
    // Asleep, its plan is of another time.
    return { count: this.#meter === null ? kept : Math.max(kept, this.#lastPlan.count), warmCount, startMs };
  }

  /** Takes the bins that have closed into the forecast and the plan. Never throws, but for what `save` throws. */
  tick(nowMs: number): void {
    const { service } = this.#setting;
    if (service !== null) this.#prewarm(service, nowMs);
    if (this.#meter === null || service === null || nowMs < this.#meter.closesAtMs) return;
    const bins = this.#meter.take(nowMs);
    if (!this.#attempt(() => this.#observe(service, bins, nowMs))) return;
    const isSilent = this.#idleMs(nowMs) >= IDLE_MS && this.#facts.binEndMs !== null;
    if (isSilent) this.#fallAsleep(service, nowMs);
    if (isSilent || (this.#isDirty && nowMs - this.#savedAtMs >= SAVE_MS)) this.#save(nowMs);
  }

  stats(nowMs: number): DemandStats {
    const { service } = this.#setting;
    const { binCount, arrivalsPerSecond, slotsWanted } = this.#facts;
    let horizons: readonly HorizonStats[] = [];
    if (service !== null && binCount > 0) this.#attempt(() => (horizons = horizonsOf(this.#forecasterOf(service), nowMs)));
    const { restarts } = this.#facts;
    return { binCount, arrivalsPerSecond, slotsWanted, horizons, plan: this.#planStats(), restarts, hasFailed: this.#hasFailed };
  }

  #planStats(): DemandStats["plan"] {
    const [policy, planned, planner] = [this.#policy, this.#lastPlan, this.#planner];
    if (policy === null || planned === null || planner === null) return null;
    const mode = this.#setting.service?.provisioning.mode ?? "shadow";
    return planStatsOf(planned, { mode, policy, planner, facts: this.#facts });
  }

  #observe(service: ServiceConfig, bins: readonly DemandBin[], nowMs: number): void {
    const [first] = bins;
    const last = bins.at(-1);
    if (first === undefined || last === undefined) return;
    const forecaster = this.#forecasterOf(service);
    if (this.#facts.isSilent && this.#facts.binEndMs !== null) fillSilence(forecaster, this.#facts.binEndMs, first.endMs - BIN_MS);
    for (const { endMs, arrivalsPerSecond, slots } of bins)
      forecaster.observe({ timeMs: endMs - 1, arrivals: arrivalsPerSecond, concurrency: slots });
    const wantedSlots = bins.map(({ slots }) => slots);
    const planned = this.#replan(forecaster, wantedSlots, nowMs);
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
  }

  /** In shadow no fleet is told, and the plan is held against its own shadow. */
  #replan(
    forecaster: DemandForecaster,
    wantedSlots: readonly number[],
    nowMs: number,
  ): Pick<DemandFacts, "plannedShardSeconds" | "wantedShardSeconds"> {
    const { plannedShardSeconds, wantedShardSeconds } = this.#facts;
    const fleet = this.#shell.fleet();
    if (fleet !== null && this.#setting.service !== null) this.#policy = this.#policyFor(this.#setting.service);
    const policy = this.#policy;
    if (policy === null || this.#planner === null) return { plannedShardSeconds, wantedShardSeconds };
    const startsMs = fleet?.takeStarts() ?? [];
    this.#lastPlan = plan(this.#planner, { nowMs, policy, forecast: forecaster, wantedSlots, fleet: fleet?.counts() ?? null, startsMs });
    const { count, warmCount } = this.#lastPlan;
    const secondsEach = BIN_MS / SECOND_MS;
    const wantedShards = wantedSlots.reduce((sum, slots) => sum + slots, 0) / policy.shardSlots;
    return {
      plannedShardSeconds: plannedShardSeconds + (count + warmCount) * secondsEach * wantedSlots.length,
      wantedShardSeconds: wantedShardSeconds + wantedShards * secondsEach,
    };
  }

  /** Made at its first need: decoding the model is no part of a start. */
  #forecasterOf(service: ServiceConfig): DemandForecaster {
    const { timeZone, seasonsMs } = service.forecast;
    const key = JSON.stringify([timeZone, seasonsMs]);
    if (this.#engine?.key === key) return this.#engine.forecaster;
    const states = this.#engine === null ? this.#shell.loadStates() : null;
    const before = this.#engine === null ? states?.forecaster : this.#engine.forecaster.toBytes();
    this.#engine?.forecaster.release();
    this.#engine = null;
    const options: DemandOptions = { timeZone, events: eventsOf(service), model: modelOf(service) };
    const forecaster = new DemandForecaster(this.#shell.kernels, options);
    this.#engine = { key, forecaster };
    const restored = before === undefined ? null : forecaster.restore(before);
    if (restored !== null && !restored.ok) this.#restarted("forecaster", restored.reason);
    this.#planner ??= this.#plannerFrom(states?.planner, service.provisioning.startMsPrior);
    return forecaster;
  }

  #plannerFrom(bytes: Uint8Array | undefined, startMsPrior: number): PlannerState {
    const read = bytes === undefined ? null : readPlannerState(bytes);
    if (bytes !== undefined && read === null) this.#restarted("planner", "unreadable");
    return read ?? newPlannerState(startMsPrior);
  }

  #restarted(part: "forecaster" | "planner", reason: string): void {
    const key = `${part} ${reason}`;
    const { restarts } = this.#facts;
    this.#facts = { ...this.#facts, restarts: { ...restarts, [key]: (restarts[key] ?? 0) + 1 } };
    this.#shell.warn("demand-begun-afresh", { service: this.#setting.service?.service, part, reason });
  }

  #save(nowMs: number): void {
    if (this.#engine === null || this.#planner === null) return;
    this.#shell.save(this.#facts, { forecaster: this.#engine.forecaster.toBytes(), planner: this.#planner.bytes });
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
      this.#shell.warn("demand-failed", { service: this.#setting.service?.service, error: String(error) });
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
    const forecaster = this.#forecasterOf(service);
    const { shardSlots, startMsPrior } = this.#policyFor(service);
    const startMs = this.#lastPlan?.startMs ?? startMsPrior;
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
