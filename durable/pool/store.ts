// The pool's tables. SQL here is synchronous; writes without an await between them are one transaction, and
// no answer leaves the object before they are confirmed.
import type { LedgerChanges, LedgerRows } from "#durable/lease/lease-rows.ts";
import type { NamedSlot, SlotBlock } from "#durable/lease/named-slots.ts";
import { DEMAND_MIGRATION } from "./demand-store.ts";
import { Counters, emptyGlobal, type FlowCounters, type GlobalCounters } from "./counters.ts";
import { FLEET_MIGRATION } from "./fleet-store.ts";
import type { PoolShard } from "./layout.ts";
import type { ShardDrain } from "./shard-drains.ts";
import type { PoolConfiguration } from "./pool-configuration.ts";
import { packConfiguration, unpackConfiguration, type StoredConfiguration } from "./stored-configuration.ts";

export const POOL_MIGRATIONS = [
  {
    idMonotonicInc: 1,
    description: "shards, slots, counters",
    sql: `
      CREATE TABLE IF NOT EXISTS shards (
        shard_id TEXT PRIMARY KEY, endpoint_url TEXT NOT NULL, size INTEGER NOT NULL, state TEXT NOT NULL, place INTEGER NOT NULL
      ) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS slots (
        slot_id TEXT PRIMARY KEY, shard_id TEXT NOT NULL, holder TEXT NOT NULL, flow TEXT NOT NULL, kind TEXT NOT NULL,
        acquired_at_ms INTEGER NOT NULL, expires_at_ms INTEGER
      ) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS flow_counters (flow TEXT PRIMARY KEY, counters TEXT NOT NULL) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS facts (fact TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    `,
  },
  {
    idMonotonicInc: 2,
    description: "leases instead of a slot per request; sockets keep theirs",
    sql: `
      CREATE TABLE IF NOT EXISTS holders (holder TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS blocks (block_key TEXT PRIMARY KEY, block TEXT NOT NULL) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS budgets (flow TEXT PRIMARY KEY, debt INTEGER NOT NULL, at_ms INTEGER NOT NULL) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS named_slots (
        slot_id TEXT PRIMARY KEY, owner TEXT NOT NULL, flow TEXT NOT NULL, lane TEXT NOT NULL, shard_id TEXT NOT NULL,
        acquired_at_ms INTEGER NOT NULL, expires_at_ms INTEGER
      ) WITHOUT ROWID;
      INSERT OR IGNORE INTO named_slots
        SELECT slot_id, holder, flow, endpoint_url, slots.shard_id, acquired_at_ms, expires_at_ms
        FROM slots JOIN shards ON shards.shard_id = slots.shard_id WHERE kind = 'socket';
      DROP TABLE slots;
    `,
  },
  DEMAND_MIGRATION,
  FLEET_MIGRATION,
  {
    idMonotonicInc: FLEET_MIGRATION.idMonotonicInc + 1,
    description: "sockets' devices",
    sql: "ALTER TABLE named_slots ADD COLUMN device TEXT;",
  },
  {
    idMonotonicInc: FLEET_MIGRATION.idMonotonicInc + 2,
    description: "slots in another one's place",
    sql: "ALTER TABLE named_slots ADD COLUMN in_place_of TEXT;",
  },
  {
    idMonotonicInc: FLEET_MIGRATION.idMonotonicInc + 3,
    description: "sockets' memory",
    sql: "ALTER TABLE named_slots ADD COLUMN memory_bytes INTEGER;",
  },
];

export class PoolStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  loadConfiguration(): PoolConfiguration {
    return unpackConfiguration(this.#fact<StoredConfiguration>("configuration") ?? {});
  }

  loadNextNumber(): number {
    return this.#fact<number>("nextNumber") ?? 1;
  }

