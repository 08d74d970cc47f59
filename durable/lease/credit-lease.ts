// The holder's side of a lease that is passed on: a pool's, of its tenants' credits; a regional pool's, of its home's slots. Pure. What it
// holds it lends to others by a ledger of its own, so `running` is not what it runs but what that ledger has out.
//
// It outlives its own memory: after a restart it is the same holder, whose ledger still knows what is out and who only has
// forgotten by which answer it lived. Its lives are numbered, on disk, so that no late message of an old one counts: times
// would not do, for a clock that was set back while it restarted makes the new life's lower (found by simulation).
import { assert } from "#shared/assert.ts";
import type { Renewal, RenewalRequest } from "#shared/protocol/lease.ts";

/** At one a millisecond, fifty days; a pool renews once in half a second at the most. */
const SEQUENCES_PER_LIFE = 2 ** 32;
const LIFE_MAX = 2 ** 20;

export interface CreditDemand {
  readonly flow: string;
  readonly want: number;
  /** Out at others, whatever became of the lease. */
  readonly passedOn: number;
  readonly tokensWant: number;
  /** Of these, those for which somebody waits; if left out, 0. */
  readonly tokensNow?: number;
  /** Tokens out at others, as last heard; if left out, 0. */
  readonly tokensPassedOn?: number;
  /** Slots that are the lender's from here on; if left out, 0. */
  readonly givenUp?: number;
}

/** Of one lane, out at others. */
export interface LaneCreditDemand {
  readonly lane: string;
  readonly passedOn: number;
  /** If left out, 0. */
  readonly givenUp?: number;
}

const NO_LANES: ReadonlyMap<string, number> = new Map();

interface HeldCredit {
  slots: number;
  tokens: number;
}

export class CreditLease {
  readonly holder: string;
  readonly #credits = new Map<string, HeldCredit>();
  readonly #lanes = new Map<string, number>();
  #sequence: number;
  #appliedSequence = 0;
  #sentAtMs = 0;
  #expiresAtMs = -Infinity;

  /** `life`: rises with every restart of the holder, from 1. */
  constructor(holder: string, life: number) {
    assert(Number.isSafeInteger(life) && life >= 1 && life <= LIFE_MAX, "a life has a number");
    this.holder = holder;
    this.#sequence = life * SEQUENCES_PER_LIFE;
  }

  get expiresAtMs(): number {
    return this.#expiresAtMs;
  }

  /** How many slots of the flow may be out. More may be: then nothing is passed on until enough came back. */
  slots(flow: string, nowMs: number): number {
    return nowMs < this.#expiresAtMs ? (this.#credits.get(flow)?.slots ?? 0) : 0;
  }

  /** How many slots of each lane may be out. */
  lanes(nowMs: number): ReadonlyMap<string, number> {
    return nowMs < this.#expiresAtMs ? this.#lanes : NO_LANES;
  }

  tokens(flow: string, nowMs: number): number {
    return nowMs < this.#expiresAtMs ? (this.#credits.get(flow)?.tokens ?? 0) : 0;
  }

  /** Tokens that were passed on are gone; a negative count comes back. */
  spend(flow: string, tokens: number): void {
    const credit = this.#credits.get(flow);
    if (credit !== undefined) credit.tokens = Math.max(0, credit.tokens - tokens);
  }

  /** What it offers to give back is given up here and now. Of a lane it keeps no more than it keeps in flows, or has out there. */
  request(demands: readonly CreditDemand[], nowMs: number, lanesOut: readonly LaneCreditDemand[] = []): RenewalRequest {
    const isLive = nowMs < this.#expiresAtMs;
    this.#sequence += 1;
    this.#sentAtMs = nowMs;
    const flows = demands.map(({ flow, want, passedOn, tokensWant, tokensPassedOn = 0, tokensNow = 0, givenUp = 0 }) => {
      const credit = this.#credits.get(flow) ?? { slots: 0, tokens: 0 };
      this.#credits.set(flow, credit);
      credit.slots = isLive ? Math.min(Math.max(0, credit.slots - givenUp), Math.max(want, passedOn)) : 0;
      const tokens = isLive ? credit.tokens : 0;
      credit.tokens = Math.min(tokens, Math.max(0, tokensWant - tokensPassedOn));
      return {
        flow,
        want,
        running: passedOn,
        keep: credit.slots,
        tokensWant,
        tokensHeld: credit.tokens + tokensPassedOn,
        tokensReturned: tokens - credit.tokens,
        ...(tokensNow > 0 && { tokensNow }),
      };
    });
    const named = new Set(demands.map(({ flow }) => flow));
    for (const flow of this.#credits.keys()) if (!named.has(flow)) this.#credits.delete(flow);
    if (!isLive) this.#lanes.clear();
    const kept = flows.reduce((sum, { keep }) => sum + keep, 0);
    const out = new Map(lanesOut.map((of) => [of.lane, of]));
    const lanes = [...new Set([...this.#lanes.keys(), ...out.keys()])].map((lane) => {
      const { passedOn: running = 0, givenUp = 0 } = out.get(lane) ?? {};
      const keep = Math.min(Math.max(0, (this.#lanes.get(lane) ?? 0) - givenUp), Math.max(running, kept));
      this.#lanes.set(lane, keep);
      return { lane, want: running, running, keep };
    });
    return { holder: this.holder, sequence: this.#sequence, appliedSequence: this.#appliedSequence, flows, lanes, adopted: [] };
  }

  /** False: not the newest request's answer, or a refusal; nothing changes. */
  apply(answer: Renewal, nowMs: number): boolean {
    if (!answer.ok || answer.sequence !== this.#sequence || this.#appliedSequence === this.#sequence) return false;
    const wasLive = nowMs < this.#expiresAtMs;
    this.#appliedSequence = answer.sequence;
    this.#expiresAtMs = this.#sentAtMs + answer.lengthMs;
    for (const { flow, slots, tokens } of answer.flows) {
      const credit = this.#credits.get(flow);
      if (credit === undefined) continue;
      credit.slots = slots;
      credit.tokens = (wasLive ? credit.tokens : 0) + tokens;
    }
    this.#lanes.clear();
    for (const { lane, slots } of answer.lanes) this.#lanes.set(lane, slots);
    return true;
  }
}
