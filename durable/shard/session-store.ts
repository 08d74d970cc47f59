// The Shard object's tables. SQL here is synchronous; writes without an await between them are one transaction, and nothing
// leaves the object before they are confirmed.
import type { Region } from "#shared/config/regions.ts";
import type { HandOver, SessionPointer } from "#shared/protocol/shard-rpc.ts";
import type { GatewaySession } from "#shared/resume/gateway-session.ts";
import { payloadsOfRow, rowsOf, type NumberedPayload } from "./message-rows.ts";
import { sessionFromRows, type SessionChanges } from "./session-rows.ts";
import { TOPIC_MIGRATION, TopicStore } from "./topic-store.ts";

export const SHARD_MIGRATIONS = [
  {
    idMonotonicInc: 1,
    description: "sessions and the messages that wait for their devices",
    sql: `
      CREATE TABLE IF NOT EXISTS sessions (
        session_id TEXT PRIMARY KEY, slot_id TEXT NOT NULL, tenant TEXT NOT NULL, device TEXT NOT NULL,
        route TEXT NOT NULL, facts TEXT NOT NULL,
        mode TEXT NOT NULL, is_attached INTEGER NOT NULL, is_over INTEGER NOT NULL, due_at_ms INTEGER, moved_to TEXT
      ) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS facts (fact TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
      CREATE INDEX IF NOT EXISTS sessions_attached ON sessions (mode) WHERE is_attached = 1;
      CREATE INDEX IF NOT EXISTS sessions_due ON sessions (due_at_ms) WHERE due_at_ms IS NOT NULL;
      CREATE INDEX IF NOT EXISTS sessions_owner ON sessions (tenant, device) WHERE is_over = 0;
      CREATE TABLE IF NOT EXISTS messages (
        session_id TEXT NOT NULL, sequence INTEGER NOT NULL, text TEXT, bytes BLOB, PRIMARY KEY (session_id, sequence)
      ) WITHOUT ROWID;
    `,
  },
  {
    idMonotonicInc: 2,
    description: "messages that were numbered together share a row",
    sql: "ALTER TABLE messages ADD COLUMN count INTEGER NOT NULL DEFAULT 1;",
  },
  {
    idMonotonicInc: 3,
    description: "plain sockets over HTTP",
    sql: `
      CREATE TABLE IF NOT EXISTS plain_sockets (socket_id TEXT PRIMARY KEY, slot_id TEXT NOT NULL, route TEXT NOT NULL) WITHOUT ROWID;
      CREATE INDEX IF NOT EXISTS plain_slots ON plain_sockets (slot_id);
    `,
  },
  TOPIC_MIGRATION,
];

/** Where a session's messages go, and whose slot it has. */
export interface SessionRoute {
  readonly service: string;
  readonly tenant: string;
  readonly device: string;
  readonly shardId: string;
  readonly slotId: string;
  /** Whose regional pool named the slot; absent: the home pool, or it has taken the slot over. */
  readonly region?: Region | undefined;
  readonly flow: string;
  readonly mode: "http" | "websocket";
  readonly upstreamUrl: string;
  readonly deadlineMs: number;
  /** What its messages may take of its flow's memory, both ways, as long as it has its slot. Absent: that is not limited. */
  readonly memoryBytes?: number | undefined;
  /** What its endpoint, which speaks GRIP, puts before messages for the device. */
  readonly messagePrefix?: string | null;
  /** It may have come here and may not have left: the endpoint is told nothing by its end here. */
  readonly isTentative?: boolean;
  /** And then, or once it was so, from which shard, by which move. */
  readonly cameFrom?: string;
  readonly moveId?: string;
  /** Those of the upgrade that the endpoint may see. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** What is looked up beside a session's facts. */
export interface SessionRow {
  readonly isAttached: boolean;
  readonly isOver: boolean;
  readonly dueAtMs: number | null;
}

export function isSameRow(a: SessionRow | undefined, b: SessionRow): boolean {
  return a !== undefined && a.isAttached === b.isAttached && a.isOver === b.isOver && a.dueAtMs === b.dueAtMs;
}

export interface Drain {
  readonly reason: string;
  readonly untilMs: number;
  /** The grace is over, and connections were closed. */
  readonly isClosed?: boolean;
}

export interface StoredSession {
  readonly route: SessionRoute;
  readonly state: GatewaySession;
}

export class SessionStore {
  readonly topics: TopicStore;
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    this.topics = new TopicStore(sql);
  }

