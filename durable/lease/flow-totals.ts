// Sums over holders and named slots, per flow and in all, kept up to date one record at a time.
import { divideByWant, type FlowClaim } from "./divide.ts";

export interface Contribution {
  readonly flow: string;
  readonly slots: number;
  readonly want: number;
  /** Of the want, what no lease can take back: sockets, and requests whose lease is over. */
  readonly pinned: number;
  readonly tokensWant: number;
  readonly tokensOut: number;
}

interface FlowTotal {
  slots: number;
  want: number;
  pinned: number;
  tokensOut: number;
  readonly by: Map<string, Contribution>;
}

export class FlowTotals {
  readonly #flows = new Map<string, FlowTotal>();
  readonly #bySource = new Map<string, readonly Contribution[]>();
  #slots = 0;

  /** Slots leased, held and named, of all flows. */
  get slots(): number {
    return this.#slots;
  }

  slotsOf(flow: string): number {
    return this.#flows.get(flow)?.slots ?? 0;
  }

  pinnedOf(flow: string): number {
    return this.#flows.get(flow)?.pinned ?? 0;
  }

  tokensOutOf(flow: string): number {
    return this.#flows.get(flow)?.tokensOut ?? 0;
  }

  partOf(flow: string, source: string): Contribution | undefined {
    return this.#flows.get(flow)?.by.get(source);
  }

  /** One source's part of the units, which all sources of the flow divide by want, in the order of their names. */
  partByWant(flow: string, { units, source, wantOf }: { units: number; source: string; wantOf: (one: Contribution) => number }): number {
    const sources = [...(this.#flows.get(flow)?.by ?? [])].toSorted(([a], [b]) => compare(a, b));
    const wants = sources.map(([, one]) => wantOf(one));
    return divideByWant(units, wants)[sources.findIndex(([name]) => name === source)] ?? 0;
  }

  /** Replaces all that the source contributes; an empty list forgets it. */
  replace(source: string, contributions: readonly Contribution[]): void {
    for (const contribution of this.#bySource.get(source) ?? []) this.#count(source, contribution, -1);
    if (contributions.length === 0) this.#bySource.delete(source);
    else this.#bySource.set(source, contributions);
    for (const contribution of contributions) this.#count(source, contribution, 1);
  }

  /** In the flows' order, so that a remainder falls the same way after a restart. */
  claims(policyOf: (flow: string) => { className: string; weight: number; slotsMax: number }): readonly (readonly [string, FlowClaim])[] {
    return [...this.#flows]
      .toSorted(([a], [b]) => compare(a, b))
      .map(([flow, { want, pinned }]) => {
        const { className, weight, slotsMax } = policyOf(flow);
        return [flow, { className, weight, want: Math.max(Math.min(want, slotsMax), pinned), pinned }];
      });
  }

  #count(source: string, contribution: Contribution, sign: 1 | -1): void {
    const { flow } = contribution;
    const total = this.#flows.get(flow) ?? { slots: 0, want: 0, pinned: 0, tokensOut: 0, by: new Map() };
    this.#flows.set(flow, total);
    total.slots += sign * contribution.slots;
    total.want += sign * contribution.want;
    total.pinned += sign * contribution.pinned;
    total.tokensOut += sign * contribution.tokensOut;
    this.#slots += sign * contribution.slots;
    if (sign === 1) total.by.set(source, contribution);
    else total.by.delete(source);
    if (total.by.size === 0) this.#flows.delete(flow);
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
