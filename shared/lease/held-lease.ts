// The holder's side of a lease: an edge isolate, a regional pool. Pure: time comes as an argument, messages go out and
// come in by the caller's hand. Together with the ledger it keeps: what runs here ≤ what the ledger counts for us, in
// each flow and in each lane.
//
// Rules: only the newest request's answer is applied; a lease is counted from the sending of its request; after it
// nothing is admitted, and what runs beyond the named is to be ended (`isExcess`); a clock that goes back ends the lease.
// A slot that the pool granted by name (`take`) lives until its own end, or until a renewal has named it.
import type { FlowReport, LaneReport, Renewal, RenewalRequest } from "../protocol/lease.ts";
import { AsideTokens } from "./aside-tokens.ts";
import { HeldSlots, isNothing, reportOf } from "./held-slots.ts";

export interface FlowDemand {
  readonly flow: string;
  readonly want: number;
  readonly tokensWant: number;
  /** Others wait for this flow: a slot granted by name stays under it while it lasts, so that it can be returned at once. */
  readonly keepsNames?: boolean;
}

export interface LaneDemand {
  readonly lane: string;
  readonly want: number;
}

export interface TakenSlot {
  readonly flow: string;
  readonly lane: string;
  readonly endsAtMs: number;
  /** When it was asked for. */
  readonly clockEpoch: number;
}

/** Less is a clock being set right: time stands still so long, which the ledger's second of grace covers. */
const STEP_MS_MIN = 100;
/** A name that ends sooner may end before the next renewal could take its request over. */
const NAMES_LAST_MS_MIN = 1_200;

interface NamedGrant {
  readonly flow: string;
  readonly lane: string;
  readonly endsAtMs: number;
  /** The first renewal that named it; 0: none yet. */
  sequence: number;
}

export class HeldLease {
  readonly holder: string;
  readonly aside = new AsideTokens();
  readonly #flows = new Map<string, HeldSlots>();
  readonly #lanes = new Map<string, HeldSlots>();
  readonly #grants = new Map<string, NamedGrant>();
  #sequence = 0;
  #appliedSequence = 0;
  #sentAtMs = 0;
  #expiresAtMs = -Infinity;
  #expiresBeforeAtMs = -Infinity;
  #seenMs = -Infinity;
  #clockEpoch = 0;

  constructor(holder: string) {
    this.holder = holder;
  }

  /** Until then it may admit, and what runs needs no other cover. */
  get expiresAtMs(): number {
    return this.#expiresAtMs;
  }

  /** Changes when the clock goes back: times from before mean nothing. */
  clockEpoch(nowMs: number): number {
    this.isLive(nowMs);
    return this.#clockEpoch;
  }

  running(flow: string): number {
    return this.#flows.get(flow)?.running ?? 0;
  }

  /** Of those that run, the ones whose slot has no name of its own. */
  runningUnnamed(flow: string): number {
    const held = this.#flows.get(flow);
    return held === undefined ? 0 : held.running - held.granted;
  }

