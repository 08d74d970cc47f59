// Which tenants' credits are to be looked at: those of which something changed since, and those whose time has come. Pure.
import { DueTimes } from "#durable/lease/due-times.ts";

export class CreditLooks {
  readonly #changed = new Set<string>();
  readonly #times = new DueTimes();

  soon(tenant: string): void {
    this.#changed.add(tenant);
  }

  /** Infinity: not before something changes. */
  at(tenant: string, atMs: number): void {
    this.#times.put(tenant, atMs);
  }

  /** Those to be looked at now; each is told when to be looked at next. */
  take(nowMs: number): Iterable<string> {
    for (const tenant of this.#times.take(nowMs)) this.#changed.add(tenant);
    const tenants = [...this.#changed];
    this.#changed.clear();
    return tenants;
  }
}
