// Who may use how many slots and tokens, until when: one ledger for pool, home pool and quota. Pure: no clock, no
// storage. A shell calls, writes `takeChanges()` down, then answers; it ticks at least every GAP_MS_MAX while
// `nextChangeInMs` says that something is out.
//
// Promises (test/simulation/lease.test.ts checks them after every event; proofs in docs/design/leases.md):
// - Σ (leased + held + named) ≤ capacity at every moment; only a smaller capacity can break it, and then nothing grows;
// - one lease after a holder's last message only what it named as running is held, for `requestDurationMsMax`;
// - a repeated request gets the same answer, an older one changes nothing; a release by another frees nothing.
import { assert } from "#shared/assert.ts";
import type { Renewal, RenewalRequest } from "#shared/protocol/lease.ts";
import { divide, divideFlows } from "./divide.ts";
import { FlowTotals, type Contribution } from "./flow-totals.ts";
import { holdsEndAtMs, isLive, nextChangeMs, slotsOf, type FlowRecord, type HolderRecord } from "./holder-record.ts";
import { advanceClock, type LeaseClock } from "./lease-clock.ts";
import { ChangedKeys, holderRow, recordOf, type LedgerChanges, type LedgerRows, type NamedSlot } from "./lease-rows.ts";
import type { LedgerPolicy } from "./lease-policy.ts";
import { availableTokens, takeTokens, type RateBudget } from "./rate-budget.ts";
import { answerOf, carryOver, checkRequest, leaseLengthMs } from "./renewal.ts";

/** The longest jump of the clock that counts in full, and how much longer than its holder the ledger believes in a
 * lease: so one step of the clock within a lease, however long, ends none early. */
export const GAP_MS_MAX = 1_000;

export class LeaseLedger {
  #policy: LedgerPolicy;
  #clock: LeaseClock;
  #isGapTrusted = true;
  readonly #holders = new Map<string, HolderRecord>();
  readonly #slots = new Map<string, NamedSlot>();
  readonly #budgets = new Map<string, RateBudget>();
  readonly #totals = new FlowTotals();
  readonly #changed = new ChangedKeys();
  #nextChangeMs = Infinity;
  #shares: ReadonlyMap<string, number> | null = null;

  constructor(policy: LedgerPolicy, nowMs: number) {
    this.#policy = policy;
    this.#clock = { seenMs: nowMs, ledgerMs: nowMs };
  }

  /** The ledger as it was written down: nothing to learn anew, for every promise is in the rows. */
  static fromRows(policy: LedgerPolicy, rows: LedgerRows, nowMs: number): LeaseLedger {
    const ledger = new this(policy, nowMs);
    const records = rows.holders.map(recordOf);
    const times = [...records.map(({ answeredAtMs }) => answeredAtMs), ...rows.slots.map(({ acquiredAtMs }) => acquiredAtMs)];
    let ledgerMs = nowMs + rows.clockOffsetMs;
    for (const atMs of [...times, ...rows.budgets.map(({ atMs: paidMs }) => paidMs)]) ledgerMs = Math.max(ledgerMs, atMs);
    ledger.#clock = { seenMs: nowMs, ledgerMs };
    for (const { flow, debt, atMs } of rows.budgets) ledger.#budgets.set(flow, { debt, atMs });
    for (const slot of rows.slots) ledger.#putSlot(slot);
    for (const record of records) ledger.#putHolder(record);
    ledger.#changed.take(ledger.#state);
    // What ended while it was away goes with the first tick, off the disk too: a clock set back later brings nothing back.
    ledger.#watch(ledgerMs);
    return ledger;
  }