  slots(flow: string, nowMs: number): number {
    return this.isLive(nowMs) ? (this.#flows.get(flow)?.slots ?? 0) : 0;
  }

  /** Neither spent nor put aside. */
  tokens(flow: string, nowMs: number): number {
    const held = this.isLive(nowMs) ? this.#flows.get(flow) : undefined;
    return held === undefined ? 0 : held.tokens - held.aside;
  }

  /** Of any flow. */
  get hasTokens(): boolean {
    return [...this.#flows.values()].some(({ tokens }) => tokens > 0);
  }

  /** For a request that asks for a slot by name, until the first renewal after `untilMs` at the longest; false: there is none. */
  putAside(slotId: string, flow: string, { untilMs, nowMs }: { untilMs: number; nowMs: number }): boolean {
    const held = this.isLive(nowMs) ? this.#flows.get(flow) : undefined;
    return held !== undefined && this.aside.put(slotId, held, untilMs);
  }

  /** Whether the flow has a slot, and the tokens, for one more request. */
  hasRoom(flow: string, { nowMs, tokens = 0 }: { nowMs: number; tokens?: number }): boolean {
    const held = this.#flows.get(flow);
    return this.isLive(nowMs) && held !== undefined && held.hasRoom && held.tokens - held.aside >= tokens;
  }

  hasRoomIn(lane: string): boolean {
    return this.#lanes.get(lane)?.hasRoom === true;
  }

  /** Takes a slot of the flow and one of the lane for one request; false: there is none here. `tokens` where the flow has a rate. */
  admit(flow: string, lane: string, { nowMs, tokens = 0 }: { nowMs: number; tokens?: number }): boolean {
    const [ofFlow, ofLane] = [this.#flows.get(flow), this.#lanes.get(lane)];
    if (ofFlow === undefined || ofLane === undefined || !this.isLive(nowMs)) return false;
    if (!ofFlow.hasRoom || !ofLane.hasRoom || ofFlow.tokens - ofFlow.aside < tokens) return false;
    ofFlow.running += 1;
    ofLane.running += 1;
    ofFlow.tokens -= tokens;
    return true;
  }

  /** Takes up to so many tokens for what is no request; how many. */
  spend(flow: string, count: number, nowMs: number): number {
    const taken = Math.min(count, this.tokens(flow, nowMs));
    const held = this.#flows.get(flow);
    if (held !== undefined) held.tokens -= taken;
    return taken;
  }

  /** Begins a request that the pool granted a slot by name, good until `endsAtMs` of the clock as it was asked for; false: that is past. */
  take(slotId: string, { flow, lane, endsAtMs, clockEpoch }: TakenSlot, nowMs: number): boolean {
    if (clockEpoch !== this.clockEpoch(nowMs) || nowMs >= endsAtMs || this.#grants.has(slotId)) return false;
    this.#grants.set(slotId, { flow, lane, endsAtMs, sequence: 0 });
    for (const held of [heldOf(this.#flows, flow), heldOf(this.#lanes, lane)]) {
      held.running += 1;
      held.granted += 1;
    }
    return true;
  }

  /** Moves a running request to another lane; false: there is no room. */
  move(from: string, to: string, nowMs: number): boolean {
    const [before, after] = [this.#lanes.get(from), this.#lanes.get(to)];
    if (before === undefined || after === undefined || before.running === 0) return false;
    if (!this.isLive(nowMs) || !after.hasRoom) return false;
    before.running -= 1;
    after.running += 1;
    return true;
  }

  /** Ends a request. True: its slot was granted by name and no renewal has surely named it, so the pool is to be told. */
  end(flow: string, lane: string, slotId?: string): boolean {
    this.#flows.get(flow)?.leave();
    this.#lanes.get(lane)?.leave();
    const grant = slotId === undefined ? undefined : this.#grants.get(slotId);
    if (slotId === undefined || grant === undefined) return false;
    this.#forget(slotId, grant);
    return true;
  }

  /** A request for the demand until the next renewal. What it offers to give back is given up here and now. */
  request({ flows, lanes }: { flows: readonly FlowDemand[]; lanes: readonly LaneDemand[] }, nowMs: number): RenewalRequest {
    const isLive = this.isLive(nowMs);
    if (!isLive) this.#dropTokens();
    this.aside.giveBackOverdue(nowMs);
    this.#sequence += 1;
    this.#sentAtMs = nowMs;
    const wantIn = new Map(lanes.map(({ lane, want }) => [lane, want]));
    const wantOf = new Map(flows.map((demand) => [demand.flow, demand]));
    for (const grant of this.#grants.values()) {
      const isLasting = wantOf.get(grant.flow)?.keepsNames === true && grant.endsAtMs - nowMs > NAMES_LAST_MS_MIN;
      if (grant.sequence === 0 && !isLasting) this.#adopt(grant);
    }
    for (const flow of wantOf.keys()) heldOf(this.#flows, flow);
    for (const lane of wantIn.keys()) heldOf(this.#lanes, lane);
    return {
      holder: this.holder,
      sequence: this.#sequence,
      appliedSequence: this.#appliedSequence,
      flows: this.#reports(wantOf, isLive),
      lanes: [...this.#lanes].flatMap(([lane, held]): LaneReport[] => {
        const want = wantIn.get(lane) ?? 0;
        held.report(want, isLive);
        return isNothing(held, want) ? [] : [{ lane, want, running: held.reported, keep: held.slots }];
      }),
      adopted: [...this.#grants].flatMap(([slotId, { flow, lane, sequence }]) => (sequence === 0 ? [] : [{ slotId, flow, lane }])),
    };
  }

  #reports(wantOf: ReadonlyMap<string, FlowDemand>, isLive: boolean): FlowReport[] {
    const reports: FlowReport[] = [];
    for (const [flow, held] of this.#flows) {
      const report = reportOf(held, wantOf.get(flow) ?? { flow, want: 0, tokensWant: 0 }, isLive);
      if (report !== null) reports.push(report);
    }
    return reports;
  }

  /** False: not the newest request's answer, or a refusal; nothing changes. */
  apply(answer: Renewal, nowMs: number): boolean {
    const wasLive = this.isLive(nowMs);
    if (!answer.ok || answer.sequence !== this.#sequence || this.#appliedSequence === this.#sequence) return false;
    if (nowMs < this.#sentAtMs) return false;
    if (!wasLive) this.#dropTokens();
    this.#appliedSequence = answer.sequence;
    this.#expiresBeforeAtMs = this.#expiresAtMs;
    this.#expiresAtMs = this.#sentAtMs + answer.lengthMs;
    for (const [slotId, grant] of this.#grants) if (grant.sequence > 0) this.#forget(slotId, grant);
    const [ofFlow, ofLane] = [new Map(answer.flows.map((one) => [one.flow, one])), new Map(answer.lanes.map((one) => [one.lane, one]))];
    for (const [flow, held] of this.#flows) {
      const grant = ofFlow.get(flow);
      held.apply(grant);
      held.tokens += grant?.tokens ?? 0;
      if (held.isEmpty) this.#flows.delete(flow);
    }
    // The ledger may offer lanes that were not asked for.
    for (const lane of ofLane.keys()) heldOf(this.#lanes, lane);
    for (const [lane, held] of this.#lanes) {
      held.apply(ofLane.get(lane));
      if (held.isEmpty) this.#lanes.delete(lane);
    }
    return true;
  }

  /** Whether a request of this flow and lane is to end now: more run there than the ledger counts, their lease having ended before a
   * renewal could name them. */
  isExcess(flow: string, lane: string, nowMs: number): boolean {
    const live = this.#liveness(nowMs);
    return (this.#flows.get(flow)?.excess(live) ?? 0) > 0 || (this.#lanes.get(lane)?.excess(live) ?? 0) > 0;
  }

  isLive(nowMs: number): boolean {
    if (nowMs < this.#seenMs - STEP_MS_MIN) {
      this.#expiresAtMs = -Infinity;
      this.#expiresBeforeAtMs = -Infinity;
      this.#clockEpoch += 1;
      // Their ends are times of the clock that went back.
      for (const [slotId, grant] of this.#grants) this.#forget(slotId, grant);
      this.#seenMs = nowMs;
    }
    this.#seenMs = Math.max(nowMs, this.#seenMs);
    return this.#seenMs < this.#expiresAtMs;
  }

  /** From this request on it counts among those that run, whatever becomes of its name. */
  #adopt(grant: NamedGrant): void {
    grant.sequence = this.#sequence;
    for (const held of [this.#flows.get(grant.flow), this.#lanes.get(grant.lane)]) {
      if (held === undefined) continue;
      held.granted -= 1;
      held.pending += 1;
    }
  }

  /** They ended with their lease, those that were put aside as well. */
  #dropTokens(): void {
    for (const held of this.#flows.values()) held.tokens = 0;
    this.aside.clear();
  }

  #liveness(nowMs: number): { isLive: boolean; isLiveBefore: boolean } {
    const isLive = this.isLive(nowMs);
    for (const [slotId, grant] of this.#grants) if (nowMs >= grant.endsAtMs) this.#forget(slotId, grant);
    return { isLive, isLiveBefore: nowMs < this.#expiresBeforeAtMs };
  }

  /** From here on the request lives by what a renewal names, or not at all. */
  #forget(slotId: string, { flow, lane, sequence }: NamedGrant): void {
    this.#grants.delete(slotId);
    for (const held of [this.#flows.get(flow), this.#lanes.get(lane)]) {
      if (sequence === 0 && held !== undefined) held.granted -= 1;
      else if (held !== undefined) held.pending -= 1;
    }
  }
}

function heldOf(all: Map<string, HeldSlots>, name: string): HeldSlots {
  let held = all.get(name);
  if (held === undefined) all.set(name, (held = new HeldSlots()));
  return held;
}
