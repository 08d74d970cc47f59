// The pool's tables. SQL here is synchronous; writes without an await between them are one transaction, and
// no answer leaves the object before they are confirmed.
import type { LedgerShard, Slot } from "#durable/lease/ledger.ts";
import type { ServiceConfig } from "#shared/config/schema.ts";
import { Counters, emptyGlobal, type FlowCounters, type GlobalCounters } from "./counters.ts";

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
];

/** What the pool knows of its service, with the version of the configuration that said so. */
export interface PoolConfiguration {
  readonly version: number;
  /** The service's name; empty until the first call told it. */
  readonly name: string;
  /** Null: the configuration has no such service. */
  readonly service: ServiceConfig | null;
}

export class PoolStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  loadConfiguration(): PoolConfiguration {
    return this.#fact<PoolConfiguration>("configuration") ?? { version: 0, name: "", service: null };
  }

  loadNextNumber(): number {
    return this.#fact<number>("nextNumber") ?? 1;
  }

  loadShards(): LedgerShard[] {
    return this.#sql
      .exec<{ shard_id: string; endpoint_url: string; size: number; state: LedgerShard["state"] }>("SELECT * FROM shards ORDER BY place")
      .toArray()
      .map((row) => ({ shardId: row.shard_id, endpointUrl: row.endpoint_url, size: row.size, state: row.state }));
  }

  loadSlots(): Slot[] {
    type Row = {
      slot_id: string;
      shard_id: string;
      holder: string;
      flow: string;
      kind: Slot["kind"];
      acquired_at_ms: number;
      expires_at_ms: number | null;
    };
    return this.#sql
      .exec<Row>("SELECT * FROM slots")
      .toArray()
      .map((row) => ({
        slotId: row.slot_id,
        shardId: row.shard_id,
        holder: row.holder,
        flow: row.flow,
        kind: row.kind,
        acquiredAtMs: row.acquired_at_ms,
        expiresAtMs: row.expires_at_ms,
      }));
  }

  loadCounters(): Counters {
    const flows = this.#sql.exec<{ flow: string; counters: string }>("SELECT * FROM flow_counters").toArray();
    return new Counters(
      { ...emptyGlobal(), ...this.#fact<GlobalCounters>("globalCounters") },
      new Map(flows.map(({ flow, counters }) => [flow, JSON.parse(counters) as FlowCounters])),
    );
  }

  saveConfiguration(configuration: PoolConfiguration, shards: readonly LedgerShard[], nextNumber: number): void {
    this.#saveFact("configuration", configuration);
    this.#saveFact("nextNumber", nextNumber);
    this.saveShards(shards);
  }

  saveShards(shards: readonly LedgerShard[]): void {
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

  saveSlot({ slotId, shardId, holder, flow, kind, acquiredAtMs, expiresAtMs }: Slot): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO slots (slot_id, shard_id, holder, flow, kind, acquired_at_ms, expires_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?)",
      slotId,
      shardId,
      holder,
      flow,
      kind,
      acquiredAtMs,
      expiresAtMs,
    );
  }

  dropSlot(slotId: string): void {
    this.#sql.exec("DELETE FROM slots WHERE slot_id = ?", slotId);
  }

  saveCounters(counters: Counters): void {
    this.#saveFact("globalCounters", counters.global);
    for (const [flow, changed] of counters.takeDirty()) {
      this.#sql.exec("INSERT OR REPLACE INTO flow_counters (flow, counters) VALUES (?, ?)", flow, JSON.stringify(changed));
    }
  }

  #fact<T>(fact: string): T | undefined {
    const [row] = this.#sql.exec<{ value: string }>("SELECT value FROM facts WHERE fact = ?", fact).toArray();
    return row === undefined ? undefined : (JSON.parse(row.value) as T);
  }

  #saveFact(fact: string, value: unknown): void {
    this.#sql.exec("INSERT OR REPLACE INTO facts (fact, value) VALUES (?, ?)", fact, JSON.stringify(value));
  }
}
