// What each service's forecaster told last of the kind of series it has: one row per configured service.
import type { SQLSchemaMigration } from "durable-utils/sql-migrations";
import { DAY_MS } from "#shared/units.ts";

/** Who has told nothing for so long may have become another. */
const SUMMARY_AGE_MS_MAX = 30 * DAY_MS;
/** The newest: more say nothing that these do not. */
const SUMMARY_COUNT_MAX = 64;

export const SHARES_MIGRATION: SQLSchemaMigration = {
  idMonotonicInc: 2,
  description: "what services' forecasters told of their kinds of series",
  sql: "CREATE TABLE IF NOT EXISTS shares (service TEXT PRIMARY KEY, model TEXT NOT NULL, told_at_ms INTEGER NOT NULL, weights TEXT NOT NULL);",
};

export class SharesStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  put(service: string, { model, weights }: { readonly model: string; readonly weights: readonly number[] }, nowMs: number): void {
    const text = JSON.stringify(weights);
    this.#sql.exec("INSERT OR REPLACE INTO shares (service, model, told_at_ms, weights) VALUES (?, ?, ?, ?)", service, model, nowMs, text);
  }

  /** Of services of the same model but this one, of which `isKept`; the others' rows go. */
  othersOf(
    { service, model }: { readonly service: string; readonly model: string },
    isKept: (service: string) => boolean,
    nowMs: number,
  ): number[][] {
    const rows = this.#sql.exec<{ service: string; model: string; told_at_ms: number; weights: string }>("SELECT * FROM shares").toArray();
    for (const row of rows) if (!isKept(row.service)) this.#sql.exec("DELETE FROM shares WHERE service = ?", row.service);
    return rows
      .filter(
        (row) => isKept(row.service) && row.service !== service && row.model === model && nowMs - row.told_at_ms <= SUMMARY_AGE_MS_MAX,
      )
      .toSorted((a, b) => b.told_at_ms - a.told_at_ms)
      .slice(0, SUMMARY_COUNT_MAX)
      .map(({ weights }) => JSON.parse(weights) as number[]);
  }
}
