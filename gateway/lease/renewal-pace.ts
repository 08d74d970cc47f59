// When an isolate renews a service's lease, and who sees to it. Pure; times are the isolate's.
import { SECOND_MS } from "#shared/units.ts";
import { Spell } from "./spell.ts";

/** A renewal without an answer for so long is given up: its request's context may have ended. */
const RENEWAL_MS_MAX = 2 * SECOND_MS;
/** Renewals that something sets off before their time are at least so far apart. */
export const RENEWAL_SPACING_MS = 50;
/** Those that a rate sets off are at least so far apart. */
export const RATE_SPACING_MS = 250;
/** Where others waited at the last one, one that a missing slot sets off waits so long. */
export const CONTENDED_SPACING_MS = 250;

export class RenewalPace {
  #sentAtMs = -Infinity;
  #renewAtMs = -Infinity;
  #renewingUntilMs = -Infinity;
  /** A renewal was set off before its time, and somebody sees to it until then. */
  #isSetOff = false;
  #seenToUntilMs = -Infinity;
  readonly #lingers = new Spell();
  /** The newest renewal was not answered: what it told has not been told. */
  hasFailed = false;

  get sentAtMs(): number {
    return this.#sentAtMs;
  }

  get renewAtMs(): number {
    return this.#renewAtMs;
  }

  isDue(nowMs: number): boolean {
    return nowMs >= this.#renewAtMs && nowMs >= this.#renewingUntilMs;
  }

  isRenewing(nowMs: number): boolean {
    return nowMs < this.#renewingUntilMs && nowMs >= this.#sentAtMs;
  }

  sent(nowMs: number): void {
    this.#sentAtMs = nowMs;
    this.#renewingUntilMs = nowMs + RENEWAL_MS_MAX;
    this.#isSetOff = false;
    this.#seenToUntilMs = -Infinity;
    this.hasFailed = false;
  }

  answered(renewAfterMs: number): void {
    this.#renewingUntilMs = -Infinity;
    this.#renewAtMs = this.#sentAtMs + renewAfterMs;
  }

  failed(nowMs: number): void {
    this.hasFailed = true;
    this.#renewingUntilMs = -Infinity;
    this.#renewAtMs = nowMs + RENEWAL_SPACING_MS;
  }

  /** Sets the next renewal off early. */
  setOff(atMs: number): void {
    const soonestMs = Math.max(atMs, this.#sentAtMs + RENEWAL_SPACING_MS);
    if (soonestMs >= this.#renewAtMs) return;
    this.#renewAtMs = soonestMs;
    this.#isSetOff = true;
  }

  /** In how long a renewal is due that was set off early and that nobody sees to yet; null: there is none. The caller does. */
  seeToInMs(nowMs: number): number | null {
    if (!this.#isSetOff || nowMs < this.#seenToUntilMs || nowMs < this.#renewingUntilMs) return null;
    this.#seenToUntilMs = Math.max(nowMs, this.#renewAtMs) + RENEWAL_SPACING_MS;
    return Math.max(0, this.#renewAtMs - nowMs);
  }

  /** False: somebody looks after the idle isolate already. The caller does, and says for how much longer. */
  beginLinger(nowMs: number, lingerMs: number): boolean {
    if (this.#lingers.leftMs(nowMs) > 0) return false;
    this.keepLingering(2 * lingerMs, nowMs);
    return true;
  }

  keepLingering(forMs: number, nowMs: number): void {
    this.#lingers.begin(forMs, nowMs);
  }
}
