// Who may use how many slots and tokens, until when: one ledger for pool, home pool and quota. Pure: no clock, no
// storage. A shell calls, writes `takeChanges()` down, then answers; it ticks at least every GAP_MS_MAX while
// `nextChangeInMs` says that something is out.
//
// Promises (checked after every event by test/simulation/lease.test.ts; proofs in docs/design/leases.md):
// - Σ (leased + held + named) ≤ capacity, and per lane ≤ the lane's; only a smaller capacity breaks it, and then nothing grows;
// - one lease after a holder's last message only what it named as running is held, for `requestDurationMsMax`;
// - a repeated request gets the same answer, an older one changes nothing; a release by another frees nothing.
import type { AdoptedSlot, HandedSlot, Renewal, RenewalRequest } from "#shared/protocol/lease.ts";
import { FlowTokens } from "./flow-tokens.ts";
import { ownSlotOf, takenOver } from "./handed-slots.ts";
import { nameEndsAtMs, type FlowRecord, type HolderRecord } from "./holder-record.ts";
import { advanceClock, type LeaseClock } from "./lease-clock.ts";
import { ChangedKeys, newestMs, recordOf, rowsOf, type LedgerChanges, type LedgerRows } from "./lease-rows.ts";
import { GAP_MS_MAX, paceOf } from "./lease-pace.ts";
import type { LedgerPolicy } from "./lease-policy.ts";
import type { AcquireInput, NamedSlot } from "./named-slots.ts";
import { offerFlows, offerLanes } from "./offer.ts";
import { answerOf, carryOver, checkRequest, refusalReason } from "./renewal.ts";
import type { SocketCounts } from "./socket-counts.ts";
import { SlotBook, type SlotCounts } from "./slot-book.ts";
import { holderKey } from "./sources.ts";

export class LeaseLedger {
  #policy: LedgerPolicy;
  #clock: LeaseClock;
  #isGapTrusted = true;
  readonly #changed = new ChangedKeys();
  readonly #book: SlotBook;
  readonly #tokens = new FlowTokens({ policy: () => this.#policy, totals: () => this.#book.totals, changed: this.#changed });
  #reclaimedCount = 0;
  #overshootCount = 0;

  constructor(policy: LedgerPolicy, nowMs: number) {
    this.#policy = policy;
    this.#book = new SlotBook(policy, this.#changed);
    this.#clock = { seenMs: nowMs, ledgerMs: nowMs };
  }

  /** The ledger as it was written down: nothing to learn anew, for every promise is in the rows. */
  static fromRows(policy: LedgerPolicy, rows: LedgerRows, nowMs: number): LeaseLedger {
    const ledger = new this(policy, nowMs);
    const records = rows.holders.map(recordOf);
    const ledgerMs = newestMs(rows, { records, atLeastMs: nowMs + rows.clockOffsetMs });
    ledger.#clock = { seenMs: nowMs, ledgerMs };
    for (const { flow, debt, atMs } of rows.budgets) ledger.#tokens.restore(flow, { debt, atMs }, ledgerMs);
    for (const slot of rows.slots) ledger.#book.putSlot(slot, ledgerMs);
    for (const { key, block } of rows.blocks) ledger.#book.restoreBlock(key, block);
    for (const record of records) ledger.#book.putHolder(record, ledgerMs);
    // What ended while it was away goes with the first tick, off the disk too: a clock set back later brings nothing back.
    ledger.#changed.take(ledger.#state);
    // The clock was set back while it was away: else each later restart would set the ledger's time back again, and nothing would end.
    if (ledgerMs !== nowMs + rows.clockOffsetMs) ledger.#changed.clock();
    return ledger;
  }

