import type { FlowPace } from "#shared/protocol/shard-rpc.ts";

export interface StoredPace {
  readonly service: string;
  readonly pace: FlowPace;
}

/** Among the Shard object's other facts, each under its flow's name. */
const PREFIX = "pace ";
/** The first text after all that begin with the prefix. */
const PREFIX_END = "pace!";

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

  all(): readonly StoredPace[] {
    return this.#sql
      .exec<{ value: string }>("SELECT value FROM facts WHERE fact >= ? AND fact < ?", PREFIX, PREFIX_END)
      .toArray()
      .map(({ value }) => JSON.parse(value) as StoredPace);
  }
}
