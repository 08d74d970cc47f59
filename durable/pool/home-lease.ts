// What a regional pool was lent by its service's home pool: slots per flow and per lane, the table of shards, what is left of the
// flows' limits. Pure; home-renewals.ts carries the messages. What is not lent here cannot be granted here: lent-policy.ts.
import { countBy } from "#durable/lease/count-by.ts";
import { CreditLease, type CreditDemand } from "#durable/lease/credit-lease.ts";
import { FLOAT_DIVISOR } from "#durable/lease/float.ts";
import { UNITS_MAX } from "#durable/lease/divide.ts";
import { advanceClock, FORWARD, UNSEEN } from "#durable/lease/lease-clock.ts";
import { GAP_MS_MAX } from "#durable/lease/lease-pace.ts";
import { LENT_TOKENS_MS, type LentTokens } from "#durable/lease/lent-tokens.ts";
import type { LeaseLedger } from "#durable/lease/lease-ledger.ts";
import type { FlowLeft, RenewAnswer } from "#shared/protocol/pool-rpc.ts";
import type { HandedSlot, RenewalRequest } from "#shared/protocol/lease.ts";
import { SECOND_MS } from "#shared/units.ts";

/** A home pool that does not answer is asked again after so long. */
const RETRY_MS = SECOND_MS;
/** A home pool that gave less than was asked for has no more for now: whatever is wanted beside that asks again after so long. */
const SHORT_SPACING_MS = SECOND_MS / 4;
/** As many as a home pool's ledger takes of one holder. Of more, those that have nothing out wait for others to end. */
const FLOWS_MAX = 2 * 4_096;

/** Of a flow whose requests ask by name, so that not each of them asks the home pool. */
const SPARE_TOKENS = 8;

export interface Wanted {
  readonly flow: string;
  readonly want: number;
  /** Beside those that are held. */
  readonly tokens?: number;
  /** Of these, those for which somebody waits at this moment. */
  readonly tokensNow?: number;
}

export interface Lender {
  /** This region's name at its home. */
  readonly holder: string;
  /** This object's life, written down: a number that no life before had. */
  readonly life: () => number;
  /** Sockets' slots that are its home's from here on, … */
  readonly handed?: readonly HandedSlot[];
  /** … and of them those that no request named before. */
  readonly fresh?: ReadonlySet<string>;
  /** Others were here at the start, and are named later. */
  readonly handsMore?: boolean;
}

export class HomeLease implements LentTokens {
  #lease: CreditLease | null = null;
  #clock = UNSEEN;
  #nowMs = 0;
  #renewAtMs = Infinity;
  #isAsking = false;
  #askedAtMs = -Infinity;
  #asked: ReadonlyMap<string, number> = new Map();
  /** Tokens that the newest request asks for beside those that are here. */
  #lacked: ReadonlyMap<string, number> = new Map();
  #failedUntilMs = -Infinity;
  /** Flows of which the last answer brought fewer tokens than were wanted, … */
  #dry: ReadonlySet<string> = new Set();
  /** … and those of which it left fewer than somebody waited for. */
  #none: ReadonlySet<string> = new Set();
  /** By flow, for how many tokens somebody waited when it was asked for. */
  #needed: ReadonlyMap<string, number> = new Map();
  #left: ReadonlyMap<string, FlowLeft> = new Map();
  #isContended = false;
  /** Flows whose wants may be others since they were looked at, and those of which more is wanted than was asked for. */
  readonly #changed = new Set<string>();
  readonly #over = new Set<string>();
  /** Of some flow the last answer lent fewer slots than were asked for. */
  #isLentShort = false;
  /** The newest request did not name all sockets' slots that were here at the start. */
  #handsMore = false;
  /** How many tokens of the flow requests wait for. */
  awaited: (flow: string) => number = () => 0;
  #leaseMs = 0;
  #answeredAtMs = 0;

  /** For what follows: a time that does not go back with the pool's, so that no lease lasts longer than it was lent for. */
  tick(nowMs: number): void {
    this.#clock = advanceClock(this.#clock, nowMs, FORWARD);
    this.#nowMs = this.#clock.ledgerMs;
  }

  get isLive(): boolean {
    return this.#lease !== null && this.#nowMs < this.#lease.expiresAtMs;
  }

  /** Something is lent, or to be asked for: time has to go on. */
  get isActive(): boolean {
    return this.isLive || this.#renewAtMs < Infinity;
  }

  /** What the newest request left out is to go at once. */
  get handsMore(): boolean {
    return this.#handsMore;
  }

  /** Others wait at home, or in its other regions' queues. */
  get isContended(): boolean {
    return this.isLive && this.#isContended;
  }

