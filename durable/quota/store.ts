// The quota's tables: a row for each pool that holds credits, one for the rate, and a few facts.
import type { HolderRow, LedgerChanges, LedgerRows } from "#durable/lease/lease-rows.ts";
import { NO_CONFIGURATION, type QuotaConfiguration } from "./quota-policy.ts";
import { Quota, type QuotaCounters } from "./quota.ts";

export const QUOTA_MIGRATIONS = [
  {
    idMonotonicInc: 1,
    description: "holders, budgets, facts",
    sql: `
      CREATE TABLE IF NOT EXISTS holders (holder TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS budgets (flow TEXT PRIMARY KEY, debt INTEGER NOT NULL, at_ms INTEGER NOT NULL) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS facts (fact TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    `,
  },
];

export class QuotaStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  load(nowMs: number): Quota {
    const configuration = this.#fact<QuotaConfiguration>("configuration") ?? NO_CONFIGURATION;
    const counters = this.#fact<QuotaCounters>("counters") ?? { renewals: 0, slotsOverMax: 0 };
    return Quota.restore(configuration, this.#rows(), { counters, nowMs });
  }

  /** A renewal is one row, and one more where tokens were lent. */
  saveChanges({ clockOffsetMs, holders, holdersGone, budgets }: LedgerChanges): void {
    if (clockOffsetMs !== null) this.#saveFact("clockOffsetMs", clockOffsetMs);
    for (const { holder, record } of holders)
      this.#sql.exec("INSERT OR REPLACE INTO holders (holder, record) VALUES (?, ?)", holder, record);
    for (const holder of holdersGone) this.#sql.exec("DELETE FROM holders WHERE holder = ?", holder);
    for (const { flow, debt, atMs } of budgets)
      this.#sql.exec("INSERT OR REPLACE INTO budgets (flow, debt, at_ms) VALUES (?, ?, ?)", flow, debt, atMs);
  }

  saveConfiguration(configuration: QuotaConfiguration): void {
    this.#saveFact("configuration", configuration);
  }

  saveCounters(counters: QuotaCounters): void {
    this.#saveFact("counters", counters);
  }

  #rows(): LedgerRows {
    type Budget = { flow: string; debt: number; at_ms: number };
    return {
      clockOffsetMs: this.#fact<number>("clockOffsetMs") ?? 0,
      holders: this.#sql.exec<HolderRow & Record<string, string>>("SELECT holder, record FROM holders").toArray(),
      slots: [],
      blocks: [],
      budgets: this.#sql
        .exec<Budget>("SELECT flow, debt, at_ms FROM budgets")
        .toArray()
        .map(({ flow, debt, at_ms: atMs }) => ({ flow, debt, atMs })),
    };
  }

  #fact<T>(fact: string): T | undefined {
    const [row] = this.#sql.exec<{ value: string }>("SELECT value FROM facts WHERE fact = ?", fact).toArray();
    return row === undefined ? undefined : (JSON.parse(row.value) as T);
  }

  #saveFact(fact: string, value: unknown): void {
    this.#sql.exec("INSERT OR REPLACE INTO facts (fact, value) VALUES (?, ?)", fact, JSON.stringify(value));
  }
}
