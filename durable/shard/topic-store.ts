import { TOPICS, type TopicChange } from "#shared/protocol/topics.ts";

export const TOPIC_MIGRATION = {
  idMonotonicInc: 4,
  description: "topics of sockets, and whose a plain one is",
  sql: `
    CREATE TABLE IF NOT EXISTS topics (
      socket_id TEXT NOT NULL, topic TEXT NOT NULL, tenant TEXT NOT NULL, PRIMARY KEY (socket_id, topic)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS topics_topic ON topics (tenant, topic);
    ALTER TABLE plain_sockets ADD COLUMN tenant TEXT NOT NULL DEFAULT '';
    ALTER TABLE plain_sockets ADD COLUMN device TEXT NOT NULL DEFAULT '';
    UPDATE plain_sockets SET tenant = json_extract(route, '$.tenant'), device = json_extract(route, '$.device');
    CREATE INDEX IF NOT EXISTS plain_owner ON plain_sockets (tenant, device);
  `,
};

/** Whose topics: a session's by its id, a plain socket's by its own. */
export interface TopicHolder {
  readonly socketId: string;
  readonly tenant: string;
}

/** Which sockets of a Shard object are on which topic: a row each, so that it outlives the object's sleep, and as long as the socket. */
export class TopicStore {
  readonly #sql: SqlStorage;
  #known: number | null = null;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Of the whole object. Counted once; then kept up. */
  get count(): number {
    return (this.#known ??= this.#sql.exec<{ count: number }>("SELECT COUNT(*) AS count FROM topics").one().count);
  }

  /** Each in turn. How many were refused, because the socket or the object has as many as it may. */
  apply({ socketId, tenant }: TopicHolder, changes: readonly TopicChange[]): number {
    if (changes.length === 0) return 0;
    const topics = new Set(this.of(socketId));
    let refused = 0;
    for (const { kind, topic } of changes) {
      if ((kind === "subscribe") === topics.has(topic)) continue;
      if (kind === "unsubscribe") {
        topics.delete(topic);
        this.#change(-1, "DELETE FROM topics WHERE socket_id = ? AND topic = ?", socketId, topic);
      } else if (topics.size >= TOPICS.perSocketMax || this.count >= TOPICS.perShardMax) refused += 1;
      else {
        topics.add(topic);
        this.#change(1, "INSERT INTO topics (socket_id, topic, tenant) VALUES (?, ?, ?)", socketId, topic, tenant);
      }
    }
    return refused;
  }

  /** All of them or none. */
  applyAll(holder: TopicHolder, changes: readonly TopicChange[]): boolean {
    const before = this.of(holder.socketId);
    if (this.apply(holder, changes) === 0) return true;
    this.drop(holder.socketId);
    this.apply(
      holder,
      before.map((topic) => ({ kind: "subscribe", topic })),
    );
    return false;
  }

  drop(socketId: string): void {
    const { length } = this.of(socketId);
    if (length > 0) this.#change(-length, "DELETE FROM topics WHERE socket_id = ?", socketId);
  }

  of(socketId: string): readonly string[] {
    return this.#sql
      .exec<{ topic: string }>("SELECT topic FROM topics WHERE socket_id = ?", socketId)
      .toArray()
      .map(({ topic }) => topic);
  }

  /** In a tenant's topic: another tenant's of the same name is another. */
  subscribers(tenant: string, topic: string): readonly string[] {
    return this.#sql
      .exec<{ socket_id: string }>("SELECT socket_id FROM topics WHERE tenant = ? AND topic = ?", tenant, topic)
      .toArray()
      .map(({ socket_id }) => socket_id);
  }

  #change(by: number, query: string, ...bindings: string[]): void {
    const count = this.count + by;
    this.#sql.exec(query, ...bindings);
    this.#known = count;
  }
}
