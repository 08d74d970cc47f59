// What a plain socket is held to. Its object is awake as long as it lasts, so timers cost nothing more.
import type { ConnectionTerms } from "#shared/protocol/shard-rpc.ts";
import { payloadBytes } from "#shared/resume/frames.ts";
import { DAY_MS } from "#shared/units.ts";
import { endOfTime, IDLE, TOO_LARGE, TOO_MANY, type Breach } from "./breach.ts";
import type { Leg } from "./close-codes.ts";
import { MessageRate } from "./message-rate.ts";

/** Longer ones do not fit a runtime's timer. */
const TIMER_MS_MAX = DAY_MS;

export class RelayLimits {
  readonly #terms: ConnectionTerms;
  readonly #onTimeUp: (breach: Breach) => void;
  readonly #rate: MessageRate | null;
  readonly #startedAtMs = Date.now();
  #activeAtMs = Date.now();
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(terms: ConnectionTerms, onTimeUp: (breach: Breach) => void) {
    this.#terms = terms;
    this.#onTimeUp = onTimeUp;
    const { messagesPerSecond, messageBurst } = terms.limits;
    this.#rate = messagesPerSecond === null ? null : new MessageRate({ perSecond: messagesPerSecond, burst: messageBurst });
    this.#watch();
  }

  /** Null: it may pass. */
  breachOf(from: Leg, data: string | ArrayBuffer): Breach | null {
    const nowMs = Date.now();
    const { messageBytesMax } = this.#terms.limits;
    this.#activeAtMs = nowMs;
    // A unit of a string is at most three bytes.
    if (
      typeof data === "string"
        ? data.length * 3 > messageBytesMax && payloadBytes(data) > messageBytesMax
        : data.byteLength > messageBytesMax
    )
      return TOO_LARGE;
    return from === "endpoint" || this.#rate === null || this.#rate.take(nowMs) ? null : TOO_MANY;
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
