// Names of slots whose requests have ended, on their way back to the pool: one call at a time, and while it is on its way
// the next one's names gather.
import { SECOND_MS } from "#shared/units.ts";

/** A call without an answer for so long is given up: its request's context may have ended. The names end by themselves. */
const SENDING_MS_MAX = 2 * SECOND_MS;
/** Beyond it names are left to end by themselves. */
const NAMES_MAX = 4_096;

export class ReturnedNames {
  #names: string[] = [];
  #sendingUntilMs = -Infinity;

  add(slotId: string): void {
    if (this.#names.length < NAMES_MAX) this.#names.push(slotId);
  }

  /** Somebody is to send them. */
  isWaiting(nowMs: number): boolean {
    return this.#names.length > 0 && nowMs >= this.#sendingUntilMs;
  }

  /** Whoever takes them sends them, and then says `sent`. */
  take(nowMs: number): readonly string[] {
    const names = this.#names;
    this.#names = [];
    this.#sendingUntilMs = nowMs + SENDING_MS_MAX;
    return names;
  }

  sent(): void {
    this.#sendingUntilMs = -Infinity;
  }
}
