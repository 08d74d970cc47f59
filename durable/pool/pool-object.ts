import { DurableObject } from "cloudflare:workers";
import type { Slot } from "#durable/lease/ledger.ts";
import type { ObjectEnv } from "#durable/lib/env.ts";
import { migrateFirst } from "#durable/lib/migrate.ts";
import type {
  AcquireAnswer,
  AcquireRequest,
  EdgeCounts,
  PoolRpc,
  PoolStats,
  ReleaseAnswer,
  ReleaseReport,
} from "#shared/protocol/pool-rpc.ts";
import { REGISTRY_NAME } from "#shared/protocol/registry-rpc.ts";
import { shardObjectName } from "#shared/protocol/shard-rpc.ts";
import { MINUTE_MS, SECOND_MS } from "#shared/units.ts";
import { instantiateKernels } from "#wasm/binding/kernels.ts";
import { kernelsModule } from "#wasm/binding/module.ts";
import type { Counters } from "./counters.ts";
import { Pool } from "./pool.ts";
import { POOL_MIGRATIONS, PoolStore } from "./store.ts";

/** How often expired slots are freed and counters written while there is something to do; else no alarm is set. */
const TICK_MS = 5 * SECOND_MS;
/** Sockets' slots are held against what their Shard objects say: when in doubt, and this often. */
const RECONCILE_INTERVAL_MS = 10 * MINUTE_MS;
const RECONCILE_SUSPICION_MS = 10 * SECOND_MS;

/**
 * The pool of one service: the only writer of its ledger. What it promises is on disk before it is promised:
 * the output gate holds every answer until its writes are confirmed.
 */
export class ServicePool extends DurableObject<ObjectEnv> implements PoolRpc {
  readonly #store = new PoolStore(this.ctx.storage.sql);
  readonly #pool = new Pool(instantiateKernels(kernelsModule));
  #counters!: Counters;
  #isDirty = false;
  #alarmAtMs = Infinity;
  /** 0: this instance does not know yet whether the sockets it has slots for are still alive. */
  #reconciledAtMs = 0;

