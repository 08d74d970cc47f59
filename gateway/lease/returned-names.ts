// Names of slots whose requests have ended, on their way back to the pool: each at once, while few calls are on their way.
// Only beyond that do names gather for the next call: to gather always would make slots end, and so begin, in step with
// each other, and whoever comes then waits for the next step.
import { SECOND_MS } from "#shared/units.ts";

const CALLS_MAX = 8;
/** A call without an answer for so long is given up: its request's context may have ended. The names end by themselves. */
const CALL_MS_MAX = 2 * SECOND_MS;
/** Beyond it names are left to end by themselves. */
const NAMES_MAX = 4_096;

export class ReturnedNames {
  #names: string[] = [];
  #callCount = 0;
  #calledAtMs = -Infinity;

  add(slotId: string): void {
    if (this.#names.length < NAMES_MAX) this.#names.push(slotId);
  }

  /** Somebody is to send them. */
  isWaiting(nowMs: number): boolean {
    if (nowMs - this.#calledAtMs > CALL_MS_MAX) this.#callCount = 0;
    return this.#names.length > 0 && this.#callCount < CALLS_MAX;
  }

  /** Whoever takes them sends them, and then says `sent`. */
  take(nowMs: number): readonly string[] {
    const names = this.#names;
    this.#names = [];
    this.#callCount += 1;
    this.#calledAtMs = nowMs;
    return names;
  }

  sent(): void {
    this.#callCount = Math.max(0, this.#callCount - 1);
  }
}
