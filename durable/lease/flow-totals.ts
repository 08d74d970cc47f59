// Sums over holders, named slots and those who wait, per flow, per class and in all, kept up to date one record at a
// time, and the division of the capacity over them. Classes are divided anew when one's demand changed, a class's flows
// only where the class gets less than it wants: a renewal costs its own flows, not everybody's.
import { compare, demandOf, freshClass, noteChange, shareWithin, type ClassTotal, type FlowTotal } from "./class-shares.ts";
import { divide, partByWant, type Claim, type ClassShare } from "./divide.ts";
import { floatOf } from "./float.ts";
import type { FlowPolicy } from "./lease-policy.ts";

export interface Contribution {
  readonly flow: string;
  readonly slots: number;
  /** Of the slots, what is known to be used. */
  readonly running: number;
  readonly want: number;
  /** Of the want, what no lease can take back: sockets, and requests whose lease is over. */
  readonly pinned: number;
  readonly tokensWant: number;
  readonly tokensOut: number;
  /** For so many holders, where it lends on; else 1. */
  readonly claimants?: number;
}

interface SharePolicy {
  readonly capacity: number;
  readonly areHoldersDurable?: boolean;
  readonly classes: ReadonlyMap<string, ClassShare>;
  readonly flow: (flow: string) => FlowPolicy;
  readonly flowChanged?: (flow: string) => void;
}

export class FlowTotals {
  #policy: SharePolicy;
  readonly #flows = new Map<string, FlowTotal>();
  readonly #classes = new Map<string, ClassTotal>();
  readonly #bySource = new Map<string, readonly Contribution[]>();
  #slots = 0;
  #running = 0;
  #isDivided = false;

  constructor(policy: SharePolicy) {
    this.#policy = policy;
  }

  get flows(): Iterable<string> {
    return this.#flows.keys();
  }

  /** Slots leased, held and named, of all flows. */
  get slots(): number {
    return this.#slots;
  }

  /** Of them, those that are known to be used. */
  get running(): number {
    return this.#running;
  }

  slotsOf(flow: string): number {
    return this.#flows.get(flow)?.slots ?? 0;
  }

  runningOf(flow: string): number {
    return this.#flows.get(flow)?.running ?? 0;
  }

  tokensOutOf(flow: string): number {
    return this.#flows.get(flow)?.tokensOut ?? 0;
  }

  wantOf(flow: string): number {
    return this.#flows.get(flow)?.want ?? 0;
  }

  tokensWantOf(flow: string): number {
    return this.#flows.get(flow)?.tokensWant ?? 0;
  }

  /** Wanted beside what is out. */
  tokensLackOf(flow: string): number {
    return Math.max(0, this.tokensWantOf(flow) - this.tokensOutOf(flow));
  }

  partOf(flow: string, source: string): Contribution | undefined {
    return this.#flows.get(flow)?.by.get(source);
  }

  /** The flow's part of the capacity. */
  shareOf(flow: string): number {
    const total = this.#flows.get(flow);
    return total === undefined ? 0 : this.#shareOf(flow, total);
  }

  /** Whether the flow's class has fewer slots than its reserve. */
  isBelowReserve(flow: string): boolean {
    const ofClass = this.#flows.get(flow)?.ofClass;
    return ofClass !== undefined && this.isClassBelowReserve(ofClass.className);
  }

