import type { FlowPace } from "#shared/protocol/shard-rpc.ts";
import type { FlowTelemetry } from "#shared/protocol/telemetry.ts";

export interface StoredPace {
  readonly service: string;
  readonly pace: FlowPace;
}

/** Among the Shard object's other facts, each under its flow's name. */
const PACE = "pace ";
const UNTOLD = "untold ";
/** As of which configuration all paces hold. */
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
    this.#put(PACE + stored.pace.flow, stored);
  }

  all(): readonly StoredPace[] {
    return this.#all<StoredPace>(PACE);
  }

  putVersion(version: number): void {
    this.#put(VERSION, version);
  }

  /** 0: of none. */
  version(): number {
    return this.#all<number>(VERSION)[0] ?? 0;
  }

  /** What was measured of a flow, and told without an answer. */
  putUntold(told: FlowTelemetry): void {
    this.#put(UNTOLD + told.flow, told);
  }

  dropUntold(flow: string): void {
    this.#sql.exec("DELETE FROM facts WHERE fact = ?", UNTOLD + flow);
  }

  untold(): readonly FlowTelemetry[] {
    return this.#all<FlowTelemetry>(UNTOLD);
  }

  plainFlows(): readonly { readonly service: string; readonly flow: string }[] {
    const query = "SELECT DISTINCT route ->> '$.service' AS service, route ->> '$.flow' AS flow FROM plain_sockets LIMIT ?";
    return this.#sql.exec<{ service: string; flow: string }>(query, FLOWS_MAX).toArray();
  }

  #put(fact: string, value: unknown): void {
    this.#sql.exec("INSERT OR REPLACE INTO facts (fact, value) VALUES (?, ?)", fact, JSON.stringify(value));
  }

  /** Of facts whose names begin so. Flows' are printable ASCII. */
  #all<T>(prefix: string): readonly T[] {
    return this.#sql
      .exec<{ value: string }>("SELECT value FROM facts WHERE fact >= ? AND fact < ?", prefix, `${prefix}~`)
      .toArray()
      .map(({ value }) => JSON.parse(value) as T);
  }
}
