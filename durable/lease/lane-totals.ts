// Slots out per lane, over all sources: what holds each endpoint's own capacity, whichever flow uses it.

export interface LaneCount {
  readonly lane: string;
  readonly slots: number;
}

export class LaneTotals {
  readonly #slots = new Map<string, number>();
  readonly #bySource = new Map<string, readonly LaneCount[]>();

  slotsOf(lane: string): number {
    return this.#slots.get(lane) ?? 0;
  }

  /** Lanes with slots out, whether the policy knows them or not. */
  get lanes(): Iterable<string> {
    return this.#slots.keys();
  }

  /** Replaces all that the source contributes; an empty list forgets it. */
  replace(source: string, counts: readonly LaneCount[]): void {
    for (const { lane, slots } of this.#bySource.get(source) ?? []) this.#add(lane, -slots);
    for (const { lane, slots } of counts) this.#add(lane, slots);
    if (counts.length === 0) this.#bySource.delete(source);
    else this.#bySource.set(source, counts);
  }

  #add(lane: string, slots: number): void {
    const sum = this.slotsOf(lane) + slots;
    if (sum === 0) this.#slots.delete(lane);
    else this.#slots.set(lane, sum);
  }
}
