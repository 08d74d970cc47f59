// What a pool asked of a tenant's quota in slots, by flow, and whether it is to ask again. Pure.

interface Demand {
  readonly flow: string;
  readonly want: number;
}

export class SlotWants {
  #asked: ReadonlyMap<string, number> = new Map();
  /** The most that was wanted since. */
  readonly #peaks = new Map<string, number>();

  /** The demands as they are asked for: what was wanted at most since the last time comes again, and then costs no call and no wait. */
  ask<T extends Demand>(demands: readonly T[]): readonly T[] {
    const asked = demands.map((demand) => ({ ...demand, want: Math.max(demand.want, this.#peaks.get(demand.flow) ?? 0) }));
    this.#asked = new Map(asked.map(({ flow, want }) => [flow, want]));
    this.#peaks.clear();
    return asked;
  }

  /**
   * Whether more is wanted of a flow than was asked for. `isHeard`: so lately that a flow which was lent less than that is not asked for again;
   * another one is, as its class may have less than is reserved for it.
   */
  isMore(wantOf: (flow: string) => number, { lentOf, isHeard }: { lentOf: (flow: string) => number; isHeard: boolean }): boolean {
    let isMore = false;
    for (const [flow, asked] of this.#asked) {
      const want = wantOf(flow);
      this.#peaks.set(flow, Math.max(want, this.#peaks.get(flow) ?? 0));
      isMore ||= want > asked && !(isHeard && lentOf(flow) < asked);
    }
    return isMore;
  }
}
