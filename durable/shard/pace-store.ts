import type { FlowPace } from "#shared/protocol/shard-rpc.ts";

export interface StoredPace {
  readonly service: string;
  readonly pace: FlowPace;
}

/** Among the Shard object's other facts, each under its flow's name. */
const PREFIX = "pace ";
/** The first text after all that begin with the prefix. */
const PREFIX_END = "pace!";

/** As of which configuration all of them hold. */
const VERSION = "pace-version";
/** Flows of plain sockets that are looked for at a time. */
const FLOWS_MAX = 2_048;

/** What is known of flows after hibernation, which keeps their sockets. */
export class PaceStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  put(stored: StoredPace): void {
    const fact = PREFIX + stored.pace.flow;
    this.#sql.exec("INSERT OR REPLACE INTO facts (fact, value) VALUES (?, ?)", fact, JSON.stringify(stored));
  }

  putVersion(version: number): void {
    this.#sql.exec("INSERT OR REPLACE INTO facts (fact, value) VALUES (?, ?)", VERSION, `${version}`);
  }

  /** 0: of none. */
  version(): number {
    const [row] = this.#sql.exec<{ value: string }>("SELECT value FROM facts WHERE fact = ?", VERSION).toArray();
    return Number(row?.value ?? 0);
  }

  plainFlows(): readonly { readonly service: string; readonly flow: string }[] {
    const query = "SELECT DISTINCT route ->> '$.service' AS service, route ->> '$.flow' AS flow FROM plain_sockets LIMIT ?";
    return this.#sql.exec<{ service: string; flow: string }>(query, FLOWS_MAX).toArray();
  }

  all(): readonly StoredPace[] {
    return this.#sql
      .exec<{ value: string }>("SELECT value FROM facts WHERE fact >= ? AND fact < ?", PREFIX, PREFIX_END)
      .toArray()
      .map(({ value }) => JSON.parse(value) as StoredPace);
  }
}
