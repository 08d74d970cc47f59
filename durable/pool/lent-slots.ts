// What regional pools said of the slots that they were lent, at the home pool. Pure. The ledger counts as used what a region has lent
// on; what of it requests really use, and who waits there, comes with the region's renewals.
import type { LentUse } from "#shared/protocol/pool-rpc.ts";
import type { RenewalRequest } from "#shared/protocol/lease.ts";

interface Region {
  readonly use: LentUse;
  readonly passedOn: number;
  readonly passedOnIn: ReadonlyMap<string, number>;
}

export class LentSlots {
  readonly #regions = new Map<string, Region>();

  /** As many as a service has regions. */
  note({ holder, flows, lanes }: RenewalRequest, use: LentUse): void {
    const passedOn = flows.reduce((sum, { running }) => sum + running, 0);
    const isNothing = passedOn === 0 && use.waiting === 0;
    if (isNothing) this.#regions.delete(holder);
    else this.#regions.set(holder, { use, passedOn, passedOnIn: new Map(lanes.map(({ lane, running }) => [lane, running])) });
  }

  /** Lent on in regions, and idle there. */
  get idle(): number {
    let sum = 0;
    for (const { use, passedOn } of this.#regions.values()) sum += Math.max(0, passedOn - use.inUse);
    return sum;
  }

  idleIn(lane: string): number {
    let sum = 0;
    for (const { use, passedOnIn } of this.#regions.values())
      sum += Math.max(0, (passedOnIn.get(lane) ?? 0) - (use.lanes.find((of) => of.lane === lane)?.inUse ?? 0));
    return sum;
  }

  /** In regions' queues. */
  get waiting(): number {
    let sum = 0;
    for (const { use } of this.#regions.values()) sum += use.waiting;
    return sum;
  }
}