  constructor(ctx: DurableObjectState, env: ObjectEnv) {
    super(ctx, env);
    migrateFirst(ctx, POOL_MIGRATIONS, () => this.#load());
  }

  async acquire(request: AcquireRequest, edgeCounts?: EdgeCounts): Promise<AcquireAnswer> {
    if (request.configurationVersion > this.#pool.configuration.version) await this.#refresh(request.service);
    const nowMs = Date.now();
    let acquired = this.#pool.acquire(request, nowMs);
    if (!acquired.ok && acquired.outcome === "rejected-capacity" && this.#freeExpired(nowMs)) acquired = this.#pool.acquire(request, nowMs);
    const { global } = this.#counters;
    global.acquireCalls += 1;
    if (edgeCounts) this.#counters.countEdge(edgeCounts);
    this.#touch();
    const { version } = this.#pool.configuration;
    if (!acquired.ok) {
      this.#counters.countOutcome(request.flow, acquired.outcome);
      if (acquired.outcome === "rejected-capacity") this.#suspect(nowMs);
      return { ...acquired, configurationVersion: version };
    }
    const { slot, endpointUrl, isNew } = acquired;
    if (isNew) this.#write(() => this.#store.saveSlot(slot));
    const { slotId, shardId, expiresAtMs } = slot;
    return {
      ok: true,
      slot: { slotId, shardId, endpointUrl, expiresAtMs: expiresAtMs ?? Number.MAX_SAFE_INTEGER },
      configurationVersion: version,
    };
  }

  release({ slotId, holder, flow, outcome, latencyMs }: ReleaseReport, edgeCounts?: EdgeCounts): ReleaseAnswer {
    const freed = this.#pool.release(slotId, holder);
    const { global } = this.#counters;
    global.releaseCalls += 1;
    if (edgeCounts) this.#counters.countEdge(edgeCounts);
    if (freed === undefined) global.staleReleases += 1;
    else {
      this.#counters.countOutcome(flow, outcome, latencyMs);
      this.#write(() => this.#store.dropSlot(slotId));
    }
    this.#touch();
    return { freed: freed !== undefined };
  }

  extend(slotId: string, holder: string): boolean {
    return this.#saved(this.#pool.extend(slotId, holder, Date.now()));
  }

  keep(slotId: string, from: string, shardObject: string): boolean {
    return this.#saved(this.#pool.ledger.keep(slotId, from, shardObject));
  }

  async stats(service: string, configurationVersion: number, edgeCounts?: EdgeCounts): Promise<PoolStats> {
    if (edgeCounts) {
      this.#counters.countEdge(edgeCounts);
      this.#touch();
    }
    if (configurationVersion > this.#pool.configuration.version) await this.#refresh(service);
    this.#freeExpired(Date.now());
    const { ledger } = this.#pool;
    const shards = ledger.shards.map(({ shardId, endpointUrl, size, state }) => ({
      shardId,
      endpointUrl,
      size,
      state,
      slotsInUse: ledger.inUse(shardId),
    }));
    return { service, shards, counters: this.#counters.snapshot() };
  }

  override async alarm(): Promise<void> {
    this.#alarmAtMs = Infinity;
    const nowMs = Date.now();
    this.#freeExpired(nowMs);
    if (nowMs - this.#reconciledAtMs >= RECONCILE_INTERVAL_MS) await this.#reconcile(nowMs);
    if (this.#pool.dropDrained()) this.#write(() => this.#store.saveShards(this.#pool.ledger.shards));
    if (this.#isDirty) {
      this.#isDirty = false;
      this.#store.saveCounters(this.#counters);
    }
    this.#schedule();
  }

  #load(): void {
    const configuration = this.#store.loadConfiguration();
    const endpoints = configuration.service?.endpoints ?? [];
    this.#pool.ledger.configure(this.#store.loadShards(), new Map(endpoints.map(({ url, capacity }) => [url, capacity])));
    for (const slot of this.#store.loadSlots()) this.#pool.ledger.restore(slot);
    this.#pool.follow(configuration);
    this.#counters = this.#store.loadCounters();
    this.#schedule();
  }

  /** Asks the Registry. Other calls run meanwhile: everything is looked at again after the answer. */
  async #refresh(service: string): Promise<void> {
    const registry = this.env.REGISTRY.get(this.env.REGISTRY.idFromName(REGISTRY_NAME));
    const snapshot = await registry.snapshot(this.#pool.configuration.version);
    if (snapshot === null || snapshot.version <= this.#pool.configuration.version) return;
    const configuration = { version: snapshot.version, name: service, service: snapshot.configuration.services[service] ?? null };
    const nextNumber = this.#pool.configure(configuration, this.#store.loadNextNumber());
    this.#write(() => this.#store.saveConfiguration(configuration, this.#pool.ledger.shards, nextNumber));
  }

  #freeExpired(nowMs: number): boolean {
    const expired = this.#pool.expire(nowMs);
    if (expired.length === 0) return false;
    this.#reclaim(expired);
    return true;
  }

  #reclaim(slots: readonly Slot[]): void {
    this.#counters.global.slotsReclaimed += slots.length;
    this.#touch();
    this.#write(() => {
      for (const { slotId } of slots) this.#store.dropSlot(slotId);
    });
  }

  /** Asks the Shard objects which of the sockets that hold slots here are alive, and frees the others' slots. */
  async #reconcile(nowMs: number): Promise<void> {
    const kept = Map.groupBy(
      this.#pool.ledger.slots.filter(({ expiresAtMs }) => expiresAtMs === null),
      ({ shardId }) => shardId,
    );
    const answered = await Promise.all([...kept].map(async ([shardId, slots]) => this.#reconcileShard(shardId, slots)));
    // One Shard object that does not answer leaves the pool unsure: it asks again at the next tick.
    this.#reconciledAtMs = answered.every(Boolean) ? nowMs : 0;
  }

  async #reconcileShard(shardId: string, slots: readonly Slot[]): Promise<boolean> {
    const name = shardObjectName(this.#pool.configuration.name, shardId);
    try {
      const alive = new Set(await this.env.SHARD.get(this.env.SHARD.idFromName(name)).held(slots.map(({ slotId }) => slotId)));
      // Some may have been released while the Shard object was asked: releasing again frees nothing.
      this.#reclaim(slots.filter(({ slotId, holder }) => !alive.has(slotId) && this.#pool.release(slotId, holder) !== undefined));
      return true;
    } catch (error) {
      console.warn(JSON.stringify({ level: "warn", event: "reconcile-failed", shardId, error: String(error) }));
      return false;
    }
  }

  /** Refusing for capacity while sockets hold slots: ask soon whether they really do. */
  #suspect(nowMs: number): void {
    if (nowMs - this.#reconciledAtMs < RECONCILE_SUSPICION_MS) return;
    if (!this.#pool.ledger.slots.some(({ expiresAtMs }) => expiresAtMs === null)) return;
    this.#reconciledAtMs = 0;
    this.#setAlarm(nowMs);
  }

  #saved(slot: Slot | undefined): boolean {
    if (slot !== undefined) this.#write(() => this.#store.saveSlot(slot));
    return slot !== undefined;
  }

  /** Memory has changed already: if the disk does not follow, this instance must not go on. */
  #write(save: () => void): void {
    try {
      save();
    } catch (error) {
      this.ctx.abort(`cannot write the ledger: ${String(error)}`);
      throw error;
    }
  }

  #touch(): void {
    this.#isDirty = true;
    this.#schedule();
  }

  /** Sets the alarm where there is something to do: soon for slots that expire and counters, late for sockets. */
  #schedule(): void {
    const nowMs = Date.now();
    if (this.#alarmAtMs <= nowMs + TICK_MS) return;
    const { slots } = this.#pool.ledger;
    const hasKept = slots.some(({ expiresAtMs }) => expiresAtMs === null);
    const isUnsure = hasKept && this.#reconciledAtMs === 0;
    const isSoon = this.#isDirty || isUnsure || slots.some(({ expiresAtMs }) => expiresAtMs !== null);
    if (isSoon) this.#setAlarm(nowMs + TICK_MS);
    else if (hasKept) this.#setAlarm(nowMs + RECONCILE_INTERVAL_MS);
  }

  #setAlarm(atMs: number): void {
    if (this.#alarmAtMs <= atMs) return;
    this.#alarmAtMs = atMs;
    void this.ctx.storage.setAlarm(atMs);
  }
}
