// A fleet on disk: one row for each shard, so that a change of state is one row written.
import type { SQLSchemaMigration } from "durable-utils/sql-migrations";
import type { ServiceConfig } from "#shared/config/schema.ts";
import { NO_FLEET_FACTS, type FleetChanges, type FleetFacts, type FleetRows, type FleetShard } from "./fleet/fleet-state.ts";

export const FLEET_MIGRATION: SQLSchemaMigration = {
  idMonotonicInc: 4,
  description: "the lives of shards",
  sql: `
    CREATE TABLE IF NOT EXISTS fleet_shards (shard_id TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS fleet_facts (fact TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  `,
};

export class FleetStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  load(): FleetRows {
    const shards = this.#sql.exec<{ record: string }>("SELECT record FROM fleet_shards").toArray();
    return {
      facts: { ...NO_FLEET_FACTS, ...(this.#fact("facts") as Partial<FleetFacts> | null) },
      shards: shards.map(({ record }) => JSON.parse(record) as FleetShard),
    };
  }

  save({ facts, shards, shardsGone }: FleetChanges): void {
    for (const shard of shards)
      this.#sql.exec("INSERT OR REPLACE INTO fleet_shards (shard_id, record) VALUES (?, ?)", shard.shardId, JSON.stringify(shard));
    for (const shardId of shardsGone) this.#sql.exec("DELETE FROM fleet_shards WHERE shard_id = ?", shardId);
    if (facts !== null) this.#saveFact("facts", facts);
  }

  /** As it last was, for whose units have to be ended when the configuration does not know it any more. */
  loadService(): ServiceConfig | null {
    return this.#fact("service") as ServiceConfig | null;
  }

  saveService(service: ServiceConfig): void {
    this.#saveFact("service", service);
  }

  #fact(fact: string): unknown {
    const [row] = this.#sql.exec<{ value: string }>("SELECT value FROM fleet_facts WHERE fact = ?", fact).toArray();
    return row === undefined ? null : JSON.parse(row.value);
  }

  #saveFact(fact: string, value: unknown): void {
    this.#sql.exec("INSERT OR REPLACE INTO fleet_facts (fact, value) VALUES (?, ?)", fact, JSON.stringify(value));
  }
}
