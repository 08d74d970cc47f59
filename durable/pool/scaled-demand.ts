// A service's demand on a faster clock (shared/demand-clock.ts): everything that goes in and out is converted here, so that the demand itself
// knows of one time only. For development: docs/decisions/0065-a-day-in-minutes.md.
import type { ServiceConfig } from "#shared/config/schema.ts";
import { demandTimeOf, wallTimeOf } from "#shared/demand-clock.ts";
import type { DemandHistory, HistoryAnswer } from "#shared/protocol/demand-history.ts";
import type { DemandStats } from "#shared/protocol/demand-stats.ts";
import type { PlannedFleet } from "./demand-configuration.ts";
import type { WantedShards } from "./prewarm.ts";
import { REPORT_MS_MAX, type DemandReport } from "./demand-meter.ts";
import type { DemandSetting } from "./demand-plan.ts";
import { ServiceDemand, type DemandShell } from "./service-demand.ts";

/** What the pool's object uses of a service's demand. */
export type Demand = Pick<
  ServiceDemand,
  "open" | "configure" | "report" | "arrive" | "refuse" | "note" | "wakesAtMs" | "isAsleep" | "tick" | "learn" | "wantedAt" | "stats"
>;

export class ScaledDemand implements Demand {
  readonly #demand: ServiceDemand;
  readonly #speed: number;

  constructor(shell: DemandShell, speed: number) {
    this.#speed = speed;
    this.#demand = new ServiceDemand({ ...shell, fleet: () => this.#withStarts(shell.fleet()), speed });
  }

  open(setting: DemandSetting): void {
    this.#demand.open(this.#scaled(setting));
  }

  configure(setting: DemandSetting): void {
    this.#demand.configure(this.#scaled(setting));
  }

  report(holder: string, report: DemandReport, nowMs: number): void {
    this.#demand.report(holder, { ...report, busyMs: report.busyMs * this.#speed }, this.#timeOf(nowMs));
  }

  arrive(nowMs: number): void {
    this.#demand.arrive(this.#timeOf(nowMs));
  }

  refuse(nowMs: number): void {
    this.#demand.refuse(this.#timeOf(nowMs));
  }

  note(level: Parameters<ServiceDemand["note"]>[0], nowMs: number): void {
    this.#demand.note(level, this.#timeOf(nowMs));
  }

  get wakesAtMs(): number | null {
    const atMs = this.#demand.wakesAtMs;
    return atMs === null ? null : wallTimeOf(atMs, this.#speed);
  }

  tick(nowMs: number): void {
    this.#demand.tick(this.#timeOf(nowMs));
  }

  /** Its times are this clock's. */
  learn(history: DemandHistory, nowMs: number): HistoryAnswer {
    return this.#demand.learn(history, this.#timeOf(nowMs));
  }

  /** Its start-up time is the wall's again. */
  wantedAt(nowMs: number): WantedShards | null {
    const wanted = this.#demand.wantedAt(this.#timeOf(nowMs));
    if (wanted === null || wanted.startMs === null) return wanted;
    return { ...wanted, startMs: Math.max(0, wanted.startMs / this.#speed - REPORT_MS_MAX) };
  }

  stats(nowMs: number): DemandStats {
    return this.#demand.stats(this.#timeOf(nowMs));
  }

  get isAsleep(): boolean {
    return this.#demand.isAsleep;
  }

  #withStarts(fleet: PlannedFleet | null): PlannedFleet | null {
    return fleet === null ? null : { ...fleet, takeStarts: () => fleet.takeStarts().map((wallMs) => this.#startMsOf(wallMs)) };
  }

  #timeOf(wallMs: number): number {
    return demandTimeOf(wallMs, this.#speed);
  }

  #scaled({ service, shards }: DemandSetting): DemandSetting {
    return { service: service === null ? null : withStartMs(service, this.#startMsOf(service.provisioning.startMsPrior)), shards };
  }

  /** A start-up time by the demand's clock. What is known is as old as a report may be: little of a start-up at speed 1, most of it at 60. */
  #startMsOf(wallMs: number): number {
    return (wallMs + REPORT_MS_MAX) * this.#speed;
  }
}

function withStartMs(service: ServiceConfig, startMsPrior: number): ServiceConfig {
  return { ...service, provisioning: { ...service.provisioning, startMsPrior } };
}