  /** A number that no life of this object had before. */
  nextLife(): number {
    const life = (this.#fact<number>("life") ?? 0) + 1;
    this.#saveFact("life", life);
    return life;
  }

  /** The version of the deployment under which every Shard object was last asked which sockets live; null: never. */
  loadReconciled(): string | null {
    return this.#fact<string>("reconciled") ?? null;
  }

  saveReconciled(version: string): void {
    this.#saveFact("reconciled", version);
  }

  loadTableVersion(): number {
    return this.#fact<number>("tableVersion") ?? 0;
  }

  /** Endpoints' adaptive limits, as they were seconds before. */
  loadLimits(): Readonly<Record<string, number>> {
    return this.#fact<Record<string, number>>("limits") ?? {};
  }

  loadShards(): PoolShard[] {
    return this.#sql
      .exec<{ shard_id: string; endpoint_url: string; size: number; state: PoolShard["state"] }>("SELECT * FROM shards ORDER BY place")
      .toArray()
      .map((row) => ({ shardId: row.shard_id, endpointUrl: row.endpoint_url, size: row.size, state: row.state }));
  }

  loadLedger(): LedgerRows {
    return {
      clockOffsetMs: this.#fact<number>("clockOffsetMs") ?? 0,
      holders: this.#sql.exec<{ holder: string; record: string }>("SELECT * FROM holders").toArray(),
      slots: this.#loadSlots(),
      blocks: this.#sql
        .exec<{ block_key: string; block: string }>("SELECT * FROM blocks")
        .toArray()
        .map((row) => ({ key: row.block_key, block: JSON.parse(row.block) as SlotBlock })),
      budgets: this.#sql
        .exec<{ flow: string; debt: number; at_ms: number }>("SELECT * FROM budgets")
        .toArray()
        .map((row) => ({ flow: row.flow, debt: row.debt, atMs: row.at_ms })),
    };
  }

  loadCounters(): Counters {
    const flows = this.#sql.exec<{ flow: string; counters: string }>("SELECT * FROM flow_counters").toArray();
    return new Counters(
      { ...emptyGlobal(), ...this.#fact<GlobalCounters>("globalCounters") },
      new Map(flows.map(({ flow, counters }) => [flow, JSON.parse(counters) as FlowCounters])),
    );
  }

  /** `nextNumber` null: as it is. */
  saveConfiguration(
    configuration: PoolConfiguration,
    { shards, nextNumber, tableVersion }: { shards: readonly PoolShard[]; nextNumber: number | null; tableVersion: number },
  ): void {
    this.#saveFact("configuration", packConfiguration(configuration));
    if (nextNumber !== null) this.saveNextNumber(nextNumber);
    this.saveTable(shards, tableVersion);
  }

  saveTable(shards: readonly PoolShard[], tableVersion: number): void {
    this.#saveFact("tableVersion", tableVersion);
    this.saveShards(shards);
  }

  saveNextNumber(nextNumber: number): void {
    this.#saveFact("nextNumber", nextNumber);
  }

  loadDrains(): readonly ShardDrain[] {
    return this.#fact<readonly ShardDrain[]>("drains") ?? [];
  }

  saveDrains(drains: readonly ShardDrain[]): void {
    this.#saveFact("drains", drains);
  }

  saveShards(shards: readonly PoolShard[]): void {
    this.#sql.exec("DELETE FROM shards");
    for (const [place, { shardId, endpointUrl, size, state }] of shards.entries()) {
      this.#sql.exec(
        "INSERT INTO shards (shard_id, endpoint_url, size, state, place) VALUES (?, ?, ?, ?, ?)",
        shardId,
        endpointUrl,
        size,
        state,
        place,
      );
    }
  }

  /** How many rows it wrote. */
  saveLedger(changes: LedgerChanges): number {
    if (changes.clockOffsetMs !== null) this.#saveFact("clockOffsetMs", changes.clockOffsetMs);
    for (const { holder, record } of changes.holders)
      this.#sql.exec("INSERT OR REPLACE INTO holders (holder, record) VALUES (?, ?)", holder, record);
    for (const holder of changes.holdersGone) this.#sql.exec("DELETE FROM holders WHERE holder = ?", holder);
    for (const slot of changes.slots) this.#saveSlot(slot);
    for (const slotId of changes.slotsGone) this.#sql.exec("DELETE FROM named_slots WHERE slot_id = ?", slotId);
    for (const { key, block } of changes.blocks)
      this.#sql.exec("INSERT OR REPLACE INTO blocks (block_key, block) VALUES (?, ?)", key, JSON.stringify(block));
    for (const key of changes.blocksGone) this.#sql.exec("DELETE FROM blocks WHERE block_key = ?", key);
    for (const { flow, debt, atMs } of changes.budgets)
      this.#sql.exec("INSERT OR REPLACE INTO budgets (flow, debt, at_ms) VALUES (?, ?, ?)", flow, debt, atMs);
    const { holders, holdersGone, slots, slotsGone, blocks, blocksGone, budgets } = changes;
    const lists = [holders, holdersGone, slots, slotsGone, blocks, blocksGone, budgets];
    return lists.reduce((sum, { length }) => sum + length, changes.clockOffsetMs === null ? 0 : 1);
  }

  /** What may be some seconds old after a restart. `limits`: of endpoints whose concurrency is adaptive. */
  saveCounters(counters: Counters, limits: Readonly<Record<string, number>>): void {
    if (Object.keys(limits).length > 0) this.#saveFact("limits", limits);
    this.#saveFact("globalCounters", counters.global);
    for (const [flow, changed] of counters.takeDirty()) {
      this.#sql.exec("INSERT OR REPLACE INTO flow_counters (flow, counters) VALUES (?, ?)", flow, JSON.stringify(changed));
    }
  }

  #loadSlots(): NamedSlot[] {
    type Row = {
      slot_id: string;
      owner: string;
      flow: string;
      lane: string;
      shard_id: string;
      acquired_at_ms: number;
      expires_at_ms: number | null;
      device: string | null;
      in_place_of: string | null;
      memory_bytes: number | null;
    };
    return this.#sql
      .exec<Row>("SELECT * FROM named_slots")
      .toArray()
      .map((row) => ({
        slotId: row.slot_id,
        owner: row.owner,
        flow: row.flow,
        lane: row.lane,
        shardId: row.shard_id,
        acquiredAtMs: row.acquired_at_ms,
        expiresAtMs: row.expires_at_ms,
        isDurable: true,
        device: row.device ?? undefined,
        inPlaceOf: row.in_place_of ?? undefined,
        memoryBytes: row.memory_bytes ?? undefined,
      }));
  }

  #saveSlot({ slotId, owner, flow, lane, shardId, acquiredAtMs, expiresAtMs, device, inPlaceOf, memoryBytes }: NamedSlot): void {
    const columns = "slot_id, owner, flow, lane, shard_id, acquired_at_ms, expires_at_ms, device, in_place_of, memory_bytes";
    this.#sql.exec(
      `INSERT OR REPLACE INTO named_slots (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      slotId,
      owner,
      flow,
      lane,
      shardId,
      acquiredAtMs,
      expiresAtMs,
      device ?? null,
      inPlaceOf ?? null,
      memoryBytes ?? null,
    );
  }

  #fact<T>(fact: string): T | undefined {
    const [row] = this.#sql.exec<{ value: string }>("SELECT value FROM facts WHERE fact = ?", fact).toArray();
    return row === undefined ? undefined : (JSON.parse(row.value) as T);
  }

  #saveFact(fact: string, value: unknown): void {
    this.#sql.exec("INSERT OR REPLACE INTO facts (fact, value) VALUES (?, ?)", fact, JSON.stringify(value));
  }
}
