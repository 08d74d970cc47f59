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
    const ofClass = total === undefined ? undefined : this.#classes.get(total.policy.className);
    if (total === undefined || ofClass === undefined) return 0;
    this.#divideClasses();
    if (ofClass.share >= ofClass.want) return demandOf(total);
    return shareWithin(ofClass, flow);
  }

  /** Whether the flow's class has fewer slots than its reserve. */
  isBelowReserve(flow: string): boolean {
    const className = this.#flows.get(flow)?.policy.className ?? "";
    return (this.#classes.get(className)?.slots ?? 0) < (this.#policy.classes.get(className)?.reserve ?? 0);
  }

  /** One source's part of the slots that the flow's share leaves to leases. */
  slotsPart(flow: string, source: string): number {
    const total = this.#flows.get(flow);
    if (total === undefined) return 0;
    const wantOf = (one: Contribution): number => one.want - one.pinned;
    const units = Math.max(0, this.shareOf(flow) - total.pinned);
    return units >= total.want - total.pinned ? wantOf(total.by.get(source) ?? NOTHING) : partByWant(units, wantsOf(total, wantOf), source);
  }

  /** One source's part of so many tokens. */
  tokensPart(flow: string, source: string, tokens: number): number {
    const total = this.#flows.get(flow);
    if (total === undefined) return 0;
    const wantOf = (one: Contribution): number => one.tokensWant;
    return tokens >= total.tokensWant ? wantOf(total.by.get(source) ?? NOTHING) : partByWant(tokens, wantsOf(total, wantOf), source);
  }

  /** Replaces all that the source contributes; an empty list forgets it. */
  replace(source: string, contributions: readonly Contribution[]): void {
    const before = this.#bySource.get(source);
    for (const contribution of before ?? []) this.#count(source, contribution, -1);
    for (const contribution of contributions) this.#count(source, contribution, 1);
    for (const { flow } of before ?? []) this.#forgetEmpty(flow);
    this.#tell(before);
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
    total.policy = this.#policy.flow(flow);
    this.#demandChanged(this.#class(total.policy.className), demandOf(total) - before, 0);
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

  #count(source: string, contribution: Contribution, sign: 1 | -1): void {
    const { flow } = contribution;
    const total = this.#total(flow);
    const [wantBefore, pinnedBefore] = [demandOf(total), total.pinned];
    total.slots += sign * contribution.slots;
    total.running += sign * contribution.running;
    total.want += sign * contribution.want;
    total.pinned += sign * contribution.pinned;
    total.tokensWant += sign * contribution.tokensWant;
    total.tokensOut += sign * contribution.tokensOut;
    this.#slots += sign * contribution.slots;
    this.#running += sign * contribution.running;
    const ofClass = this.#class(total.policy.className);
    ofClass.slots += sign * contribution.slots;
    if (sign === 1) total.by.set(source, contribution);
    else total.by.delete(source);
    this.#demandChanged(ofClass, demandOf(total) - wantBefore, total.pinned - pinnedBefore);
  }

  #total(flow: string): FlowTotal {
    const known = this.#flows.get(flow);
    if (known !== undefined) return known;
    const policy = this.#policy.flow(flow);
    const total = { slots: 0, running: 0, want: 0, pinned: 0, tokensWant: 0, tokensOut: 0, policy, by: new Map() };
    this.#flows.set(flow, total);
    const ofClass = this.#class(policy.className);
    ofClass.flows.set(flow, total);
    ofClass.order = null;
    return total;
  }

  #class(className: string): ClassTotal {
    let ofClass = this.#classes.get(className);
    if (ofClass === undefined) {
      this.#classes.set(className, (ofClass = freshClass()));
      this.#isDivided = false;
    }
    return ofClass;
  }

  #forgetEmpty(flow: string): void {
    const total = this.#flows.get(flow);
    if (total === undefined || total.by.size > 0) return;
    this.#flows.delete(flow);
    const ofClass = this.#classes.get(total.policy.className);
    if (ofClass === undefined) return;
    ofClass.flows.delete(flow);
    ofClass.order = null;
    if (ofClass.flows.size === 0) this.#classes.delete(total.policy.className);
  }
}

const NOTHING: Contribution = { flow: "", slots: 0, running: 0, want: 0, pinned: 0, tokensWant: 0, tokensOut: 0 };

/** All sources of the flow, what each wants, and for how many. */
function wantsOf({ by }: FlowTotal, wantOf: (one: Contribution) => number): (readonly [string, number, number])[] {
  const wants: (readonly [string, number, number])[] = [];
  for (const [source, one] of by) wants.push([source, wantOf(one), one.claimants ?? 1]);
  return wants;
}
