// Carries out what shard-drains.ts decides: the table follows, the Shard objects are told and asked, what is promised is on disk.
import type { ObjectEnv } from "#durable/lib/env.ts";
import { refuse } from "#shared/errors/refusal.ts";
import type { DrainAnswer, DrainCommand, DrainOrder } from "#shared/protocol/drain.ts";
import { shardObjectName } from "#shared/protocol/shard-rpc.ts";
import type { FleetKeeper } from "./fleet-keeper.ts";
import type { Pool } from "./pool.ts";
import { ShardDrains, type ShardDrain } from "./shard-drains.ts";
import type { PoolStore } from "./store.ts";

/** Shard objects asked at the same time. */
const CONCURRENCY_MAX = 32;

interface Shell {
  readonly fleet: Pick<FleetKeeper, "isActing" | "drain" | "restore">;
  readonly shards: ObjectEnv["SHARD"];
  readonly store: PoolStore;
  readonly write: (save: () => void) => void;
}

export class DrainDriver {
  readonly #pool: Pool;
  readonly #shell: Shell;
  #drains = new ShardDrains();
  /** On disk. */
  #saved: { readonly drains: readonly ShardDrain[]; readonly tableVersion: number } = { drains: [], tableVersion: 0 };

  constructor(pool: Pool, shell: Shell) {
    this.#pool = pool;
    this.#shell = shell;
  }

  load(): void {
    const drains = this.#shell.store.loadDrains();
    this.#drains = new ShardDrains(drains);
    this.#saved = { drains, tableVersion: this.#pool.routes.version };
  }

  /** Something has to be looked at now and then. */
  get isActive(): boolean {
    return this.#drains.isActive || this.#pool.shards.some(({ state }) => state === "draining");
  }

  isHurried(nowMs: number): boolean {
    return this.#drains.isHurried(nowMs);
  }

  obey({ order, cancel }: DrainCommand): DrainAnswer {
    if (order !== undefined) return this.#order(order);
    return cancel === undefined ? this.#status() : this.#cancel(cancel);
  }

  #status(): DrainAnswer {
    const shards = this.#drains.all.map(({ shardId, state, reason, startedAtMs }) => ({
      shardId,
      state,
      reason,
      startedAtMs,
      left: state === "draining" ? this.#drains.leftOf(shardId) : null,
    }));
    return { ok: true, shards };
  }

  #order({ shardIds, ...how }: DrainOrder): DrainAnswer {
    const active = this.#pool.shards.filter(({ state }) => state === "active").map(({ shardId }) => shardId);
    const unknown = shardIds?.find((shardId) => !active.includes(shardId) && !this.#isUnderWay(shardId));
    if (unknown !== undefined) return refuse("bad-request", `There is no shard ${unknown} in use, expected one of ${list(active)}.`);
    this.#drains.order(shardIds ?? active, how);
    this.#save();
    return this.#status();
  }

  /** Null: all of them. */
  #cancel(shardIds: readonly string[] | null): DrainAnswer {
    const ids = shardIds ?? this.#drains.all.map(({ shardId }) => shardId);
    const unknown = shardIds?.find((shardId) => !this.#isUnderWay(shardId));
    if (unknown !== undefined) return refuse("bad-request", `Shard ${unknown} is not being drained.`);
    for (const shardId of ids) {
      const drain = this.#drains.find(shardId);
      // Its endpoint is not configured any more: there is nothing to return to.
      if (drain?.state === "draining" && !this.#restore(drain)) continue;
      this.#drains.cancel(shardId);
    }
    this.#pool.policyChanged(Date.now());
    this.#save();
    return this.#status();
  }

  /** One step of everything that is under way. */
  async tick(nowMs: number): Promise<void> {
    if (!this.isActive) return;
    this.#drains.follow(this.#pool.shards, nowMs);
    const next = this.#drains.next(nowMs);
    if (next !== null) this.#start(next, nowMs);
    this.#save();
    const asked = this.#drains.all.filter(({ state }) => state === "draining" || state === "returning");
    for (let start = 0; start < asked.length; start += CONCURRENCY_MAX)
      await Promise.all(asked.slice(start, start + CONCURRENCY_MAX).map(async (drain) => this.#ask(drain, nowMs)));
  }

  #start(shardId: string, nowMs: number): void {
    const { store, write, fleet } = this.#shell;
    if (fleet.isActing)
      return fleet.drain(shardId, nowMs) ? this.#drains.started(shardId, { replacement: null, nowMs }) : this.#drains.forget(shardId);
    const number = store.loadNextNumber();
    const replacement = this.#pool.routes.drain(shardId, `${this.#pool.configuration.name}-${number}`);
    if (replacement === null) return this.#drains.forget(shardId);
    this.#drains.started(shardId, { replacement: replacement.shardId, nowMs });
    this.#pool.policyChanged(nowMs);
    write(() => store.saveNextNumber(number + 1));
  }

  #restore({ shardId, replacement }: ShardDrain): boolean {
    if (this.#shell.fleet.isActing) return this.#shell.fleet.restore(shardId, Date.now());
    const { routes, configuration, socketsOn } = this.#pool;
    const endpointUrl = routes.shards.find((shard) => shard.shardId === shardId)?.endpointUrl;
    if (configuration.service?.endpoints.some(({ url }) => url === endpointUrl) !== true) return false;
    routes.restore(shardId, { replacement, inUse: socketsOn });
    return true;
  }

  /** One that does not answer is asked again at the next step. */
  async #ask(drain: ShardDrain, nowMs: number): Promise<void> {
    const { shardId, state, reason, graceMs } = drain;
    const { shards } = this.#shell;
    const shard = shards.get(shards.idFromName(shardObjectName(this.#pool.configuration.name, shardId)));
    try {
      if (state === "returning") {
        await shard.drain(null);
        // Unless it was ordered again meanwhile.
        if (this.#drains.find(shardId)?.state === "returning") this.#drains.forget(shardId);
      } else if (this.#drains.isToBeTold(drain, nowMs)) {
        this.#drains.heard(shardId, await shard.drain({ reason, graceMs }));
        this.#drains.told(shardId, nowMs);
      } else this.#drains.heard(shardId, await shard.drainProgress());
    } catch (error) {
      console.warn(JSON.stringify({ level: "warn", event: "drain-failed", shardId, error: String(error) }));
    }
    this.#save();
  }

  #isUnderWay(shardId: string): boolean {
    const state = this.#drains.find(shardId)?.state;
    return state !== undefined && state !== "drained";
  }

  #save(): void {
    const { store, write } = this.#shell;
    const { shards, routes } = this.#pool;
    const { all: drains } = this.#drains;
    const { version: tableVersion } = routes;
    if (this.#saved.drains === drains && this.#saved.tableVersion === tableVersion) return;
    write(() => {
      store.saveDrains(drains);
      if (this.#saved.tableVersion !== tableVersion) store.saveTable(shards, tableVersion);
    });
    this.#saved = { drains, tableVersion };
  }
}

function list(names: readonly string[]): string {
  return names.join(", ") || "none: there are none";
}
