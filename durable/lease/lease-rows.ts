// The ledger as rows: one per holder (a renewal writes one), per socket, per block of queued requests, per rate. JSON
// in a row is our own.
import type { HolderRecord } from "./holder-record.ts";
import type { NamedSlot, NamedSlots, SlotBlock } from "./named-slots.ts";
import type { RateBudget } from "./rate-budget.ts";

export interface HolderRow {
  readonly holder: string;
  readonly record: string;
}

export interface BudgetRow extends RateBudget {
  readonly flow: string;
}

export interface BlockRow {
  readonly key: string;
  readonly block: SlotBlock;
}

export interface LedgerRows {
  /** The ledger's time less the machine's. */
  readonly clockOffsetMs: number;
  readonly holders: readonly HolderRow[];
  readonly slots: readonly NamedSlot[];
  readonly blocks: readonly BlockRow[];
  readonly budgets: readonly BudgetRow[];
}

/** What a shell writes before it sends the answer. */
export interface LedgerChanges {
  readonly clockOffsetMs: number | null;
  readonly holders: readonly HolderRow[];
  readonly holdersGone: readonly string[];
  readonly slots: readonly NamedSlot[];
  readonly slotsGone: readonly string[];
  readonly blocks: readonly BlockRow[];
  readonly blocksGone: readonly string[];
  readonly budgets: readonly BudgetRow[];
}

interface LedgerState {
  readonly clockOffsetMs: number;
  readonly holders: ReadonlyMap<string, HolderRecord>;
  readonly slots: NamedSlots;
  readonly budgets: ReadonlyMap<string, RateBudget>;
}

function holderRow(record: HolderRecord): HolderRow {
  return { holder: record.holder, record: JSON.stringify(record) };
}

export function recordOf({ record }: HolderRow): HolderRecord {
  return JSON.parse(record) as HolderRecord;
}

/** The ledger's time was at least this when the rows were written. */
export function newestMs(
  { slots, blocks, budgets }: LedgerRows,
  { records, atLeastMs }: { readonly records: readonly HolderRecord[]; readonly atLeastMs: number },
): number {
  let atMs = atLeastMs;
  for (const { answeredAtMs } of records) atMs = Math.max(atMs, answeredAtMs);
  for (const { acquiredAtMs } of slots) atMs = Math.max(atMs, acquiredAtMs);
  for (const { block } of blocks) atMs = Math.max(atMs, block.writtenAtMs ?? atMs);
  for (const { atMs: paidAtMs } of budgets) atMs = Math.max(atMs, paidAtMs);
  return atMs;
}

export function rowsOf({ clockOffsetMs, holders, slots, budgets }: LedgerState): LedgerRows {
  return {
    clockOffsetMs,
    holders: [...holders.values()].map(holderRow),
    slots: [...slots.values].filter(({ isDurable }) => isDurable),
    blocks: [...slots.blocks].map(([key, block]) => ({ key, block })),
    budgets: [...budgets].map(([flow, budget]) => ({ flow, ...budget })),
  };
}

/** The keys that changed since the last time they were asked for. */
export class ChangedKeys {
  #holders = new Set<string>();
  #slots = new Set<string>();
  #blocks = new Set<string>();
  #budgets = new Set<string>();
  #clock = false;

  holder(holder: string): void {
    this.#holders.add(holder);
  }

  slot(slotId: string): void {
    this.#slots.add(slotId);
  }

  block(key: string): void {
    this.#blocks.add(key);
  }

  budget(flow: string): void {
    this.#budgets.add(flow);
  }

  clock(): void {
    this.#clock = true;
  }

  take({ clockOffsetMs, holders, slots, budgets }: LedgerState): LedgerChanges {
    const changes = {
      clockOffsetMs: this.#clock ? clockOffsetMs : null,
      holders: [...this.#holders].flatMap((key) => holders.get(key) ?? []).map(holderRow),
      holdersGone: [...this.#holders].filter((key) => !holders.has(key)),
      slots: [...this.#slots].flatMap((key) => slots.get(key) ?? []),
      slotsGone: [...this.#slots].filter((key) => slots.get(key) === undefined),
      blocks: [...this.#blocks].flatMap((key) => blockRow(key, slots.blocks.get(key))),
      blocksGone: [...this.#blocks].filter((key) => !slots.blocks.has(key)),
      budgets: [...this.#budgets].flatMap((flow) => budgetRow(flow, budgets.get(flow))),
    };
    this.#holders = new Set();
    this.#slots = new Set();
    this.#blocks = new Set();
    this.#budgets = new Set();
    this.#clock = false;
    return changes;
  }
}

function budgetRow(flow: string, budget: RateBudget | undefined): BudgetRow[] {
  return budget === undefined ? [] : [{ flow, ...budget }];
}

function blockRow(key: string, block: SlotBlock | undefined): BlockRow[] {
  return block === undefined ? [] : [{ key, block }];
}
