// Sockets' slots at a regional pool: granted here, out of what home lends, and home's own from the moment that their Shard object takes
// them over. A lease is short and a socket is not: so nothing that lives hangs on the region's lease, or on this pool (decisions/0137).
//
// Promise: `keep` says true only where home has the slot, without an end, for that Shard object; what was released here is not handed over
// after that.
import { assert } from "#shared/assert.ts";
import type { LeaseLedger } from "#durable/lease/lease-ledger.ts";
import type { HandedSlot, Renewal } from "#shared/protocol/lease.ts";
import type { Lender } from "./home-lease.ts";
import type { PoolRpc, ReleaseAnswer, ReleaseReport } from "#shared/protocol/pool-rpc.ts";

/** Handed over with one renewal; the rest goes with the next. */
const HANDED_MAX = 1_024;
/** Of calls to home until one that named a slot is answered, beside those that named others before it. */
const TURNS_MAX = 2;

/** A slot that is on its way home. */
interface Handover {
  /** Whose it is to be there, */
  readonly owner: string;
  /** … and whether it ends there by itself, as it would here. */
  readonly isEnding: boolean;
  /** It was named in a request: home may have it already. */
  isNamed: boolean;
  /** Null: unknown. */
  isTaken: boolean | null;
}

interface RegionalSocketsInput {
  readonly ledger: () => Pick<LeaseLedger, "named" | "slot" | "release" | "tick">;
  /** A call to home that is sent after this; whether it was answered. */
  readonly renew: () => Promise<boolean>;
  readonly home: () => {
    keep: (...args: Parameters<PoolRpc["keep"]>) => Promise<boolean>;
    release: (report: ReleaseReport) => Promise<ReleaseAnswer>;
  };
}

export class RegionalSockets {
  readonly #input: RegionalSocketsInput;
  readonly #handovers = new Map<string, Handover>();
  /** Of those that were here at the start, those that no request has named since: one of the life before may have. */
  readonly #restored = new Set<string>();
  /** What a request that home may still get names, and nobody does here any more: counted when it comes to that. Another life may have left some. */
  #doubts = 1;
  #doubtsNamed = 0;
  #doubtsSettled = 0;

  constructor(input: RegionalSocketsInput) {
    this.#input = input;
  }

  /** After a start nobody knows which of those that are here were on their way: all are, as they are. Their owners ask home then. */
  open(): void {
    for (const { slotId, owner, isDurable } of this.#input.ledger().named)
      if (isDurable) {
        this.#handovers.set(slotId, { owner, isEnding: true, isNamed: false, isTaken: null });
        this.#restored.add(slotId);
      }
  }

  /** What the next request to home hands over. `fresh`: of them, those that no request named before: the lease has them no more. */
  list(nowMs: number): Required<Pick<Lender, "handed" | "fresh">> & Pick<Lender, "handsMore"> {
    const ledger = this.#input.ledger();
    const atMs = ledger.tick(nowMs);
    const fresh = new Set<string>();
    const handed: HandedSlot[] = [];
    // Those that were named first: home knows a repeated name by the request before. Then those that the life before may have named.
    const rankOf = ([slotId, { isNamed }]: [string, Handover]): number => (isNamed ? 0 : this.#restored.has(slotId) ? 1 : 2);
    const waiting = [...this.#handovers].toSorted((a, b) => rankOf(a) - rankOf(b));
    for (const [slotId, handover] of waiting) {
      if (handed.length === HANDED_MAX) break;
      const slot = ledger.slot(slotId);
      if (slot === undefined) {
        this.#forget(slotId, handover);
        continue;
      }
      if (!handover.isNamed) fresh.add(slotId);
      handover.isNamed = true;
      this.#restored.delete(slotId);
      const { flow, lane, shardId, device, expiresAtMs } = slot;
      const lifeMs = handover.isEnding ? Math.max(0, (expiresAtMs ?? atMs) - atMs) : null;
      handed.push({ slotId, owner: handover.owner, flow, lane, shardId, device, lifeMs });
    }
    this.#doubtsNamed = this.#doubts;
    return { handed, fresh, handsMore: this.#restored.size > 0 };
  }

  /** The newest request, which named these, was answered: what home has taken is no slot of this pool any more, and the rest is nobody's. */
  settle(handed: readonly HandedSlot[], answer: Renewal): void {
    assert(answer.ok, "a refused renewal takes nothing over");
    const taken = new Set(answer.handed);
    this.#doubtsSettled = this.#doubtsNamed;
    for (const { slotId } of handed) {
      const handover = this.#handovers.get(slotId);
      if (handover === undefined) continue;
      handover.isTaken = taken.has(slotId);
      this.#handovers.delete(slotId);
      this.#drop(slotId);
    }
  }

  /** Hands the slot over to home for the life of a socket. Throws where home does not answer: it may have it, and may not. */
  async keep(slotId: string, from: string, to: string): Promise<boolean> {
    const slot = this.#input.ledger().slot(slotId);
    if (slot === undefined) return this.#input.home().keep(slotId, from, to);
    const known = this.#handovers.get(slotId);
    if (!slot.isDurable || (known === undefined && slot.owner !== from)) return false;
    const handover = known ?? { owner: to, isEnding: false, isNamed: false, isTaken: null };
    this.#handovers.set(slotId, handover);
    // Until it is taken, or not, or ended here meanwhile.
    for (let turns = 0; turns < TURNS_MAX && this.#handovers.get(slotId) === handover;) {
      const isAnswered = await this.#input.renew();
      if (!isAnswered || handover.isNamed) turns += 1;
    }
    if (handover.isTaken === null) throw new Error("Cannot keep a slot: the home pool does not answer");
    if (handover.isTaken && handover.owner !== to) return this.#input.home().keep(slotId, from, to);
    return handover.isTaken;
  }

  /** Ends it, if it is here, and nobody else's. False: home may have it, or has not even heard of it; it is not handed over any more. */
  releaseHere({ slotId, holder }: ReleaseReport): boolean {
    const handover = this.#handovers.get(slotId);
    if (handover === undefined) return this.#input.ledger().release(slotId, holder);
    if (handover.owner === holder) {
      this.#forget(slotId, handover);
      this.#drop(slotId);
    }
    return false;
  }

  /** After that. Throws where home does not answer. */
  async releaseAtHome(report: ReleaseReport): Promise<ReleaseAnswer> {
    // What was sent before this is answered is old then: home has the slot by now, or never will.
    if (this.#doubtsSettled < this.#doubts && !(await this.#input.renew()))
      throw new Error("Cannot end a slot: the home pool does not answer");
    return this.#input.home().release(report);
  }

  #forget(slotId: string, { isNamed }: Handover): void {
    this.#handovers.delete(slotId);
    this.#restored.delete(slotId);
    if (isNamed) this.#doubts += 1;
  }

  #drop(slotId: string): void {
    const ledger = this.#input.ledger();
    const slot = ledger.slot(slotId);
    if (slot !== undefined) ledger.release(slotId, slot.owner);
  }
}
