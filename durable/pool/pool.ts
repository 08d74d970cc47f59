// One service's pool: the ledger, the queue before it, the table of its shards. Pure but for the Wasm memory it owns;
// pool-object.ts gives it time, storage and a network, and carries its decisions to those who wait.
import { LeaseLedger } from "#durable/lease/lease-ledger.ts";
import { GAP_MS_MAX } from "#durable/lease/lease-pace.ts";
import type { LedgerRows } from "#durable/lease/lease-rows.ts";
import type { NamedSlot } from "#durable/lease/named-slots.ts";
import { refuse, type Refusal } from "#shared/errors/refusal.ts";
import {
  SLOT_GRACE_MS,
  type AcquireRequest,
  type GrantedSlot,
  type RouteTable,
  type Shed,
  type WaitingPlace,
} from "#shared/protocol/pool-rpc.ts";
import type { Renewal, RenewalRequest } from "#shared/protocol/lease.ts";
import { SECOND_MS } from "#shared/units.ts";
import type { Kernels } from "#wasm/binding/kernels.ts";
import { layoutShards, type PoolShard } from "./layout.ts";
import { NO_CONFIGURATION, partsOf, policyOf, type PoolConfiguration } from "./pool-configuration.ts";
import { ShardChoice } from "./shard-choice.ts";
import { RETRY_AFTER_MS, WaitEstimate } from "./wait-estimate.ts";
import { WaitingLine, type Ticket } from "./waiting-line.ts";

/** A queued request's slot is the ledger's for so long: by then its holder has renewed, or returned it. */
const NAMED_SLOT_MS = 3 * SECOND_MS;

export type Verdict = ({ readonly ok: true; readonly slot: GrantedSlot } | Refusal) & { readonly shed?: Shed };

/** What became of one that asked, or waited. */
export interface Decision {
  readonly slotId: string;
  readonly verdict: Verdict;
}

export class Pool {
  #ledger: LeaseLedger;
  #shards: readonly PoolShard[] = [];
  #tableVersion = 0;
  #configuration = NO_CONFIGURATION;
  readonly #line: WaitingLine;
  readonly #choice: ShardChoice;
  readonly #estimate: WaitEstimate;
  readonly #displaced: Ticket[] = [];

  constructor(kernels: Kernels, nowMs: number) {
    this.#line = new WaitingLine(kernels);
    this.#estimate = new WaitEstimate(this.#line);
    this.#choice = new ShardChoice(kernels);
    this.#ledger = new LeaseLedger(policyOf(NO_CONFIGURATION, []), nowMs);
  }

  get configuration(): PoolConfiguration {
    return this.#configuration;
  }

  get ledger(): LeaseLedger {
    return this.#ledger;
  }

  get shards(): readonly PoolShard[] {
    return this.#shards;
  }

  get queueLength(): number {
    return this.#line.length;
  }

  get hasSockets(): boolean {
    return this.#ledger.counts.durable > 0;
  }

