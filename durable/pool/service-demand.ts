// The control loop of one service: bins of demand → forecaster → plan → what the operator sees, and what its fleet follows where
// the plan is done. Pure but for the Wasm memory it owns; the pool's object gives it time and a disk. docs/design/control-loop.md.
//
// Fails open: where the forecaster or the planner breaks, it says so once and rests; the pool serves on without it.
import type { ServiceConfig } from "#shared/config/schema.ts";
import type { DemandHistory, HistoryAnswer } from "#shared/protocol/demand-history.ts";
import type { DemandStats, HorizonStats } from "#shared/protocol/demand-stats.ts";
import { refuse } from "#shared/errors/refusal.ts";
import { KIB_BYTES, MINUTE_MS, SECOND_MS } from "#shared/units.ts";
import { DemandForecaster, type DemandOptions } from "#wasm/binding/forecast/demand-forecaster.ts";
import type { Kernels } from "#wasm/binding/kernels.ts";
import type { PoolShard } from "./layout.ts";
import { newPlannerState, readPlannerState, type PlannerState } from "./plan/planner-state.ts";
import { plan, type Plan, type PlanPolicy } from "./planner.ts";
import { refuseHistory, tellHistory } from "./demand-history.ts";
import { horizonsOf } from "./demand-horizons.ts";
import { planStatsOf } from "./demand-plan-stats.ts";
import { fillSilence } from "./demand-silence.ts";
import { eventsOf, modelOf, planPolicyOf, type PlannedFleet } from "./demand-configuration.ts";
import { BIN_MS, DemandMeter, type DemandBin, type DemandLevel, type DemandReport } from "./demand-meter.ts";
import { exchangeShares, isExchangeDue, retriedAtMs, type PoolingShell } from "./demand-pooling.ts";
import { NO_FACTS, type DemandFacts, type DemandStates } from "./demand-store.ts";

/** One service's forecaster with the learned model, its scratch and one blob on its way: 261 KiB, measured; and the table of another model. */
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

  /** The last one since the object started. */
  get lastPlan(): Plan | null {
    return this.#lastPlan;
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
    return this.#meter === null || this.#setting.service === null ? null : this.#meter.closesAtMs;
  }

  /** Takes the bins that have closed into the forecast and the plan. Never throws, but for what `save` throws. */
  tick(nowMs: number): void {
    const { service } = this.#setting;
    if (this.#meter === null || service === null || nowMs < this.#meter.closesAtMs) return;
    const bins = this.#meter.take(nowMs);
    if (!this.#attempt(() => this.#observe(service, bins, nowMs))) return;
    const isSilent = this.#idleMs(nowMs) >= IDLE_MS && this.#facts.binEndMs !== null;
    if (isSilent) {
      this.#meter = null;
      this.#facts = { ...this.#facts, isSilent };
    }
    if (isSilent || (this.#isDirty && nowMs - this.#savedAtMs >= SAVE_MS)) this.#save(nowMs);
  }

  /** What was wanted before this pool saw any of it. On disk when it is answered. */
  learn(history: DemandHistory, nowMs: number): HistoryAnswer {
    const { service } = this.#setting;
    const refusal = refuseHistory(history, { knownUntilMs: this.#facts.binEndMs, nowMs });
    if (refusal !== null) return refusal;
    const isTold =
      service !== null &&
      this.#attempt(() => {
        const forecaster = this.#forecasterOf(service);
        const [planner, policy] = [this.#planner, this.#policy];
        if (planner !== null && policy !== null) this.#lastPlan = tellHistory(history, { forecaster, planner, policy });
      });
    if (!isTold) return refuse("internal", "The forecaster has failed and rests until its pool restarts.");
    const binEndMs = history.startMs + history.slots.length * BIN_MS;
    this.#facts = { ...this.#facts, isSilent: false, binEndMs, binCount: this.#facts.binCount + history.slots.length };
    this.#save(nowMs);
    return { ok: true, knownUntilMs: binEndMs };
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
    return planStatsOf({ mode: this.#setting.service?.provisioning.mode ?? "shadow", policy, planned, planner, facts: this.#facts });
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
    if (isExchangeDue(this.#facts.exchangedAtMs, nowMs)) void this.#exchange(service.service, forecaster, nowMs);
  }

  async #exchange(service: string, forecaster: DemandForecaster, nowMs: number): Promise<void> {
    this.#facts = { ...this.#facts, exchangedAtMs: nowMs };
    const isCurrent = (): boolean => this.#engine?.forecaster === forecaster;
    const isAnswered = await exchangeShares(this.#shell, { service, forecaster, isCurrent });
    if (!isAnswered) this.#facts = { ...this.#facts, exchangedAtMs: retriedAtMs(nowMs) };
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
    if (restored?.ok !== true) this.#facts = { ...this.#facts, exchangedAtMs: 0 };
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

  #wake(nowMs: number): DemandMeter | null {
    if (this.#hasFailed) return null;
    if (this.#meter === null) this.#begin(nowMs);
    this.#facts = { ...this.#facts, activeAtMs: nowMs };
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
