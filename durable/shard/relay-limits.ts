// What a plain socket is held to. Its object is awake as long as it lasts, so timers cost nothing more.
import type { ConnectionTerms } from "#shared/protocol/shard-rpc.ts";
import { DAY_MS } from "#shared/units.ts";
import { endOfTime, IDLE, TOO_LARGE, type Breach } from "./breach.ts";
import type { Leg } from "./close-codes.ts";
import { PlainLimits } from "./plain-limits.ts";

/** Longer ones do not fit a runtime's timer. */
const TIMER_MS_MAX = DAY_MS;

export class RelayLimits {
  readonly #terms: ConnectionTerms;
  readonly #onTimeUp: (breach: Breach) => void;
  readonly #limits: PlainLimits;
  readonly #startedAtMs = Date.now();
  #activeAtMs = Date.now();
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(terms: ConnectionTerms, onTimeUp: (breach: Breach) => void) {
    this.#terms = terms;
    this.#onTimeUp = onTimeUp;
    this.#limits = new PlainLimits(terms.limits);
    this.#watch();
  }

  /** Null: it may pass. */
  breachOf(from: Leg, data: string | ArrayBuffer): Breach | null {
    this.#activeAtMs = Date.now();
    if (from === "device") return this.#limits.breachOf(data);
    return this.#limits.isTooLarge(data) ? TOO_LARGE : null;
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #watch(): void {
    const nowMs = Date.now();
    const end = endOfTime(this.#terms, this.#startedAtMs);
    const idleAtMs = this.#activeAtMs + (this.#terms.limits.idleMsMax ?? Infinity);
    if (end !== null && nowMs >= end.atMs) return this.#onTimeUp(end.breach);
    if (nowMs >= idleAtMs) return this.#onTimeUp(IDLE);
    const nextAtMs = Math.min(end?.atMs ?? Infinity, idleAtMs);
    if (nextAtMs !== Infinity) this.#timer = setTimeout(() => this.#watch(), Math.min(TIMER_MS_MAX, nextAtMs - nowMs));
  }
}
