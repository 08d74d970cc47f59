import { SECOND_MS } from "#shared/units.ts";
import { backoffMs } from "./backoff.ts";
import type { Platform } from "./platform.ts";

/** A connection that lasted so long was a good one: the next wait begins small. */
const STABLE_MS = 10 * SECOND_MS;

/** When a socket tries its next connection: `connect` is called then. */
export class Reconnection {
  readonly #platform: Platform;
  readonly #connect: () => void;
  #failures = 0;
  /** The last connection; null: that one never carried it, or is gone. */
  #attachedAtMs: number | null = null;
  #cancel = (): void => {};
  #hasStopped = false;

  constructor(platform: Platform, connect: () => void) {
    this.#platform = platform;
    this.#connect = connect;
  }

  /** A connection carries the session now. */
  attached(): void {
    this.#attachedAtMs = this.#platform.nowMs();
  }

  /** One that was open is gone. */
  dropped(): void {
    if (this.#attachedAtMs !== null && this.#platform.nowMs() - this.#attachedAtMs >= STABLE_MS) this.#failures = 0;
    this.failed(0);
  }

  /** None came of it. `retryAfterMs`: the gateway's word; 0 where there is none. */
  failed(retryAfterMs: number): void {
    const { random } = this.#platform;
    // Only this connection's: the next one may open, and carry nothing.
    this.#attachedAtMs = null;
    if (!this.#hasStopped) this.#connectIn(backoffMs({ failures: this.#failures, retryAfterMs, random: random() }));
    this.#failures += 1;
  }

  /** It is time for another one: any moment within the grace, so that devices do not all come back at once. */
  within(graceMs: number): void {
    this.#connectIn(this.#platform.random() * graceMs);
  }

  /** For good. */
  stop(): void {
    this.#hasStopped = true;
    this.#cancel();
  }

  #connectIn(delayMs: number): void {
    this.#cancel();
    this.#cancel = this.#platform.after(delayMs, this.#connect);
  }
}
