import { DurableObject } from "cloudflare:workers";
import type { ObjectEnv } from "#durable/lib/env.ts";
import { quotasOf } from "#durable/lib/other-objects.ts";
import { migrateFirst } from "#durable/lib/migrate.ts";
import { NextAlarm } from "#durable/lib/next-alarm.ts";
import { writeOrAbort } from "#durable/lib/write-or-abort.ts";
import type { Outcome } from "#shared/errors/outcomes.ts";
import type { DemandHistory, HistoryAnswer } from "#shared/protocol/demand-history.ts";
import type { DeviceNews, DeviceOrders } from "#shared/protocol/device-report.ts";
import type { DrainAnswer, DrainCommand } from "#shared/protocol/drain.ts";
import type { ExchangeAnswer, ExchangeMessage } from "#shared/protocol/exchange.ts";
import type { PaceAnswer, PaceQuestion } from "#shared/protocol/pace-question.ts";
import type {
  AcquireAnswer,
  AcquireRequest,
  PoolRpc,
  PoolStats,
  ReleaseAnswer,
  ReleaseReport,
  RenewAnswer,
  RenewMessage,
  WaitingPlace,
} from "#shared/protocol/pool-rpc.ts";
import { REGISTRY_NAME } from "#shared/protocol/registry-rpc.ts";
import type { Telemetry } from "#shared/protocol/telemetry.ts";
import { SECOND_MS } from "#shared/units.ts";
import { instantiateKernels } from "#wasm/binding/kernels.ts";
import { kernelsModule } from "#wasm/binding/module.ts";
import { Admissions, SAVE_MS } from "./admissions.ts";
import { NOTHING, type Counters } from "./counters.ts";
import { CreditRenewals } from "./credit-renewals.ts";
import { isNews, levelOf, outcomesOf, reportOf, UNSERVED } from "./demand-reports.ts";
import { demandSpeedOf } from "./demand-speed.ts";
import { openDemand } from "./demand-shell.ts";
import { DeviceReports } from "./device-reports.ts";
import { DrainDriver } from "./drain-driver.ts";
import { Exchanges } from "./exchanges.ts";
import { openFleet } from "./fleet-shell.ts";
import { withGone } from "./gone-flows.ts";
import { Pool } from "./pool.ts";
import { configurationOf, pacesOf } from "./pool-configuration.ts";
import { POOL_MEMORY_BYTES } from "./pool-memory.ts";
import { poolStatsOf } from "./pool-stats.ts";
import { ShardMeters } from "./shard-meters.ts";
import { SocketReconciliation } from "./socket-reconciliation.ts";
import { POOL_MIGRATIONS, PoolStore } from "./store.ts";
import type { Verdict } from "./verdict.ts";

/** While something is out the ledger's time has to be moved at least this often. */
const TICK_MS = SECOND_MS;

/**
 * The pool of one service: the only writer of its ledger. What it promises is on disk before it is promised:
 * the output gate holds every answer until its writes are confirmed.
 */
