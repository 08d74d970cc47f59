import { DurableObject } from "cloudflare:workers";
import type { ObjectEnv } from "#durable/lib/env.ts";
import { homesOf } from "#durable/lib/other-objects.ts";
import { migrateFirst } from "#durable/lib/migrate.ts";
import { NextAlarm } from "#durable/lib/next-alarm.ts";
import { writeOrAbort } from "#durable/lib/write-or-abort.ts";
import type { Region } from "#shared/config/regions.ts";
import type { Outcome } from "#shared/errors/outcomes.ts";
import type { ExchangeAnswer, ExchangeMessage } from "#shared/protocol/exchange.ts";
import type { RenewalRequest } from "#shared/protocol/lease.ts";
import type {
  AcquireAnswer,
  AcquireRequest,
  RegionalPoolRpc,
  ReleaseAnswer,
  ReleaseReport,
  RegionalStats,
  RenewAnswer,
  RenewMessage,
} from "#shared/protocol/pool-rpc.ts";
import { REGISTRY_NAME } from "#shared/protocol/registry-rpc.ts";
import type { Telemetry } from "#shared/protocol/telemetry.ts";
import { SECOND_MS } from "#shared/units.ts";
import { instantiateKernels } from "#wasm/binding/kernels.ts";
import { kernelsModule } from "#wasm/binding/module.ts";
import { Admissions, SAVE_MS } from "./admissions.ts";
import type { Counters } from "./counters.ts";
import { isNews, UNSERVED } from "./demand-reports.ts";
import { Exchanges } from "./exchanges.ts";
import { Pool } from "./pool.ts";
import { POOL_MIGRATIONS, PoolStore } from "./store.ts";
import type { Verdict } from "./verdict.ts";
import { QUEUE_MEMORY_BYTES } from "./waiting-line.ts";
import { flowStatsOf } from "./flow-stats.ts";
import { withGone } from "./gone-flows.ts";
import { HomeLease, type Wanted } from "./home-lease.ts";
import { HomeRenewals } from "./home-renewals.ts";
import { regionalConfigurationOf } from "./regional-configuration.ts";
import { RegionalParts } from "./regional-parts.ts";
import { RegionalSockets } from "./regional-sockets.ts";
import { RegionalTelemetry } from "./regional-telemetry.ts";

/** While something is out, or lent, the ledger's time has to be moved at least this often. */
const TICK_MS = SECOND_MS;
/** Of a request that asks its home for a token, and finds it taken. */
const TURNS_MAX = 3;
const MEMORY_BYTES = QUEUE_MEMORY_BYTES + 192 * 1_024;

/**
 * A service's pool in one of its regions: to the isolates near it what the home pool is to those near that, and to the home pool a
 * holder. It grants what it was lent, and keeps its own ledger of that; shards, forecast and limits are the home pool's.
 *
 * When its home is out of reach it grants until its lease's end, and then nothing: it fails closed.
 */
