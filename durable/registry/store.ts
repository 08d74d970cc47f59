import type { Configuration } from "#shared/config/schema.ts";
import { LIMITS } from "#shared/limits.ts";
import type { Snapshot } from "#shared/protocol/registry-rpc.ts";
import { SHARES_MIGRATION } from "./shares-store.ts";

export const REGISTRY_MIGRATIONS = [
  {
    idMonotonicInc: 1,
    description: "versions of the configuration",
    sql: "CREATE TABLE IF NOT EXISTS versions (version INTEGER PRIMARY KEY, applied_at_ms INTEGER NOT NULL, digest TEXT NOT NULL, configuration TEXT NOT NULL);",
  },
  SHARES_MIGRATION,
];

export class RegistryStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  loadNewest(): Snapshot | undefined {
    type Row = { version: number; applied_at_ms: number; digest: string; configuration: string };
    const [row] = this.#sql.exec<Row>("SELECT * FROM versions ORDER BY version DESC LIMIT 1").toArray();
    if (row === undefined) return undefined;
    return {
      version: row.version,
      appliedAtMs: row.applied_at_ms,
      digest: row.digest,
      configuration: JSON.parse(row.configuration) as Configuration,
    };
  }

  /** Adds a version and lets the oldest beyond the bound go. */
  append({ version, appliedAtMs, digest }: Snapshot, configuration: string): void {
    this.#sql.exec(
      "INSERT INTO versions (version, applied_at_ms, digest, configuration) VALUES (?, ?, ?, ?)",
      version,
      appliedAtMs,
      digest,
      configuration,
    );
    this.#sql.exec("DELETE FROM versions WHERE version <= ?", version - LIMITS.configurationVersionCountMax);
  }
}
