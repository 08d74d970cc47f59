import type { SlotDebt, SlotDebts } from "./slot-keeper.ts";

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