  isClassBelowReserve(className: string): boolean {
    return (this.#classes.get(className)?.slots ?? 0) < (this.#policy.classes.get(className)?.reserve ?? 0);
  }

  /** How many slots the flow has less than its share. */
  slotsLackOf(flow: string): number {
    const total = this.#flows.get(flow);
    return total === undefined ? 0 : this.#shareOf(flow, total) - total.slots;
  }

  /** One source's part of the slots that the flow's share leaves to leases. */
  slotsPart(flow: string, source: string): number {
    const total = this.#flows.get(flow);
    if (total === undefined) return 0;
    const wantOf = (one: Contribution): number => one.want - one.pinned;
    const units = Math.max(0, this.#shareOf(flow, total) - total.pinned);
    return units >= total.want - total.pinned ? wantOf(total.by.get(source) ?? NOTHING) : partByWant(units, wantsOf(total, wantOf), source);
  }

  /** One source's part of so many tokens. */
  tokensPart(flow: string, source: string, tokens: number): number {
    const total = this.#flows.get(flow);
    if (total === undefined) return 0;
    const wantOf = (one: Contribution): number => one.tokensWant;
    return tokens >= total.tokensWant ? wantOf(total.by.get(source) ?? NOTHING) : partByWant(tokens, wantsOf(total, wantOf), source);
  }

  /** Replaces all that the source contributes, by flow once, in objects of their own; an empty list forgets it. Costs the flows that it names. */
  replace(source: string, contributions: readonly Contribution[]): void {
    const before = this.#bySource.get(source);
    let left = before?.length ?? 0;
    for (const contribution of contributions) {
      const total = this.#total(contribution.flow);
      const old = total.by.get(source);
      if (old !== undefined) left -= 1;
      total.by.set(source, contribution);
      this.#count(total, contribution, old ?? NOTHING);
    }
    // What has not been replaced is gone: it is still the same object.
    if (left > 0) {
      for (const old of before ?? NONE) this.#take(source, old);
      this.#tell(before);
    }
    this.#tell(contributions);
    if (contributions.length === 0) this.#bySource.delete(source);
    else this.#bySource.set(source, contributions);
  }

  configure(policy: SharePolicy): void {
    const areFlowsSame = policy.flow === this.#policy.flow;
    this.#policy = policy;
    this.#isDivided = false;
    // Only the capacity is another, as it is several times a minute where it is adaptive.
    if (areFlowsSame) return;
    const sources = [...this.#bySource];
    this.#flows.clear();
    this.#classes.clear();
    this.#bySource.clear();
    this.#slots = 0;
    this.#running = 0;
    for (const [source, contributions] of sources) this.replace(source, contributions);
  }

  /** The policy says something else of this flow alone: of how many slots it may have. */
  refresh(flow: string): void {
    const total = this.#flows.get(flow);
    if (total === undefined) return;
    const before = demandOf(total);
    total.slotsMax = this.#policy.flow(flow).slotsMax;
    this.#demandChanged(total.ofClass, demandOf(total) - before, 0);
  }

  #tell(contributions: readonly Contribution[] | undefined): void {
    const { flowChanged } = this.#policy;
    if (flowChanged !== undefined && contributions !== undefined) for (const { flow } of contributions) flowChanged(flow);
  }

  #demandChanged(ofClass: ClassTotal, want: number, pinned: number): void {
    if (want === 0 && pinned === 0) return;
    ofClass.want += want;
    ofClass.pinned += pinned;
    noteChange(ofClass, Math.abs(want) + Math.abs(pinned));
    this.#isDivided = false;
  }

  #divideClasses(): void {
    if (this.#isDivided) return;
    this.#isDivided = true;
    // In the classes' order, so that a remainder falls the same way after a restart.
    const classes = [...this.#classes].toSorted(([a], [b]) => compare(a, b));
    const claims = classes.map(([className, { want, pinned }]): Claim => {
      const { weight = 0, reserve = 0 } = this.#policy.classes.get(className) ?? {};
      return { want, pinned, weight, reserve };
    });
    const shares = divide(this.#policy.capacity - floatOf(this.#policy), claims);
    for (const [index, [, ofClass]] of classes.entries()) {
      const share = shares[index] ?? 0;
      if (share !== ofClass.share) ofClass.shares = null;
      ofClass.share = share;
    }
  }

  #shareOf(flow: string, total: FlowTotal): number {
    this.#divideClasses();
    return total.ofClass.share >= total.ofClass.want ? demandOf(total) : shareWithin(total.ofClass, flow);
  }

  /** One source's part in place of the one before. */
  #count(total: FlowTotal, { slots, running, want, pinned, tokensWant, tokensOut }: Contribution, before: Contribution): void {
    const [demandBefore, pinnedBefore] = [demandOf(total), total.pinned];
    total.slots += slots - before.slots;
    total.running += running - before.running;
    total.want += want - before.want;
    total.pinned += pinned - before.pinned;
    total.tokensWant += tokensWant - before.tokensWant;
    total.tokensOut += tokensOut - before.tokensOut;
    this.#slots += slots - before.slots;
    this.#running += running - before.running;
    total.ofClass.slots += slots - before.slots;
    this.#demandChanged(total.ofClass, demandOf(total) - demandBefore, total.pinned - pinnedBefore);
  }

  #take(source: string, old: Contribution): void {
    const total = this.#flows.get(old.flow);
    if (total === undefined || total.by.get(source) !== old) return;
    total.by.delete(source);
    this.#count(total, NOTHING, old);
    if (total.by.size === 0) this.#forget(old.flow, total);
  }

  #total(flow: string): FlowTotal {
    const known = this.#flows.get(flow);
    if (known !== undefined) return known;
    const policy = this.#policy.flow(flow);
    const [ofClass, { slotsMax }] = [this.#class(policy.className), policy];
    const total = { ofClass, slots: 0, running: 0, want: 0, pinned: 0, tokensWant: 0, tokensOut: 0, policy, slotsMax, by: new Map() };
    this.#flows.set(flow, total);
    ofClass.flows.set(flow, total);
    ofClass.order = null;
    return total;
  }

  #class(className: string): ClassTotal {
    let ofClass = this.#classes.get(className);
    if (ofClass === undefined) {
      this.#classes.set(className, (ofClass = freshClass(className)));
      this.#isDivided = false;
    }
    return ofClass;
  }

  #forget(flow: string, { ofClass }: FlowTotal): void {
    this.#flows.delete(flow);
    ofClass.flows.delete(flow);
    ofClass.order = null;
    if (ofClass.flows.size === 0) this.#classes.delete(ofClass.className);
  }
}

const NONE: readonly Contribution[] = [];
const NOTHING: Contribution = { flow: "", slots: 0, running: 0, want: 0, pinned: 0, tokensWant: 0, tokensOut: 0 };

/** All sources of the flow, what each wants, and for how many. */
function wantsOf({ by }: FlowTotal, wantOf: (one: Contribution) => number): (readonly [string, number, number])[] {
  const wants: (readonly [string, number, number])[] = [];
  for (const [source, one] of by) wants.push([source, wantOf(one), one.claimants ?? 1]);
  return wants;
}