  /** How long the home pool makes a lease now, by its own occupancy. */
  get leaseMs(): number {
    return this.#leaseMs;
  }

  /** How many slots of the flow may be out here; 0 after the lease's end. */
  slotsOf(flow: string): number {
    return this.#lease?.slots(flow, this.#nowMs) ?? 0;
  }

  /** Of all flows. */
  get slots(): number {
    let sum = 0;
    for (const flow of this.#asked.keys()) sum += this.slotsOf(flow);
    return sum;
  }

  get lanes(): ReadonlyMap<string, number> {
    return this.#lease?.lanes(this.#nowMs) ?? new Map();
  }

  available(flow: string): number {
    return this.#lease?.tokens(flow, this.#nowMs) ?? 0;
  }

  take(flow: string, count: number): void {
    this.#lease?.spend(flow, count);
  }

  /** What the home pool said is left of a flow's limits, beside what is lent here. */
  leftOf(flow: string): FlowLeft | undefined {
    const left = this.#left.get(flow);
    return left && { ...left, blockedMs: Math.max(0, left.blockedMs - (this.#nowMs - this.#answeredAtMs)) };
  }

  /** What is wanted of a flow here may be something else now. */
  look(flow: string): void {
    this.#changed.add(flow);
  }

  /** Whether whoever wants this waits for the home pool's answer: nothing is lent, and it was not asked for. */
  isUnknown(wants: readonly Wanted[]): boolean {
    if (this.#nowMs < this.#failedUntilMs) return false;
    if (!this.isLive) return true;
    return wants.some((wanted) => (wanted.want > 0 && !this.#asked.has(wanted.flow)) || this.#lacksTokens(wanted));
  }

  /** A rate that is short is asked for again a little later, and not by each request. */
  #lacksTokens({ flow, tokens = 0, tokensNow = 0 }: Wanted): boolean {
    if (tokens === 0 || this.available(flow) >= Math.max(1, tokensNow && this.awaited(flow))) return false;
    const isWithout = tokensNow > 0 ? this.#none.has(flow) : this.#dry.has(flow);
    return !isWithout || this.#nowMs >= this.#answeredAtMs + LENT_TOKENS_MS;
  }

  /** Whether to ask now: it is time, or more is wanted than was asked for. */
  isDue(ledger: Pick<LeaseLedger, "wantOfFlow">): boolean {
    if (this.#isAsking || this.#nowMs < this.#failedUntilMs) return false;
    if (this.#nowMs >= this.#renewAtMs || this.#handsMore) return true;
    if (this.#nowMs < this.#askedAtMs + SHORT_SPACING_MS && this.#isShort) return false;
    for (const flow of this.#changed) {
      if (ledger.wantOfFlow(flow) > (this.#asked.get(flow) ?? 0)) this.#over.add(flow);
      else this.#over.delete(flow);
    }
    this.#changed.clear();
    return this.#over.size > 0;
  }

  /** The message's lease. `wants` come on top of what the ledger knows. */
  request(
    ledger: LeaseLedger,
    wants: readonly Wanted[],
    { holder, life, handed = [], fresh = NONE, handsMore = false }: Lender,
  ): RenewalRequest {
    this.#lease ??= new CreditLease(holder, life());
    const named = handed.filter(({ slotId }) => fresh.has(slotId));
    const [inFlows, inLanes] = [countsOf({ handed, named }, "flow"), countsOf({ handed, named }, "lane")];
    const demands = demandsOf(ledger, wants, { available: (flow) => this.available(flow), ...inFlows });
    this.#isAsking = true;
    this.#handsMore = handsMore;
    this.#askedAtMs = this.#nowMs;
    this.#asked = new Map(demands.map(({ flow, want }) => [flow, want]));
    this.#lacked = new Map(
      demands.map(({ flow, tokensWant, tokensPassedOn }) => [flow, tokensWant - tokensPassedOn - this.available(flow)]),
    );
    for (const flow of demands.length < FLOWS_MAX ? this.#over : ledger.flows.totals.flows) this.#changed.add(flow);
    this.#needed = new Map(demands.flatMap(({ flow, tokensNow }) => (tokensNow > 0 ? [[flow, tokensNow]] : [])));
    const lanes = [...ledger.flows.lanes.names].map((lane) => ({
      lane,
      passedOn: ledger.slotsOfLane(lane) - inLanes.handed(lane),
      givenUp: inLanes.named(lane),
    }));
    const request = { ...this.#lease.request(demands, this.#nowMs, lanes), lentTo: Math.max(1, ledger.counts.holders) };
    return handed.length === 0 ? request : { ...request, handed, ...(handsMore && { handsMore }) };
  }

  /** `isIdle`: nothing was wanted, out or to be told; it is not asked again until somebody comes. False: a refusal. */
  apply({ lease, left, isContended }: RenewAnswer, isIdle: boolean): boolean {
    this.#isAsking = false;
    this.#failedUntilMs = -Infinity;
    const isApplied = this.#lease?.apply(lease, this.#nowMs) === true && lease.ok;
    if (isApplied) {
      this.#left = new Map(left.map((of) => [of.flow, of]));
      this.#answeredAtMs = this.#nowMs;
      this.#dry = new Set(lease.flows.filter(({ flow, tokens }) => tokens < (this.#lacked.get(flow) ?? 0)).map(({ flow }) => flow));
      this.#none = new Set([...this.#needed].flatMap(([flow, count]) => (this.available(flow) < count ? [flow] : [])));
      this.#isLentShort = [...this.#asked].some(([flow, want]) => this.slotsOf(flow) < want);
      this.#isContended = isContended;
      this.#leaseMs = lease.lengthMs + GAP_MS_MAX;
    } else {
      // Nothing has gone home: the next one names the same, in its time.
      this.#handsMore = false;
    }
    this.#renewAtMs = isIdle && lease.ok ? Infinity : this.#nowMs + lease.renewAfterMs;
    return isApplied;
  }

  /** No answer: what is lent holds until its end, and after that nothing is granted here. */
  failed(): void {
    this.#isAsking = false;
    this.#renewAtMs = this.#nowMs + RETRY_MS;
    this.#failedUntilMs = this.#nowMs + RETRY_MS;
  }

  get #isShort(): boolean {
    return this.isLive ? this.#isLentShort : [...this.#asked.values()].some((want) => want > 0);
  }
}

/** Of sockets' slots, by flow or by lane. */
interface HandedCounts {
  readonly handed: (key: string) => number;
  /** For the first time. */
  readonly named: (key: string) => number;
}

const NONE: ReadonlySet<string> = new Set();

/** One look at each: there may be as many flows as slots. */
function countsOf(lists: Readonly<Record<keyof HandedCounts, readonly HandedSlot[]>>, key: "flow" | "lane"): HandedCounts {
  const countOf = (slots: readonly HandedSlot[]) => {
    const counts = new Map<string, number>();
    for (const slot of slots) countBy(counts, slot[key], 1);
    return (name: string): number => counts.get(name) ?? 0;
  };
  return { handed: countOf(lists.handed), named: countOf(lists.named) };
}

/** What is out first: the home pool takes a flow that is left out for given back. */
function demandsOf(
  ledger: LeaseLedger,
  wants: readonly Wanted[],
  { available, handed, named }: HandedCounts & { readonly available: (flow: string) => number },
): readonly Required<CreditDemand>[] {
  const more = new Map<string, number>();
  const moreTokens = new Map<string, number>();
  const now = new Map<string, number>();
  const add = (to: Map<string, number>, flow: string, count: number): void => void to.set(flow, (to.get(flow) ?? 0) + count);
  for (const { flow, want, tokens = 0, tokensNow = 0 } of wants) {
    add(more, flow, want);
    add(moreTokens, flow, tokens);
    add(now, flow, tokensNow);
  }
  const { totals } = ledger.flows;
  const flows = new Set([...ledger.flows.totals.flows, ...more.keys()]);
  const demands = [...flows].map((flow) => {
    const handedCount = handed(flow);
    const passedOn = ledger.slotsOfFlow(flow) - handedCount;
    const wanted = Math.max(passedOn, ledger.wantOfFlow(flow) - handedCount) + (more.get(flow) ?? 0);
    const tokensWanted = totals.tokensWantOf(flow) + (moreTokens.get(flow) ?? 0);
    return {
      flow,
      want: Math.min(UNITS_MAX, withFloat(wanted)),
      passedOn,
      tokensWant: tokensWanted === 0 ? 0 : Math.min(UNITS_MAX, withFloat(tokensWanted) + SPARE_TOKENS),
      tokensNow: Math.max(0, Math.min(UNITS_MAX, now.get(flow) ?? 0) - available(flow)),
      tokensPassedOn: Math.min(UNITS_MAX, totals.tokensOutOf(flow)),
      givenUp: named(flow),
    };
  });
  const isSomething = ({ want, tokensWant, tokensPassedOn }: Required<CreditDemand>): boolean => want + tokensWant + tokensPassedOn > 0;
  const wanted = demands.filter(isSomething).toSorted((a, b) => Number(b.passedOn > 0) - Number(a.passedOn > 0));
  return wanted.slice(0, FLOWS_MAX);
}

/** The ledger keeps a float of what it divides for those who ask it by name: so much more than is wanted. */
function withFloat(want: number): number {
  return want + Math.ceil(want / (FLOAT_DIVISOR - 1));
}
