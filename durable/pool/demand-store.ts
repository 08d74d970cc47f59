// A service's demand on disk: one row, so that a save is one row written.
import type { SQLSchemaMigration } from "durable-utils/sql-migrations";

export const DEMAND_MIGRATION: SQLSchemaMigration = {
  idMonotonicInc: 3,
  description: "the forecaster's and the planner's states",
  sql: `
    CREATE TABLE IF NOT EXISTS demand (
      id INTEGER PRIMARY KEY CHECK (id = 0), facts TEXT NOT NULL, forecaster BLOB NOT NULL, planner BLOB NOT NULL
    );
  `,
};

/** What is small, and needed before the states are. */
export interface DemandFacts {
  /** Nothing came and nothing ran since `binEndMs`: what was not observed then is zero. */
  readonly isSilent: boolean;
  /** Of the last bin observed; null: none yet. */
  readonly binEndMs: number | null;
  /** When anything last came or ran. */
  readonly activeAtMs: number;
  /** When the loop wakes by itself, while it sleeps; null: when something comes. */
  readonly prewarmAtMs: number | null;
  readonly binCount: number;
  readonly arrivalsPerSecond: number;
  readonly slotsWanted: number;
  readonly plannedShardSeconds: number;
  readonly wantedShardSeconds: number;
  readonly restarts: Readonly<Record<string, number>>;
  /** When it last heard what the gateway's other services have shown; 0: not since it began. */
  readonly exchangedAtMs: number;
  /** Of the clock that all of it was told by, ÷ the wall's. */
  readonly speed: number;
}

export interface DemandStates {
  readonly forecaster: Uint8Array;
  readonly planner: Uint8Array;
}

export const NO_FACTS: DemandFacts = {
  isSilent: false,
  binEndMs: null,
  activeAtMs: 0,
  prewarmAtMs: null,
  binCount: 0,
  arrivalsPerSecond: 0,
  slotsWanted: 0,
  plannedShardSeconds: 0,
  wantedShardSeconds: 0,
  restarts: {},
  exchangedAtMs: 0,
  speed: 1,
};

export class DemandStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  loadFacts(): DemandFacts {
    const [row] = this.#sql.exec<{ facts: string }>("SELECT facts FROM demand").toArray();
    return { ...NO_FACTS, ...(row === undefined ? {} : (JSON.parse(row.facts) as DemandFacts)) };
  }

  loadStates(): DemandStates | null {
    const [row] = this.#sql.exec<{ forecaster: ArrayBuffer; planner: ArrayBuffer }>("SELECT forecaster, planner FROM demand").toArray();
    return row === undefined ? null : { forecaster: new Uint8Array(row.forecaster), planner: new Uint8Array(row.planner) };
  }

  save(facts: DemandFacts, { forecaster, planner }: DemandStates): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO demand (id, facts, forecaster, planner) VALUES (0, ?, ?, ?)",
      JSON.stringify(facts),
      forecaster,
      planner,
    );
  }
}