export class ServicePool extends DurableObject<ObjectEnv> implements PoolRpc {
  readonly #kernels = instantiateKernels(kernelsModule, { memoryBytes: POOL_MEMORY_BYTES });
  readonly #store = new PoolStore(this.ctx.storage.sql);
  readonly #pool = new Pool(this.#kernels, Date.now());
  readonly #meters = new ShardMeters(this.#kernels);
  readonly #shell = {
    env: this.env,
    kernels: this.#kernels,
    sql: this.ctx.storage.sql,
    store: this.#store,
    write: (save: () => void): void => writeOrAbort(this.ctx, "the ledger", save),
    onChanged: (nowMs: number): void => this.#settle(nowMs),
  };
  readonly #credits = new CreditRenewals(this.#pool, { quotaOf: quotasOf(this.env), life: () => this.#store.nextLife(), ...this.#shell });
  readonly #fleet = openFleet(this.#pool, this.#shell);
  readonly #drains = new DrainDriver(this.#pool, { fleet: this.#fleet, shards: this.env.SHARD, ...this.#shell });
  readonly #devices = new DeviceReports(this.#kernels, { pool: this.#pool, drains: this.#drains });
  readonly #sockets = new SocketReconciliation(this.#pool, this.#shell);
  readonly #alarm = new NextAlarm(this.ctx.storage);
  readonly #admissions = new Admissions(this.#pool, {
    ...this.#shell,
    settle: (nowMs) => this.#settle(nowMs),
    schedule: () => this.#schedule(),
    onRefused: (_flow, outcome) => this.#refused(outcome),
  });
  readonly #exchanges = new Exchanges({
    admissions: this.#admissions,
    isReady: (request) => this.#credits.isReady(wantsOf(request), Date.now()),
    verdictOn: (request, nowMs) => this.#verdictOn(request, nowMs),
    prepare: async (request) => this.#credits.ensure(wantsOf(request), Date.now()),
    turnsMax: 1,
  });
  readonly #demand = openDemand(this.#kernels, { speed: demandSpeedOf(this.env), fleet: () => this.#fleet.planned, ...this.#shell });

  constructor(ctx: DurableObjectState, env: ObjectEnv) {
    super(ctx, env);
    migrateFirst(ctx, POOL_MIGRATIONS, () => this.#load());
  }

  get #counters(): Counters {
    return this.#admissions.counters;
  }

  async renew(message: RenewMessage): Promise<RenewAnswer> {
    await this.#followVersion(message.service, message.configurationVersion);
    await this.#credits.ensure(message.lease.flows, Date.now());
    const nowMs = Date.now();
    this.#counters.global.renewCalls += 1;
    if (message.use !== undefined) this.#pool.regions.lent.note(message.lease, message.use);
    if (isNews(message.lease, this.#pool)) this.#measure(message.telemetry, message.lease.holder, message.use !== undefined);
    const renewed = this.#pool.renew(message.lease, nowMs);
    this.#settle(nowMs);
    return { ...renewed, table: this.#pool.routes.tableFor(message.tableVersion), configurationVersion: this.#pool.configuration.version };
  }

  async acquire(request: AcquireRequest): Promise<AcquireAnswer> {
    await this.#followVersion(request.service, request.configurationVersion);
    this.#counters.global.acquireCalls += 1;
    // A socket's isolate reports nothing of it; a request's does.
    if (request.kind === "socket") this.#countSocket(request.flow, Date.now());
    const decided = await this.#exchanges.acquire(request);
    return { ...decided, configurationVersion: this.#pool.configuration.version };
  }

  async exchange(message: ExchangeMessage): Promise<ExchangeAnswer> {
    await this.#followVersion(message.service, message.configurationVersion);
    this.#counters.global.exchangeCalls += 1;
    const verdicts = await this.#exchanges.answer(message);
    return { verdicts, poolLife: this.#exchanges.poolLife, configurationVersion: this.#pool.configuration.version };
  }

  place(slotId: string): WaitingPlace | null {
    return this.#pool.place(slotId);
  }

  release({ slotId, holder, flow, outcome }: ReleaseReport): ReleaseAnswer {
    const freed = this.#pool.ledger.release(slotId, holder);
    const { global } = this.#counters;
    global.releaseCalls += 1;
    if (freed) this.#counters.countOutcome(flow, outcome);
    else global.staleReleases += 1;
    this.#settle(Date.now());
    return { freed };
  }

  keep(slotId: string, from: string, shardObject: string): boolean {
    const kept = this.#pool.ledger.keep(slotId, from, shardObject);
    this.#settle(Date.now());
    return kept !== null;
  }

  async learn(service: string, configurationVersion: number, history: DemandHistory): Promise<HistoryAnswer> {
    await this.#followVersion(service, configurationVersion);
    return this.#demand.learn(history, Date.now());
  }

  async stats(service: string, configurationVersion: number, telemetry?: Telemetry): Promise<PoolStats> {
    await this.#followVersion(service, configurationVersion);
    if (telemetry) this.#measure(telemetry, "");
    this.#settle(Date.now());
    const [pool, meters, counters, demand, fleet] = [this.#pool, this.#meters, this.#counters, this.#demand, this.#fleet];
    return { ...poolStatsOf(service, { pool, meters, counters, demand, fleet, nowMs: Date.now() }), ...this.#devices.stats(Date.now()) };
  }

  async paces({ service, configurationVersion, flows }: PaceQuestion): Promise<PaceAnswer> {
    await this.#followVersion(service, configurationVersion);
    this.#counters.global.paceCalls += 1;
    return pacesOf(flows, this.#pool.configuration);
  }

  async report(service: string, configurationVersion: number, news: DeviceNews): Promise<DeviceOrders> {
    await this.#followVersion(service, configurationVersion);
    const orders = this.#devices.take(news, Date.now());
    this.#counters.countSocketFaults(news.faults);
    this.#admissions.touch();
    return orders;
  }

  async drain(service: string, configurationVersion: number, command: DrainCommand): Promise<DrainAnswer> {
    await this.#followVersion(service, configurationVersion);
    const answer = this.#drains.obey(command);
    this.#settle(Date.now());
    return answer;
  }

  override async alarm(): Promise<void> {
    this.#alarm.ring();
    const nowMs = Date.now();
    // First: what it waits for next is part of what `settle` schedules.
    this.#demand.tick(nowMs);
    this.#fleet.want(this.#demand, nowMs);
    this.#settle(nowMs);
    if (this.#sockets.isDue) await this.#sockets.run(nowMs);
    await this.#drains.tick(nowMs);
    if (!this.#fleet.isActing && this.#pool.dropDrained()) this.#shell.write(() => this.#store.saveShards(this.#pool.shards));
    this.#admissions.saveDue(nowMs, this.#pool.adaptive.snapshot);
    this.#schedule();
  }

  #load(): void {
    const [rows, configuration, shards] = [this.#store.loadLedger(), this.#store.loadConfiguration(), this.#store.loadShards()];
    const [tableVersion, limits] = [this.#store.loadTableVersion(), this.#store.loadLimits()];
    this.#pool.load({ configuration, shards, rows, tableVersion, limits }, Date.now());
    this.#sockets.open();
    this.#drains.load();
    this.#admissions.open();
    this.#fleet.open(configuration.service, Date.now());
    this.#demand.open({ service: configuration.service, shards });
    this.#schedule();
  }

  /** Asks the Registry where the caller knows more. Other calls run meanwhile: everything is looked at again after the answer. */
  async #followVersion(service: string, version: number): Promise<void> {
    if (version <= this.#pool.configuration.version) return;
    const registry = this.env.REGISTRY.get(this.env.REGISTRY.idFromName(REGISTRY_NAME));
    const snapshot = await registry.snapshot(this.#pool.configuration.version);
    if (snapshot === null || snapshot.version <= this.#pool.configuration.version) return;
    const configuration = withGone(configurationOf(service, snapshot.version, snapshot.configuration), this.#pool.configuration, {
      whole: snapshot.configuration,
      isOut: this.#pool.isOut,
    });
    const nowMs = Date.now();
    const isLaidOut = !this.#fleet.configure(configuration.service, nowMs);
    const nextNumber = this.#pool.configure(configuration, { nextNumber: isLaidOut ? this.#store.loadNextNumber() : null, nowMs });
    const { shards, routes } = this.#pool;
    this.#shell.write(() => this.#store.saveConfiguration(configuration, { shards, nextNumber, tableVersion: routes.version }));
    this.#demand.configure({ service: configuration.service, shards });
  }

  #verdictOn(request: AcquireRequest, nowMs: number): Verdict | null {
    if (request.refusedBy !== undefined) this.#fleet.refused(request.refusedBy, nowMs);
    return this.#pool.acquire(request, nowMs);
  }

  /** After every event: gives out what is free, writes what changed, and only then tells anybody. */
  #settle(nowMs: number): void {
    this.#credits.renewDue(nowMs);
    this.#admissions.decide(nowMs);
    this.#demand.note(levelOf(this.#pool), nowMs);
    this.#admissions.observe(nowMs);
    this.#fleet.tick(nowMs);
    this.#schedule();
  }

  /** `isCounted`: by the regional pool that tells of it. */
  #measure(telemetry: Telemetry, holder: string, isCounted = false): void {
    const nowMs = Date.now();
    this.#demand.report(holder, reportOf(telemetry.flows), nowMs);
    this.#pool.observe(telemetry, nowMs);
    this.#counters.countTelemetry(isCounted ? NOTHING : telemetry, this.#pool.gate);
    for (const shard of telemetry.shards) this.#meters.add(shard);
    this.#fleet.measure(telemetry.shards, nowMs);
    if (isCounted && this.#sockets.suspect(outcomesOf(telemetry), nowMs)) this.#alarm.wakeAt(nowMs);
    this.#admissions.touch();
  }

  #refused(outcome: Outcome): void {
    const nowMs = Date.now();
    if (UNSERVED.has(outcome)) this.#demand.refuse(nowMs);
    if (this.#sockets.suspect([outcome], nowMs)) this.#alarm.wakeAt(nowMs);
  }

  #countSocket(flow: string, nowMs: number): void {
    this.#demand.arrive(nowMs);
    const arrival = { flow, arrivals: 1, outcomes: {}, buckets: [], sumMs: 0, busyMs: 0 };
    this.#pool.observe({ flows: [arrival] }, nowMs);
    this.#counters.countTelemetry(NOTHING, this.#pool.gate);
  }

  /** Sets the alarm where there is something to do: soon while the ledger's time has to move, never for sockets that are silent. */
  #schedule(): void {
    const nowMs = Date.now();
    if (this.#alarm.atMs <= nowMs + TICK_MS) return;
    this.#alarm.wakeAt(Math.max(nowMs + TICK_MS, Math.min(this.#demand.wakesAtMs ?? Infinity, this.#fleet.wakesAtMs ?? Infinity)));
    const isTicking = this.#pool.ledger.nextChangeInMs !== null || this.#pool.queueLength > 0 || this.#drains.isHurried(nowMs);
    const hasSockets = this.#pool.ledger.counts.durable > 0;
    if (isTicking) this.#alarm.wakeAt(nowMs + TICK_MS);
    else if (this.#admissions.isDirty || (hasSockets && this.#sockets.isDue) || this.#drains.isActive) this.#alarm.wakeAt(nowMs + SAVE_MS);
  }
}

function wantsOf({ flow, isPaid }: AcquireRequest) {
  const tokens = isPaid === true ? 0 : 1;
  return [{ flow, want: 1, tokensWant: tokens, tokensNow: tokens }];
}