  toRows(): LedgerRows {
    return {
      clockOffsetMs: this.#clock.ledgerMs - this.#clock.seenMs,
      holders: [...this.#holders.values()].map(holderRow),
      slots: [...this.#slots.values()],
      budgets: [...this.#budgets].map(([flow, budget]) => ({ flow, ...budget })),
    };
  }

  takeChanges(): LedgerChanges {
    return this.#changed.take(this.#state);
  }

  /** Leased, held and named. */
  get slotsOut(): number {
    return this.#totals.slots;
  }

  get slotsFree(): number {
    return Math.max(0, this.#policy.capacity - this.#totals.slots);
  }

  slotsOfFlow(flow: string): number {
    return this.#totals.slotsOf(flow);
  }

  /** How many of the holder's slots the ledger counts in a flow: leased, or held after its lease. */
  slotsOfHolder(holder: string, flow: string): number {
    return this.#totals.partOf(flow, holderKey(holder))?.slots ?? 0;
  }

  /** In how long a tick will free something by time alone; null: nothing is out. */
  get nextChangeInMs(): number | null {
    return this.#nextChangeMs === Infinity || this.#totals.slots === 0 ? null : Math.max(0, this.#nextChangeMs - this.#clock.ledgerMs);
  }

  configure(policy: LedgerPolicy, nowMs: number): void {
    this.tick(nowMs);
    this.#policy = policy;
    this.#shares = null;
  }

  /** Moves the ledger's time and ends what ended; returns the ledger's time. */
  tick(nowMs: number): number {
    const before = this.#clock;
    const isGapTrusted = this.#isGapTrusted || this.#policy.areHoldersDurable === true || this.nextChangeInMs === null;
    this.#clock = advanceClock(before, nowMs, { gapMsMax: GAP_MS_MAX, isGapTrusted });
    this.#isGapTrusted = false;
    if (this.#clock.ledgerMs - nowMs !== before.ledgerMs - before.seenMs) this.#changed.clock();
    const { ledgerMs } = this.#clock;
    if (ledgerMs < this.#nextChangeMs) return ledgerMs;
    this.#nextChangeMs = Infinity;
    for (const { slotId, expiresAtMs } of this.#slots.values()) if (expiresAtMs !== null && expiresAtMs <= ledgerMs) this.#dropSlot(slotId);
    for (const record of this.#holders.values()) {
      if (holdsEndAtMs(record, this.#policy) <= ledgerMs) this.#dropHolder(record.holder);
      else this.#putHolder(record);
    }
    for (const slot of this.#slots.values()) this.#watch(slot.expiresAtMs ?? Infinity);
    return ledgerMs;
  }

  renew(request: RenewalRequest, nowMs: number): Renewal {
    checkRequest(request);
    const atMs = this.tick(nowMs);
    const known = this.#holders.get(request.holder);
    if (known !== undefined && request.sequence === known.sequence) return answerOf(known);
    const refuse = (reason: "stale" | "unknown" | "full", sequence: number): Renewal => ({
      ok: false,
      reason,
      sequence,
      renewAfterMs: GAP_MS_MAX,
    });
    if (known !== undefined && request.sequence < known.sequence) return refuse("stale", known.sequence);
    const isFull = known === undefined && this.#holders.size >= this.#policy.holdersMax;
    if (isFull || request.flows.length > this.#policy.flowsPerHolderMax) return refuse("full", request.sequence);
    const carried = carryOver({ known, request, nowMs: atMs, slotsFree: this.slotsFree, policy: this.#policy });
    if (carried === null) return refuse("unknown", request.sequence);
    for (const { flow, count } of carried.tokensBack) this.#payTokens(flow, -count, atMs);
    this.#putHolder(carried.record);
    const lengthMs = leaseLengthMs(this.#demand(), this.#policy.capacity);
    const record: HolderRecord = {
      ...carried.record,
      flows: this.#grant(carried.record, atMs),
      expiresAtMs: atMs + lengthMs,
      lengthMs: lengthMs - GAP_MS_MAX,
      renewAfterMs: Math.floor((lengthMs - GAP_MS_MAX) / 2),
    };
    this.#putHolder(record);
    this.#changed.holder(record.holder);
    return answerOf(record);
  }

  /** One slot under a name of its own: for a request that waited in the pool, or for a socket. The same id again is the
   * same slot; null: there is no room, or the id is another's. */
  acquire(input: { slotId: string; owner: string; flow: string; kind: "request" | "socket" }, nowMs: number): NamedSlot | null {
    const atMs = this.tick(nowMs);
    const { slotId, owner, flow, kind } = input;
    const known = this.#slots.get(slotId);
    if (known !== undefined) return known.owner === owner ? known : null;
    if (this.slotsFree === 0 || this.#roomOf(flow) === 0) return null;
    const expiresAtMs = kind === "socket" ? null : atMs + this.#policy.requestDurationMsMax;
    const slot = { slotId, owner, flow, acquiredAtMs: atMs, expiresAtMs };
    this.#putSlot(slot);
    return slot;
  }

  /** False: not there, or not the owner's; nothing is freed. */
  release(slotId: string, owner: string): boolean {
    if (this.#slots.get(slotId)?.owner !== owner) return false;
    this.#dropSlot(slotId);
    return true;
  }

  /** The owner said at `askedAtMs` (ledger's time, from `tick`) which slots live: the older rest is freed. */
  reconcile({ owner, live, askedAtMs }: { owner: string; live: ReadonlySet<string>; askedAtMs: number }): readonly string[] {
    const gone = [...this.#slots.values()]
      .filter((slot) => slot.owner === owner && !live.has(slot.slotId) && slot.acquiredAtMs < askedAtMs)
      .map(({ slotId }) => slotId);
    for (const slotId of gone) this.#dropSlot(slotId);
    return gone;
  }

  #grant(record: HolderRecord, atMs: number): FlowRecord[] {
    const targets = record.flows.map((flow) => this.#targetOf(record.holder, flow));
    const has = record.flows.map((flow) => slotsOf(record, flow, { nowMs: atMs, policy: this.#policy }));
    // What it may have beyond what it has comes out of what is free; where that is short, by weight again.
    const more = divide(
      this.slotsFree,
      record.flows.map(({ flow }, index) => ({
        want: Math.min(Math.max(0, (targets[index] ?? 0) - (has[index] ?? 0)), this.#roomOf(flow)),
        weight: Math.max(1, this.#policy.flow(flow).weight),
        reserve: 0,
      })),
    );
    return record.flows.map((flow, index) => ({
      ...flow,
      offeredSlots: Math.min(targets[index] ?? 0, (has[index] ?? 0) + (more[index] ?? 0)),
      tokensOffered: this.#lendTokens(record.holder, flow, atMs),
    }));
  }

  /** The holder's part of the flow's share. */
  #targetOf(holder: string, { flow, want }: FlowRecord): number {
    if (want === 0) return 0;
    this.#shares ??= this.#divideShares();
    const share = Math.max(0, (this.#shares.get(flow) ?? 0) - this.#totals.pinnedOf(flow));
    const wantOf = (source: Contribution): number => source.want - source.pinned;
    const part = this.#totals.partByWant(flow, { units: share, source: holderKey(holder), wantOf });
    return Math.min(want, part);
  }

  #divideShares(): ReadonlyMap<string, number> {
    const { capacity, classes, flow: policyOf } = this.#policy;
    const claims = this.#totals.claims(policyOf);
    const claimsOnly = claims.map(([, claim]) => claim);
    const shares = divideFlows(capacity, classes, claimsOnly);
    return new Map(claims.map(([flow], index) => [flow, shares[index] ?? 0]));
  }

  #demand(): number {
    return this.#totals.claims(this.#policy.flow).reduce((total, [, { want }]) => total + want, 0);
  }

  #lendTokens(holder: string, { flow, tokensWant, tokensHeld }: FlowRecord, atMs: number): number {
    const { rate } = this.#policy.flow(flow);
    if (rate === null) return 0;
    const available = availableTokens(this.#budgets.get(flow) ?? { debt: 0, atMs }, rate, atMs);
    const part = this.#totals.partByWant(flow, { units: available, source: holderKey(holder), wantOf: (source) => source.tokensWant });
    // Never more than one burst lies at holders: that is the overshoot.
    const room = Math.max(0, rate.burst - this.#totals.tokensOutOf(flow));
    const count = Math.min(Math.max(0, tokensWant - tokensHeld), part, room);
    if (count > 0) this.#payTokens(flow, count, atMs);
    return count;
  }

  #payTokens(flow: string, count: number, atMs: number): void {
    const { rate } = this.#policy.flow(flow);
    if (rate === null) return;
    this.#budgets.set(flow, takeTokens(this.#budgets.get(flow) ?? { debt: 0, atMs }, rate, { count, nowMs: atMs }));
    this.#changed.budget(flow);
  }

  /** How far the flow is from its own limit. */
  #roomOf(flow: string): number {
    return Math.max(0, this.#policy.flow(flow).slotsMax - this.#totals.slotsOf(flow));
  }

  #putHolder(record: HolderRecord): void {
    const at = { nowMs: this.#clock.ledgerMs, policy: this.#policy };
    const live = isLive(record, at.nowMs);
    const contributions = record.flows.map((flow): Contribution => ({
      flow: flow.flow,
      slots: slotsOf(record, flow, at),
      want: live ? Math.max(flow.want, flow.running) : flow.running,
      pinned: live ? 0 : flow.running,
      tokensWant: live ? flow.tokensWant : 0,
      tokensOut: live ? flow.tokensHeld + flow.tokensOffered : 0,
    }));
    this.#holders.set(record.holder, record);
    this.#totals.replace(holderKey(record.holder), contributions);
    this.#watch(nextChangeMs(record, this.#policy, at.nowMs));
    this.#shares = null;
  }

  #dropHolder(holder: string): void {
    this.#holders.delete(holder);
    this.#totals.replace(holderKey(holder), []);
    this.#changed.holder(holder);
    this.#shares = null;
  }

  #putSlot(slot: NamedSlot): void {
    this.#slots.set(slot.slotId, slot);
    const { slotId, flow } = slot;
    this.#totals.replace(slotKey(slotId), [{ flow, slots: 1, want: 1, pinned: 1, tokensWant: 0, tokensOut: 0 }]);
    this.#watch(slot.expiresAtMs ?? Infinity);
    this.#changed.slot(slotId);
    this.#shares = null;
  }

  #dropSlot(slotId: string): void {
    assert(this.#slots.delete(slotId), "a slot is freed once");
    this.#totals.replace(slotKey(slotId), []);
    this.#changed.slot(slotId);
    this.#shares = null;
  }

  #watch(atMs: number): void {
    this.#nextChangeMs = Math.min(this.#nextChangeMs, atMs);
  }

  get #state() {
    return { clockOffsetMs: this.#clock.ledgerMs - this.#clock.seenMs, holders: this.#holders, slots: this.#slots, budgets: this.#budgets };
  }
}

function holderKey(holder: string): string {
  return `holder ${holder}`;
}

function slotKey(slotId: string): string {
  return `slot ${slotId}`;
}
