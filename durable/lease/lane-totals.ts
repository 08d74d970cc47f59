// Slots out per lane, over all sources: what holds each endpoint's own capacity, whichever flow uses it.

export interface LaneCount {
  readonly lane: string;
  readonly slots: number;
  /** Of the slots, what is known to be used. */
  readonly running: number;
}

export class LaneTotals {
  readonly #totals = new Map<string, { slots: number; running: number }>();
  readonly #bySource = new Map<string, readonly LaneCount[]>();

  get names(): Iterable<string> {
    return this.#totals.keys();
  }

  slotsOf(lane: string): number {
    return this.#totals.get(lane)?.slots ?? 0;
  }

  runningOf(lane: string): number {
    return this.#totals.get(lane)?.running ?? 0;
  }

  /** Replaces all that the source contributes; an empty list forgets it. */
  replace(source: string, counts: readonly LaneCount[]): void {
    for (const count of this.#bySource.get(source) ?? []) this.#add(count, -1);
    for (const count of counts) this.#add(count, 1);
    if (counts.length === 0) this.#bySource.delete(source);
    else this.#bySource.set(source, counts);
  }

  #add({ lane, slots, running }: LaneCount, sign: 1 | -1): void {
    const total = this.#totals.get(lane) ?? { slots: 0, running: 0 };
    total.slots += sign * slots;
    total.running += sign * running;
    if (total.slots === 0 && total.running === 0) this.#totals.delete(lane);
    else this.#totals.set(lane, total);
  }
}
