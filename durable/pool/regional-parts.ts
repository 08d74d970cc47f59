// What makes a pool a regional one; a home pool, or one of a service without regions, has none of it.
import { QuotaGate } from "./quota-gate.ts";
import type { HomeLease } from "./home-lease.ts";
import { LentSlots } from "./lent-slots.ts";
import { RegionalGate } from "./regional-gate.ts";

export class RegionalParts {
  /** Null: it is nobody's regional pool. */
  readonly home: HomeLease | null;
  readonly gate: QuotaGate;
  /** What it lent to regional pools of its own. */
  readonly lent = new LentSlots();

  constructor(home: HomeLease | null = null) {
    this.home = home;
    this.gate = home === null ? new QuotaGate() : new RegionalGate(home);
  }
}