  /** For those who watch. */
  view(nowMs: number) {
    const { lanes } = policyOf(this.#configuration, this.#shards);
    const longestWaitMsNow = this.#line.longestWaitMs(nowMs);
    return { ledger: this.#ledger, shards: this.#shards, lanes, queueLength: this.#line.length, longestWaitMsNow };
  }

  /** Whether a slot lies idle that somebody who waits might use: free, or leased in the same flow and not used. */
  get isIdleWhileWaiting(): boolean {
    if (this.#line.length === 0) return false;
    for (const flow of this.#line.flows) {
      if (this.#line.lengthOf(flow) > 0 && (this.#ledger.slotsFree > 0 || this.#ledger.idleOfFlow(flow) > 0)) return true;
    }
    return false;
  }

  /** As it was written down. */
  load(
    {
      configuration,
      shards,
      rows,
      tableVersion,
    }: { configuration: PoolConfiguration; shards: readonly PoolShard[]; rows: LedgerRows; tableVersion: number },
    nowMs: number,
  ): void {
    this.#ledger = LeaseLedger.fromRows(policyOf(configuration, shards), rows, nowMs);
    this.#tableVersion = tableVersion;
    this.#follow(configuration, shards);
  }

  /** Follows a new configuration; returns the number of the next new shard. */
  configure(configuration: PoolConfiguration, { nextNumber, nowMs }: { nextNumber: number; nowMs: number }): number {
    const service = configuration.service ?? {
      service: configuration.name,
      endpoints: [],
      shards: { sizeMin: 1, sizeMax: 1, countMin: 0, countMax: 0 },
    };
    const layout = layoutShards({ service, current: this.#shards, inUse: (shardId) => this.#socketsOn(shardId), nextNumber });
    this.#ledger.configure(policyOf(configuration, layout.shards), nowMs);
    this.#tableVersion += 1;
    this.#follow(configuration, layout.shards);
    return layout.nextNumber;
  }

  /** Ends the draining shards whose last socket is gone; says whether there were any. */
  dropDrained(): boolean {
    const left = this.#shards.filter(({ shardId, state }) => state === "active" || this.#socketsOn(shardId) > 0);
    if (left.length === this.#shards.length) return false;
    this.#shards = left;
    return true;
  }

  get tableVersion(): number {
    return this.#tableVersion;
  }

  tableFor(version: number): RouteTable | null {
    if (version === this.#tableVersion) return null;
    const shards = this.#shards.filter(({ state }) => state === "active");
    return { version: this.#tableVersion, shards: shards.map(({ shardId, endpointUrl, size }) => ({ shardId, endpointUrl, size })) };
  }

  renew(request: RenewalRequest, nowMs: number): { lease: Renewal; sheds: readonly Shed[]; isContended: boolean } {
    const lease = this.#ledger.renew(request, nowMs);
    return {
      lease,
      sheds: request.flows.flatMap(({ flow }) => this.#shedOf(flow, this.#deadlineMs) ?? []),
      isContended: this.#line.length > 0,
    };
  }

  /** The verdict where there is one at once; null: it waits, and a later `decide` says what became of it. */
  acquire(request: AcquireRequest, nowMs: number): Verdict | null {
    const { service } = this.#configuration;
    if (service === null) return refuse("unknown-service", `There is no service ${request.service} here.`);
    const arrivedAtLedgerMs = this.#ledger.tick(nowMs);
    const repeated = this.#ledger.slot(request.slotId);
    if (repeated !== undefined) {
      if (repeated.owner !== request.holder) return refuse("internal", "The slot's id belongs to another holder.");
      return { ok: true, slot: grantOf(repeated, { waitedMs: 0, lifeMs: (repeated.expiresAtMs ?? Infinity) - arrivedAtLedgerMs }) };
    }
    if (this.#line.has(request.slotId)) return null;
    if (this.#choice.isEmpty) return refuse("no-endpoint", `Service ${request.service} has no endpoint in service.`);
    return this.#enter({ request, arrivedAtMs: nowMs, arrivedAtLedgerMs });
  }

  cancel(slotId: string, holder: string): boolean {
    if (this.#line.ticket(slotId)?.request.holder !== holder) return false;
    this.#countWaiting(this.#line.remove(slotId));
    return true;
  }

  place(slotId: string): WaitingPlace | null {
    const ticket = this.#line.ticket(slotId);
    if (ticket === undefined) return null;
    const { flow, urgency } = ticket.request;
    const aheadMax = Math.max(0, (this.#line.aheadMax(flow, urgency) ?? 0) - 1);
    return { aheadMax, waitMs: this.#estimate.msFor(aheadMax) };
  }

  /** Gives every slot that is free to whoever is next, and refuses whose deadline has come. Called after every event. */
  decide(nowMs: number): readonly Decision[] {
    this.#ledger.tick(nowMs);
    this.#estimate.tick(nowMs);
    if (this.#line.length === 0) return [];
    const decisions: Decision[] = this.#line.expire(nowMs).map((ticket) => this.#expired(ticket, nowMs));
    if (this.#ledger.slotsFree === 0) return decisions;
    // First whoever has less than its share; what is left then is nobody's, and idle it serves nobody.
    this.#grantTo((flow) => this.#ledger.flows.isBelowShare(flow), { decisions, nowMs });
    this.#grantTo((flow) => this.#ledger.flows.roomOf(flow) > 0, { decisions, nowMs });
    return decisions;
  }

  #grantTo(isOpen: (flow: string) => boolean, { decisions, nowMs }: { decisions: Decision[]; nowMs: number }): void {
    if (this.#ledger.slotsFree === 0 || this.#line.length === 0) return;
    const isHeld = (flow: string): boolean => !isOpen(flow);
    for (const flow of this.#line.flows) this.#line.hold(flow, isHeld(flow));
    for (let ticket = this.#next(nowMs); ticket !== undefined; ticket = this.#next(nowMs)) {
      const { slotId, flow } = ticket.request;
      this.#countWaiting(ticket);
      decisions.push({ slotId, verdict: this.#grant(ticket, nowMs) });
      this.#line.hold(flow, isHeld(flow));
    }
  }

  #next(nowMs: number): Ticket | undefined {
    if (this.#ledger.slotsFree === 0) return undefined;
    return this.#choice.hasRoom((lane) => this.#ledger.slotsFreeIn(lane) > 0) ? this.#line.next(nowMs) : undefined;
  }

  #enter(ticket: Ticket): Verdict | null {
    const { flow, urgency, waitMsMax } = ticket.request;
    const aheadMax = this.#line.lengthOf(flow) === 0 ? 0 : (this.#line.aheadMax(flow, urgency) ?? 0);
    const waitMs = this.#estimate.msFor(aheadMax);
    if (aheadMax > 0 && !this.#isNext(flow) && this.#estimate.isTooLong(waitMs, waitMsMax)) return this.#refuseForWant(ticket, waitMs);
    const pushed = this.#line.push(ticket, partsOf(this.#configuration, flow));
    if (pushed !== null && "refused" in pushed) {
      const what = pushed.refused === "full" ? "The service's queue" : "The queue of your tenant and class";
      return {
        ...refuse("rejected-queue-full", `${what} is full.`, { retryAfterMs: waitMs ?? RETRY_AFTER_MS }),
        ...shedIn(this.#shedOf(flow, waitMsMax)),
      };
    }
    this.#countWaiting(ticket);
    if (pushed !== null) this.#displaced.push(pushed.displaced);
    return null;
  }

  /** Those that a more urgent one has displaced since the last time it was asked. */
  takeDisplaced(): readonly Decision[] {
    return this.#displaced.splice(0).map((ticket) => ({
      slotId: ticket.request.slotId,
      verdict: refuse("rejected-queue-full", "A more urgent request took the place in the full queue of your tenant and class.", {
        retryAfterMs: RETRY_AFTER_MS,
      }),
    }));
  }

  #grant({ request, arrivedAtLedgerMs }: Ticket, nowMs: number): Verdict {
    const { slotId, holder, flow, kind, affinityKey } = request;
    const shard = this.#choice.choose(affinityKey ?? slotId, (lane) => this.#ledger.slotsFreeIn(lane) > 0);
    const isSocket = kind === "socket";
    const lifeMs = isSocket ? this.#deadlineMs + SLOT_GRACE_MS : NAMED_SLOT_MS;
    const slot =
      shard === undefined
        ? null
        : this.#ledger.acquire(
            { slotId, owner: holder, flow, lane: shard.endpointUrl, shardId: shard.shardId, lifeMs, isDurable: isSocket },
            nowMs,
          );
    if (slot === null) return refuse("internal", "A slot that was free could not be granted.");
    this.#estimate.served();
    return { ok: true, slot: grantOf(slot, { waitedMs: slot.acquiredAtMs - arrivedAtLedgerMs, lifeMs }) };
  }

  #expired(ticket: Ticket, nowMs: number): Decision {
    this.#countWaiting(ticket);
    const { slotId, flow, urgency } = ticket.request;
    const waitMs = this.#estimate.ofNewcomer(flow, urgency);
    const detail = `Your deadline passed after ${nowMs - ticket.arrivedAtMs} ms in the queue.`;
    return { slotId, verdict: refuse("expired-in-queue", detail, { retryAfterMs: waitMs ?? RETRY_AFTER_MS }) };
  }

  #refuseForWant({ request }: Ticket, waitMs: number): Verdict {
    const { service, flow, waitMsMax } = request;
    const detail = `A slot of service ${service} will be free for you in about ${Math.ceil(waitMs)} ms, and you can wait for ${Math.floor(waitMsMax)} ms.`;
    return { ...refuse("rejected-capacity", detail, { retryAfterMs: Math.ceil(waitMs) }), ...shedIn(this.#shedOf(flow, waitMsMax)) };
  }

  #shedOf(flow: string, leftMs: number): Shed | null {
    return this.#isNext(flow) ? null : this.#estimate.shedOf(flow, leftMs);
  }

  /** All who wait in the flow have a slot in its share: they get the next ones, whatever an estimate says. */
  #isNext(flow: string): boolean {
    return this.#ledger.flows.roomInShare(flow) >= this.#line.lengthOf(flow);
  }

  get #deadlineMs(): number {
    return this.#configuration.service?.deadlineMs ?? 0;
  }

  #countWaiting(ticket: Ticket | undefined): void {
    if (ticket === undefined) return;
    const { flow } = ticket.request;
    this.#ledger.setWaiting(flow, this.#line.lengthOf(flow));
  }

  #follow(configuration: PoolConfiguration, shards: readonly PoolShard[]): void {
    this.#configuration = configuration;
    this.#shards = shards;
    this.#choice.replace(shards);
    this.#line.configure(configuration.classes);
  }

  #socketsOn(shardId: string): number {
    return this.#ledger.named.filter((slot) => slot.shardId === shardId && slot.isDurable).length;
  }
}

function grantOf({ slotId, shardId, lane }: NamedSlot, { waitedMs, lifeMs }: { waitedMs: number; lifeMs: number }): GrantedSlot {
  return { slotId, shardId, endpointUrl: lane, waitedMs, lifeMs: Math.max(0, Math.min(lifeMs, Number.MAX_SAFE_INTEGER) - GAP_MS_MAX) };
}

function shedIn(shed: Shed | null): { shed?: Shed } {
  return shed === null ? {} : { shed };
}