  load(sessionId: string): StoredSession | undefined {
    type Row = { route: string; facts: string };
    const [row] = this.#sql.exec<Row>("SELECT route, facts FROM sessions WHERE session_id = ? AND moved_to IS NULL", sessionId).toArray();
    if (row === undefined) return undefined;
    const route = JSON.parse(row.route) as SessionRoute;
    return { route, state: sessionFromRows(row.facts, this.#loadMessages(sessionId)) };
  }

  /** Its facts follow with the first `save`, in the same transaction. */
  begin(sessionId: string, route: SessionRoute): void {
    this.#sql.exec(
      `INSERT OR REPLACE INTO sessions (session_id, slot_id, tenant, device, route, facts, mode, is_attached, is_over, due_at_ms, moved_to)
       VALUES (?, ?, ?, ?, ?, '', ?, 0, 0, NULL, NULL)`,
      sessionId,
      route.slotId,
      route.tenant,
      route.device,
      JSON.stringify(route),
      route.mode,
    );
  }

  saveRoute(sessionId: string, route: SessionRoute): void {
    this.#sql.exec("UPDATE sessions SET route = ? WHERE session_id = ?", JSON.stringify(route), sessionId);
  }

  /** `row` null: it is as it was, so that no index is written. */
  save(sessionId: string, { facts, appended, trimmedTo }: SessionChanges, row: SessionRow | null): void {
    for (const { sequence, count, text, bytes } of rowsOf(appended)) {
      const insert = "INSERT INTO messages (session_id, sequence, count, text, bytes) VALUES (?, ?, ?, ?, ?)";
      this.#sql.exec(insert, sessionId, sequence, count, text, bytes);
    }
    if (trimmedTo !== null) this.#sql.exec("DELETE FROM messages WHERE session_id = ? AND sequence <= ?", sessionId, trimmedTo);
    if (facts !== null) this.#sql.exec("UPDATE sessions SET facts = ? WHERE session_id = ?", facts, sessionId);
    if (row === null) return;
    if (row.isOver) this.topics.drop(sessionId);
    this.#sql.exec(
      "UPDATE sessions SET is_attached = ?, is_over = ?, due_at_ms = ? WHERE session_id = ?",
      Number(row.isAttached),
      Number(row.isOver),
      row.dueAtMs,
      sessionId,
    );
  }

  drop(sessionId: string): void {
    this.topics.drop(sessionId);
    this.#sql.exec("DELETE FROM messages WHERE session_id = ?", sessionId);
    this.#sql.exec("DELETE FROM sessions WHERE session_id = ?", sessionId);
  }

  attached(mode: SessionRoute["mode"]): readonly string[] {
    return this.#ids("SELECT session_id FROM sessions WHERE is_attached = 1 AND mode = ?", mode);
  }

  /** As another Shard object takes it over. */
  export(sessionId: string): Omit<HandOver, "pushIds" | "moveId"> | null {
    type Row = { facts: string; route: string };
    const [row] = this.#sql.exec<Row>("SELECT facts, route FROM sessions WHERE session_id = ?", sessionId).toArray();
    if (row === undefined) return null;
    const { messagePrefix = null } = JSON.parse(row.route) as SessionRoute;
    return { facts: row.facts, messages: this.#loadMessages(sessionId), topics: this.topics.of(sessionId), messagePrefix };
  }

  /** All that is left here is where it went. */
  pointTo(sessionId: string, { shardId, moveId, dueAtMs }: SessionPointer & { dueAtMs: number }): void {
    this.topics.drop(sessionId);
    this.#sql.exec("DELETE FROM messages WHERE session_id = ?", sessionId);
    this.#sql.exec(
      "UPDATE sessions SET moved_to = ?, is_attached = 0, is_over = 1, due_at_ms = ? WHERE session_id = ?",
      `${shardId} ${moveId}`,
      dueAtMs,
      sessionId,
    );
  }

  movedTo(sessionId: string): SessionPointer | null {
    const query = "SELECT moved_to FROM sessions WHERE session_id = ?";
    const pointer = this.#sql.exec<{ moved_to: string | null }>(query, sessionId).toArray()[0]?.moved_to ?? null;
    if (pointer === null) return null;
    const [shardId = "", moveId = ""] = pointer.split(" ");
    return { shardId, moveId };
  }

  livingCount(): number {
    return this.#sql.exec<{ count: number }>("SELECT COUNT(*) AS count FROM sessions WHERE is_over = 0").one().count;
  }

  loadDrain(): Drain | null {
    const [row] = this.#sql.exec<{ value: string }>("SELECT value FROM facts WHERE fact = 'drain'").toArray();
    return row === undefined ? null : (JSON.parse(row.value) as Drain);
  }

  saveDrain(drain: Drain | null): void {
    if (drain === null) this.#sql.exec("DELETE FROM facts WHERE fact = 'drain'");
    else this.#sql.exec("INSERT OR REPLACE INTO facts (fact, value) VALUES ('drain', ?)", JSON.stringify(drain));
  }

  due(nowMs: number): readonly string[] {
    return this.#ids("SELECT session_id FROM sessions WHERE due_at_ms <= ? ORDER BY due_at_ms", nowMs);
  }

  nextDueAtMs(): number | null {
    const [row] = this.#sql.exec<{ due: number | null }>("SELECT MIN(due_at_ms) AS due FROM sessions").toArray();
    return row?.due ?? null;
  }

  /** Living sessions of a tenant's device, or of all its devices. */
  ownedBy(tenant: string, device: string | null): readonly string[] {
    const all = "SELECT session_id FROM sessions WHERE is_over = 0 AND tenant = ?";
    return device === null ? this.#ids(all, tenant) : this.#ids(`${all} AND device = ?`, tenant, device);
  }

  holdsSlot(slotId: string): boolean {
    return this.#sql.exec("SELECT 1 FROM sessions WHERE slot_id = ? AND is_over = 0 LIMIT 1", slotId).toArray().length > 0;
  }

  #ids(query: string, ...bindings: (number | string)[]): readonly string[] {
    return this.#sql
      .exec<{ session_id: string }>(query, ...bindings)
      .toArray()
      .map(({ session_id }) => session_id);
  }

  #loadMessages(sessionId: string): NumberedPayload[] {
    type Row = { sequence: number; count: number; text: string | null; bytes: ArrayBuffer | null };
    return this.#sql
      .exec<Row>("SELECT sequence, count, text, bytes FROM messages WHERE session_id = ? ORDER BY sequence", sessionId)
      .toArray()
      .flatMap(payloadsOfRow);
  }
}
