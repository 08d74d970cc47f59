// One pool of the region simulation: a ledger with its rows on disk, and for a regional one its lease at home. What pool-object.ts and
// regional-pool-object.ts do around them, without a network.
import { LeaseLedger } from "#durable/lease/lease-ledger.ts";
import type { LedgerPolicy } from "#durable/lease/lease-policy.ts";
import type { LedgerChanges, LedgerRows } from "#durable/lease/lease-rows.ts";
import { HomeLease } from "#durable/pool/home-lease.ts";
import type { RegionalSockets } from "#durable/pool/regional-sockets.ts";

export type PolicyMaker = (home: HomeLease | null) => LedgerPolicy;

export const NO_ROWS: LedgerRows = { clockOffsetMs: 0, holders: [], slots: [], blocks: [], budgets: [] };

export class SimulatedPool {
  readonly name: string;
  home: HomeLease | null;
  ledger: LeaseLedger;
  offsetMs = 0;
  steppedAtMs = 0;
  life = 0;
  /** Its newest call to its home; 0: none is on its way. */
  call = 0;
  cutOffUntilMs = 0;
  /** Between two instances. */
  isDown = false;
  /** Of a regional pool's instance. */
  sockets: RegionalSockets | null = null;
  /** Fails when this instance ends: so do those who wait for it. */
  death!: Promise<never>;
  /** Of those who wait for a call to home to end: whether it was answered. */
  waiting: ((isAnswered: boolean) => void)[] = [];
  makeSockets: () => RegionalSockets | null = () => null;
  #die!: (reason: Error) => void;
  readonly #policyOf: PolicyMaker;
  #rows = NO_ROWS;
  #wasLive = false;

  constructor(name: string, policyOf: PolicyMaker, { isRegional, nowMs }: { isRegional: boolean; nowMs: number }) {
    this.name = name;
    this.#policyOf = policyOf;
    this.home = isRegional ? new HomeLease() : null;
    this.ledger = new LeaseLedger(policyOf(this.home), nowMs);
    this.start();
  }

  /** A new instance. */
  start(): void {
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => undefined);
    [this.death, this.#die, this.waiting] = [promise, reject, []];
    this.sockets = this.makeSockets();
    this.sockets?.open();
  }

  /** A call arrives. Throws where nobody is there. */
  reach(nowMs: number): void {
    if (this.isDown) throw new Error("down");
    this.tick(nowMs);
  }

  /** What the ledger did is on disk before anybody hears of it. */
  commit<T>(action: () => T): T {
    const result = action();
    const changes = JSON.parse(JSON.stringify(this.ledger.takeChanges())) as LedgerChanges;
    const isKept = (holder: string): boolean =>
      !changes.holdersGone.includes(holder) && !changes.holders.some((row) => row.holder === holder);
    const isSlotKept = (slotId: string): boolean =>
      !changes.slotsGone.includes(slotId) && !changes.slots.some((slot) => slot.slotId === slotId);
    const isBlockKept = (key: string): boolean => !changes.blocksGone.includes(key) && !changes.blocks.some((row) => row.key === key);
    this.#rows = {
      ...this.#rows,
      clockOffsetMs: changes.clockOffsetMs ?? this.#rows.clockOffsetMs,
      holders: [...this.#rows.holders.filter(({ holder }) => isKept(holder)), ...changes.holders],
      slots: [...this.#rows.slots.filter(({ slotId }) => isSlotKept(slotId)), ...changes.slots],
      blocks: [...this.#rows.blocks.filter(({ key }) => isBlockKept(key)), ...changes.blocks],
      budgets: [...this.#rows.budgets.filter(({ flow }) => !changes.budgets.some((row) => row.flow === flow)), ...changes.budgets],
    };
    return result;
  }

  /** Memory is lost, the disk is kept, unless a canary loses it, or some of it. */
  evict(nowMs: number, kept: (rows: LedgerRows) => LedgerRows = (rows) => rows): void {
    this.isDown = false;
    this.#rows = kept(this.#rows);
    if (this.home !== null) this.home = new HomeLease();
    this.call = 0;
    this.#die(new Error("evicted"));
    this.ledger = LeaseLedger.fromRows(this.#policyOf(this.home), this.#rows, nowMs);
    this.tick(nowMs);
    this.start();
  }

  /** Time has passed: a lease at home that is over lends nothing. */
  tick(nowMs: number): void {
    this.home?.tick(nowMs);
    const isLive = this.home?.isLive ?? true;
    if (isLive !== this.#wasLive) this.configure(nowMs);
    this.#wasLive = isLive;
    this.commit(() => this.ledger.tick(nowMs));
  }

  configure(nowMs: number): void {
    this.commit(() => this.ledger.configure(this.#policyOf(this.home), nowMs));
  }
}