  toRows(): LedgerRows {
    return rowsOf(this.#state);
  }

  takeChanges(): LedgerChanges {
    return this.#changed.take(this.#state);
  }

  get capacity(): number {
    return this.#policy.capacity;
  }

  /** Leased, held and named. */
  get slotsOut(): number {
    return this.#book.totals.slots;
  }

  get slotsFree(): number {
    return this.#book.slotsFree;
  }

  /** Since the last call: slots that came back without a message, and requests that nobody had counted, nor had room for. */
  takeCounts(): { readonly reclaimed: number; readonly overshot: number } {
    const counts = { reclaimed: this.#reclaimedCount, overshot: this.#overshootCount };
    [this.#reclaimedCount, this.#overshootCount] = [0, 0];
    return counts;
  }

  get counts(): SlotCounts {
    return this.#book.counts;
  }

  get named(): readonly NamedSlot[] {
    return [...this.#book.slots.values];
  }

  get sockets(): SocketCounts {
    return this.#book.slots.sockets;
  }

  slot(slotId: string): NamedSlot | undefined {
    return this.#book.slots.get(slotId);
  }

  /** With those who wait. */
  wantOfFlow(flow: string): number {
    return this.#book.totals.wantOf(flow);
  }

  slotsOfFlow(flow: string): number {
    return this.#book.totals.slotsOf(flow);
  }

  slotsOfLane(lane: string): number {
    return this.#book.lanes.slotsOf(lane);
  }

  slotsFreeIn(lane: string): number {
    return this.#book.slotsFreeIn(lane);
  }

  slotsOfHolder(holder: string, flow: string): number {
    return this.#book.totals.partOf(flow, holderKey(holder))?.slots ?? 0;
  }

  /** Which flows may have more, and what is out of each flow and lane, to be looked at. */
  get flows(): Pick<SlotBook, "isBelowReserve" | "isBelowShare" | "roomInShare" | "roomOf" | "totals" | "lanes" | "holders"> {
    return this.#book;
  }

  /** How many wait for a slot of this flow: they take part in the division, and nobody's lease in the flow grows. */
  setWaiting(flow: string, count: number): void {
    this.#book.setWaiting(flow, count);
  }

  /** In how long a tick will free something by time alone; null: nothing is out. */
  get nextChangeInMs(): number | null {
    const { nextChangeMs, totals } = this.#book;
    return nextChangeMs === Infinity || totals.slots === 0 ? null : Math.max(0, nextChangeMs - this.#clock.ledgerMs);
  }

  configure(policy: LedgerPolicy, nowMs: number): void {
    this.tick(nowMs);
    this.#policy = policy;
    this.#book.configure(policy, this.#clock.ledgerMs);
  }

  /** The policy is the same, and says something else of these flows: of how many slots each may have. */
  flowsChanged(flows: readonly string[]): void {
    for (const flow of flows) this.#book.totals.refresh(flow);
  }

  /** Moves the ledger's time and ends what ended; returns the ledger's time. */
  tick(nowMs: number): number {
    const before = this.#clock;
    // Each call asks several times: now it was already, and nothing has become due since.
    if (nowMs === before.seenMs && !this.#isGapTrusted && this.#book.nextChangeMs > before.ledgerMs) return before.ledgerMs;
    const isGapTrusted = this.#isGapTrusted || this.#policy.areHoldersDurable === true || this.nextChangeInMs === null;
    this.#clock = advanceClock(before, nowMs, { gapMsMax: GAP_MS_MAX, isGapTrusted });
    this.#isGapTrusted = false;
    if (this.#clock.ledgerMs - nowMs !== before.ledgerMs - before.seenMs) this.#changed.clock();
    const { ledgerMs } = this.#clock;
    this.#reclaimedCount += this.#book.expire(ledgerMs, {
      endsAtMs: (record) => nameEndsAtMs(record, this.#policy),
      changing: ({ flows }) => this.#tokens.clipEach(flows, ledgerMs),
    });
    return ledgerMs;
  }

  renew(request: RenewalRequest, nowMs: number, mayTake: (slot: HandedSlot) => boolean = () => true): Renewal {
    checkRequest(request);
    const atMs = this.tick(nowMs);
    const known = this.#book.holders.get(request.holder);
    if (known !== undefined && request.sequence === known.sequence) return answerOf(known);
    const reason = refusalReason(request, { known, holderCount: this.#book.holders.size, policy: this.#policy });
    if (reason !== null) return { ok: false, reason, sequence: Math.max(request.sequence, known?.sequence ?? 0), renewAfterMs: GAP_MS_MAX };
    const carried = this.#carryOver(request, { known, atMs, mayTake });
    const record = this.#offer(carried, { known, atMs });
    this.#book.putHolder(record, atMs);
    this.#changed.holder(record.holder);
    return answerOf(record);
  }

  /** The holder as it comes, on the book: what it runs, keeps and gives back, and the slots that it hands over. */
  #carryOver(
    request: RenewalRequest,
    { known, atMs, mayTake }: { known: HolderRecord | undefined; atMs: number; mayTake: (slot: HandedSlot) => boolean },
  ): HolderRecord {
    const adopted = request.adopted.filter((slot) => known?.adopted.includes(slot.slotId) !== true && this.#adopt(slot));
    const at = { known, request, nowMs: atMs, policy: this.#policy, ownerOf: (slotId: string) => this.slot(slotId)?.owner };
    const handed = takenOver({ ...at, mayTake });
    const slotsFreeIn = (lane: string): number => this.slotsFreeIn(lane);
    const { record, tokensBack, overshootCount } = carryOver({ ...at, slotsFree: this.slotsFree, slotsFreeIn, adopted, handed });
    this.#overshootCount += overshootCount;
    this.#tokens.clipEach(known?.flows ?? [], atMs);
    for (const { flow, count } of tokensBack) this.#tokens.pay(flow, -count, atMs);
    this.#book.putHolder(record, atMs);
    for (const slot of handed) this.#book.putSlot(ownSlotOf(slot, atMs), atMs);
    return record;
  }

  /** The holder as it goes: with the slots and tokens that it is offered, and for how long. */
  #offer(carried: HolderRecord, { known, atMs }: { known: HolderRecord | undefined; atMs: number }): HolderRecord {
    const flows = this.#offerFlows(carried, atMs);
    const slots = flows.reduce((total, { offeredSlots }) => total + offeredSlots, 0);
    const pace = paceOf(carried, flows, {
      before: known,
      atMs,
      policy: this.#policy,
      used: this.#book.totals.running + this.#book.waitingCount,
      slotsFree: this.slotsFree,
      isRateShort: flows.some(({ flow }) => this.#tokens.isShort(flow)),
    });
    const [slotsFreeIn, slotsIn] = [(lane: string): number => this.slotsFreeIn(lane), (lane: string): number => this.slotsOfLane(lane)];
    return {
      ...carried,
      flows,
      lanes: offerLanes(carried, slots, { atMs, policy: this.#policy, slotsFreeIn, slotsIn }),
      expiresAtMs: atMs + pace.lengthMs,
      lengthMs: pace.lengthMs - GAP_MS_MAX,
      renewAfterMs: pace.renewAfterMs,
    };
  }

  /** One slot under a name of its own: for a request that waited in the pool, or for a socket; or in another one's place, with which it
   * counts as one. The same id again is the same slot; null: there is no room, or the id is another's. */
  acquire({ lifeMs, ...named }: AcquireInput, nowMs: number): NamedSlot | null {
    const atMs = this.tick(nowMs);
    const known = this.#book.slots.get(named.slotId);
    if (known !== undefined) return known.owner === named.owner ? known : null;
    const isFull = this.slotsFree === 0 || this.slotsFreeIn(named.lane) === 0 || this.#book.roomOf(named.flow) === 0;
    if (named.inPlaceOf === undefined ? isFull : !this.#book.mayTakePlace(named)) return null;
    const slot: NamedSlot = { ...named, acquiredAtMs: atMs, expiresAtMs: lifeMs === null ? null : atMs + lifeMs };
    this.#book.putSlot(slot, atMs);
    return slot;
  }

  /** Hands a socket's slot to the Shard object that holds it: from here on it does not expire. Null: not the owner's. */
  keep(slotId: string, from: string, to: string): NamedSlot | null {
    const kept = this.#book.slots.handOver(slotId, from, to);
    if (kept !== null) this.#changed.slot(slotId);
    return kept;
  }

  /** False: not there, or not the owner's; nothing is freed. */
  release(slotId: string, owner: string): boolean {
    if (this.#book.slots.get(slotId)?.owner !== owner) return false;
    this.#book.dropSlot(slotId);
    return true;
  }

  /** The owner said at `askedAtMs` (ledger's time, from `tick`) which slots live: the older rest is freed. */
  reconcile({ owner, live, askedAtMs }: { owner: string; live: ReadonlySet<string>; askedAtMs: number }): readonly string[] {
    const gone = this.#book.slots.unknownTo(owner, live, askedAtMs);
    for (const slotId of gone) this.#book.dropSlot(slotId);
    this.#reclaimedCount += gone.length;
    return gone;
  }

  /** A token for one request that is admitted here and not at a holder: 0, or in how many milliseconds there is one. */
  takeToken(flow: string, nowMs: number): number {
    return this.#tokens.take(flow, this.tick(nowMs));
  }

  giveBackToken(flow: string, nowMs: number): void {
    this.#tokens.pay(flow, -1, this.tick(nowMs));
  }

  /** Tokens that nobody holds; null: the flow has no rate. */
  tokensLeft(flow: string, nowMs: number): number | null {
    return this.#tokens.left(flow, this.tick(nowMs));
  }

  #offerFlows(record: HolderRecord, atMs: number): FlowRecord[] {
    const source = holderKey(record.holder);
    this.#tokens.begin();
    return offerFlows(record, {
      atMs,
      policy: this.#policy,
      slotsFree: this.slotsFree,
      partOf: (flow) => this.#book.totals.slotsPart(flow, source),
      roomOf: (flow) => this.#book.roomOf(flow),
      isQueued: (flow) => this.#book.hasWaiting(flow),
      tokensFor: (flow) => this.#tokens.lend({ flow, source, atMs }),
    });
  }

  /** Drops the name; false: there is none any more. */
  #adopt({ slotId, flow, lane }: AdoptedSlot): boolean {
    const slot = this.#book.slots.adoptable(slotId, { flow, lane });
    if (slot === undefined || slot.isDurable) return false;
    this.#book.dropSlot(slot.slotId);
    return true;
  }

  get #state() {
    return {
      clockOffsetMs: this.#clock.ledgerMs - this.#clock.seenMs,
      holders: this.#book.holders,
      slots: this.#book.slots,
      budgets: this.#tokens.budgets,
    };
  }
}
