// The ledger as rows: one per holder (a renewal writes one), per named slot, per rate. JSON in a row is our own.
import type { RateBudget } from "./rate-budget.ts";
import type { HolderRecord } from "./holder-record.ts";

/** A slot with a name of its own: a queued request's, or a socket's. */
export interface NamedSlot {
  readonly slotId: string;
  readonly owner: string;
  readonly flow: string;
  readonly acquiredAtMs: number;
  /** Null: a socket's, kept until its Shard object says that it is gone. */
  readonly expiresAtMs: number | null;
}

export interface HolderRow {
  readonly holder: string;
  readonly record: string;
}

export interface BudgetRow extends RateBudget {
  readonly flow: string;
}

export interface LedgerRows {
  /** The ledger's time less the machine's. */
  readonly clockOffsetMs: number;
  readonly holders: readonly HolderRow[];
  readonly slots: readonly NamedSlot[];
  readonly budgets: readonly BudgetRow[];
}

/** What a shell writes before it sends the answer. */
export interface LedgerChanges {
  readonly clockOffsetMs: number | null;
  readonly holders: readonly HolderRow[];
  readonly holdersGone: readonly string[];
  readonly slots: readonly NamedSlot[];
  readonly slotsGone: readonly string[];
  readonly budgets: readonly BudgetRow[];
}

export function holderRow(record: HolderRecord): HolderRow {
  return { holder: record.holder, record: JSON.stringify(record) };
}

export function recordOf({ record }: HolderRow): HolderRecord {
  return JSON.parse(record) as HolderRecord;
}

/** The keys that changed since the last time they were asked for. */
export class ChangedKeys {
  #holders = new Set<string>();
  #slots = new Set<string>();
  #budgets = new Set<string>();
  #clock = false;

  holder(holder: string): void {
    this.#holders.add(holder);
  }

  slot(slotId: string): void {
    this.#slots.add(slotId);
  }

  budget(flow: string): void {
    this.#budgets.add(flow);
  }

  clock(): void {
    this.#clock = true;
  }

  take(state: {
    readonly clockOffsetMs: number;
    readonly holders: ReadonlyMap<string, HolderRecord>;
    readonly slots: ReadonlyMap<string, NamedSlot>;
    readonly budgets: ReadonlyMap<string, RateBudget>;
  }): LedgerChanges {
    const changes = {
      clockOffsetMs: this.#clock ? state.clockOffsetMs : null,
      holders: [...this.#holders].flatMap((key) => state.holders.get(key) ?? []).map(holderRow),
      holdersGone: [...this.#holders].filter((key) => !state.holders.has(key)),
      slots: [...this.#slots].flatMap((key) => state.slots.get(key) ?? []),
      slotsGone: [...this.#slots].filter((key) => !state.slots.has(key)),
      budgets: [...this.#budgets].flatMap((flow) => budgetRow(flow, state.budgets.get(flow))),
    };
    this.#holders = new Set();
    this.#slots = new Set();
    this.#budgets = new Set();
    this.#clock = false;
    return changes;
  }
}

function budgetRow(flow: string, budget: RateBudget | undefined): BudgetRow[] {
  return budget === undefined ? [] : [{ flow, ...budget }];
}
