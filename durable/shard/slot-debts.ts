import type { SocketAssignment } from "#shared/protocol/shard-rpc.ts";

/** What ends a slot: the flow it counts for, and the pool. */
export type SlotOwner = Pick<SocketAssignment, "slotId" | "flow" | "service">;

/** A slot that goes back unless something that lives here has it. */
export interface SlotDebt extends SlotOwner {
  readonly sinceMs: number;
}

/** Where a Shard object keeps its debts: what is put without an await in between is one transaction with what else is written. */
export interface SlotDebts {
  put(debt: SlotDebt): void;
  drop(slotId: string): void;
  all(): readonly SlotDebt[];
}

/** Among the Shard object's other facts, each under its slot's name. */
const PREFIX = "slot ";
/** The first text after all that begin with the prefix. */
const PREFIX_END = "slot!";

export class StoredSlotDebts implements SlotDebts {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  put(debt: SlotDebt): void {
    this.#sql.exec("INSERT OR REPLACE INTO facts (fact, value) VALUES (?, ?)", PREFIX + debt.slotId, JSON.stringify(debt));
  }

  drop(slotId: string): void {
    this.#sql.exec("DELETE FROM facts WHERE fact = ?", PREFIX + slotId);
  }

  all(): readonly SlotDebt[] {
    return this.#sql
      .exec<{ value: string }>("SELECT value FROM facts WHERE fact >= ? AND fact < ?", PREFIX, PREFIX_END)
      .toArray()
      .map(({ value }) => JSON.parse(value) as SlotDebt);
  }
}