export class RegionalPool extends DurableObject<ObjectEnv> implements RegionalPoolRpc {
  readonly #store = new PoolStore(this.ctx.storage.sql);
  readonly #home = new HomeLease();
  readonly #telemetry = new RegionalTelemetry();
  readonly #pool = new Pool(instantiateKernels(kernelsModule, { memoryBytes: MEMORY_BYTES }), Date.now(), new RegionalParts(this.#home));
  readonly #renewals = new HomeRenewals(this.#pool, {
    homeOf: homesOf(this.env),
    home: this.#home,
    telemetry: this.#telemetry,
    sockets: () => this.#sockets,
    life: () => this.#store.nextLife(),
    onAnswer: (answer, nowMs) => this.#follow(answer, nowMs),
  });
  readonly #sockets = new RegionalSockets({
    ledger: () => this.#pool.ledger,
    renew: () => this.#renewals.renewNow(),
    home: () => homesOf(this.env)(this.#pool.configuration.name, this.#pool.configuration.service?.regions?.[0]),
  });
  readonly #alarm = new NextAlarm(this.ctx.storage);
  readonly #admissions = new Admissions(this.#pool, {
    store: this.#store,
    write: (save) => this.#write(save),
    settle: (nowMs) => this.#settle(nowMs),
    schedule: () => this.#schedule(),
    onRefused: (flow, outcome) => this.#refused(flow, outcome),
  });

  readonly #exchanges = new Exchanges({
    admissions: this.#admissions,
    isReady: (request) => this.#isReady(request),
    verdictOn: (request, nowMs) => this.#verdictOn(request, nowMs),
    prepare: async (request) => this.#renewals.ensure(this.#wantsOf(request), Date.now()),
    turnsMax: TURNS_MAX,
  });

  constructor(ctx: DurableObjectState, env: ObjectEnv) {
    super(ctx, env);
    migrateFirst(ctx, POOL_MIGRATIONS, () => this.#load());
  }

  get #counters(): Counters {
    return this.#admissions.counters;
  }

  async renew(message: RenewMessage): Promise<RenewAnswer> {
    await this.#followVersion(message);
    await this.#renewals.ensure(wantedOf(message.lease), Date.now());
    const nowMs = Date.now();
    this.#counters.global.renewCalls += 1;
    if (isNews(message.lease, this.#pool)) this.#measure(message.telemetry);
    const { isContended, ...renewed } = this.#pool.renew(message.lease, nowMs);
    this.#settle(nowMs);
    const { configuration, routes } = this.#pool;
    return {
      ...renewed,
      isContended: isContended || this.#home.isContended,
      table: routes.tableFor(message.tableVersion),
      configurationVersion: configuration.version,
    };
  }

  async acquire(request: AcquireRequest): Promise<AcquireAnswer> {
    await this.#followVersion(request);
    this.#counters.global.acquireCalls += 1;
    if (request.kind === "socket") this.#telemetry.arrived(request.flow);
    const decided = await this.#exchanges.acquire(request);
    return { ...decided, configurationVersion: this.#pool.configuration.version };
  }

  async exchange(message: ExchangeMessage): Promise<ExchangeAnswer> {
    await this.#followVersion(message);
    this.#counters.global.exchangeCalls += 1;
    const verdicts = await this.#exchanges.answer(message);
    return { verdicts, poolLife: this.#exchanges.poolLife, configurationVersion: this.#pool.configuration.version };
  }

  async keep(slotId: string, from: string, shardObject: string): Promise<boolean> {
    const kept = await this.#sockets.keep(slotId, from, shardObject);
    this.#settle(Date.now());
    return kept;
  }

  async release(report: ReleaseReport): Promise<ReleaseAnswer> {
    this.#counters.global.releaseCalls += 1;
    const isFreed = this.#sockets.releaseHere(report);
    if (isFreed) this.#counters.countOutcome(report.flow, report.outcome);
    this.#admissions.touch();
    this.#settle(Date.now());
    return isFreed ? { freed: true } : this.#sockets.releaseAtHome(report);
  }

  stats(): RegionalStats {
    const nowMs = Date.now();
    this.#settle(nowMs);
    const { queueLength, longestWaitMsNow } = this.#pool.view(nowMs);
    const counters = this.#counters.snapshot();
    const flows = flowStatsOf(this.#pool, counters);
    return { holderCount: this.#pool.ledger.counts.holders, queueLength, longestWaitMsNow, counters, flows };
  }

  override alarm(): void {
    this.#alarm.ring();
    const nowMs = Date.now();
    this.#settle(nowMs);
    this.#admissions.saveDue(nowMs, {});
    this.#schedule();
  }

  #load(): void {
    const configuration = this.#store.loadConfiguration();
    const [rows, shards, tableVersion] = [this.#store.loadLedger(), this.#store.loadShards(), this.#store.loadTableVersion()];
    this.#pool.load({ configuration, shards, rows, tableVersion, limits: {} }, Date.now());
    this.#sockets.open();
    this.#admissions.open();
    this.#schedule();
  }

  /** Asks the Registry where the caller knows more. Other calls run meanwhile: everything is looked at again after the answer. */
  async #followVersion(to: { readonly service: string; readonly configurationVersion: number; readonly region?: Region }): Promise<void> {
    const known = this.#pool.configuration.version;
    if (to.configurationVersion <= known || to.region === undefined) return;
    const snapshot = await this.env.REGISTRY.get(this.env.REGISTRY.idFromName(REGISTRY_NAME)).snapshot(known);
    if (snapshot === null || snapshot.version <= this.#pool.configuration.version) return;
    const fresh = regionalConfigurationOf({ name: to.service, region: to.region }, snapshot.version, snapshot.configuration);
    const configuration = withGone(fresh, this.#pool.configuration, { whole: snapshot.configuration, isOut: this.#pool.isOut });
    this.#pool.configure(configuration, { nextNumber: null, nowMs: Date.now() });
    const { shards, routes } = this.#pool;
    this.#write(() => this.#store.saveConfiguration(configuration, { shards, nextNumber: null, tableVersion: routes.version }));
  }

  /** What was granted before goes home with the next call, and would be granted twice after it: then there is nothing to ask for. */
  #isReady(request: AcquireRequest): boolean {
    return this.#pool.ledger.slot(request.slotId) !== undefined || this.#renewals.isReady(this.#wantsOf(request), Date.now());
  }

  #verdictOn(request: AcquireRequest, nowMs: number): Verdict | null {
    if (request.refusedBy !== undefined) this.#pool.routes.refusals.note(request.refusedBy, nowMs);
    return this.#pool.acquire(request, nowMs);
  }

  #wantsOf({ flow, isPaid }: AcquireRequest): readonly Wanted[] {
    const tokens = isPaid !== true && this.#pool.gate.isRated(flow) ? 1 : 0;
    return [{ flow, want: 1, tokens, tokensNow: tokens }];
  }

  /** The shards are the home pool's. */
  #follow({ table, avoided }: RenewAnswer, nowMs: number): void {
    this.#pool.routes.choice.avoid(avoided?.shardId ?? null, nowMs + (avoided?.forMs ?? 0));
    if (table !== null && table.version > this.#pool.routes.version) {
      const shards = table.shards.map((shard) => ({ ...shard, state: "active" as const }));
      this.#pool.routes.load(shards, table.version);
      this.#write(() => this.#store.saveTable(shards, table.version));
      this.#pool.policyChanged(nowMs);
    }
    this.#settle(nowMs);
  }

  /** After every event: gives out what is free, writes what changed, and only then tells anybody. */
  #settle(nowMs: number): void {
    this.#renewals.renewDue(nowMs);
    this.#pool.routes.refusals.tick(nowMs);
    this.#admissions.decide(nowMs);
    this.#admissions.observe(nowMs);
    this.#schedule();
  }

  #refused(flow: string, outcome: Outcome): void {
    if (UNSERVED.has(outcome)) this.#telemetry.decided(flow, outcome);
  }

  #measure(telemetry: Telemetry): void {
    this.#counters.countTelemetry(telemetry, this.#pool.gate);
    this.#telemetry.add(telemetry);
    this.#pool.routes.refusals.take(telemetry.shards, Date.now());
    this.#admissions.touch();
  }

  #write(save: () => void): void {
    writeOrAbort(this.ctx, "the ledger", save);
  }

  #schedule(): void {
    const isTicking =
      this.#home.isActive || !this.#telemetry.isEmpty || this.#pool.ledger.nextChangeInMs !== null || this.#pool.queueLength > 0;
    if (!isTicking && !this.#admissions.isDirty) return;
    this.#alarm.wakeAt(Date.now() + (isTicking ? TICK_MS : SAVE_MS));
  }
}

function wantedOf({ flows }: RenewalRequest): readonly Wanted[] {
  return flows.map(({ flow, want, tokensWant, tokensHeld }) => ({ flow, want, tokens: Math.max(0, tokensWant - tokensHeld) }));
}
