import type { SessionRoute } from "./session-store.ts";

/** `isOpening`: its endpoint has agreed, its device has no socket yet. */
type PlainRoute = SessionRoute & { readonly isOpening?: boolean };

/** Plain sockets over HTTP: one row each, from their opening to their end. */
export class PlainStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  get count(): number {
    return this.#sql.exec<{ count: number }>("SELECT COUNT(*) AS count FROM plain_sockets").one().count;
  }

  add(socketId: string, route: PlainRoute): void {
    const { slotId, tenant, device } = route;
    const insert = "INSERT INTO plain_sockets (socket_id, slot_id, route, tenant, device) VALUES (?, ?, ?, ?, ?)";
    this.#sql.exec(insert, socketId, slotId, JSON.stringify(route), tenant, device);
  }

  settle(socketId: string, route: SessionRoute): void {
    this.#sql.exec("UPDATE plain_sockets SET route = ? WHERE socket_id = ?", JSON.stringify(route), socketId);
  }

  load(socketId: string): PlainRoute | null {
    const [row] = this.#sql.exec<{ route: string }>("SELECT route FROM plain_sockets WHERE socket_id = ?", socketId).toArray();
    return row === undefined ? null : (JSON.parse(row.route) as PlainRoute);
  }

  drop(socketId: string): void {
    this.#sql.exec("DELETE FROM plain_sockets WHERE socket_id = ?", socketId);
  }

  all(): readonly string[] {
    return this.#ids("SELECT socket_id FROM plain_sockets");
  }

  /** Of a tenant's device, or of all its devices. */
  ownedBy(tenant: string, device: string | null): readonly string[] {
    const all = "SELECT socket_id FROM plain_sockets WHERE tenant = ?";
    return device === null ? this.#ids(all, tenant) : this.#ids(`${all} AND device = ?`, tenant, device);
  }

  holdsSlot(slotId: string): boolean {
    return this.#sql.exec("SELECT 1 FROM plain_sockets WHERE slot_id = ? LIMIT 1", slotId).toArray().length > 0;
  }

  #ids(query: string, ...bindings: string[]): readonly string[] {
    return this.#sql
      .exec<{ socket_id: string }>(query, ...bindings)
      .toArray()
      .map(({ socket_id }) => socket_id);
  }
}
