// Those that wait for a verdict: each is told once, and looked at again when its time is up.
import type { Verdict } from "./verdict.ts";

interface Waiter {
  readonly tell: (verdict: Verdict) => void;
  readonly untilMs: number;
}

export class Waiters {
  readonly #waiting = new Map<string, Waiter>();
  readonly #onTimeUp: () => void;
  /** One for all: a timer costs more than looking through those who wait when the first one's time is up. */
  #timer: { readonly atMs: number; readonly handle: ReturnType<typeof setTimeout> } | null = null;
  #isLookingAgain = false;

  constructor(onTimeUp: () => void) {
    this.#onTimeUp = onTimeUp;
  }

  wait(slotId: string, { waitMsMax, nowMs }: { readonly waitMsMax: number; readonly nowMs: number }, tell: Waiter["tell"]): void {
    const untilMs = nowMs + waitMsMax;
    this.#waiting.set(slotId, { tell, untilMs });
    this.#wakeAt(untilMs, nowMs);
  }

  /** Looks at all of them in so long; null: there is no need. */
  lookAgain(inMs: number | null): void {
    if (inMs === null || this.#isLookingAgain) return;
    this.#isLookingAgain = true;
    setTimeout(() => {
      this.#isLookingAgain = false;
      this.#onTimeUp();
    }, inMs);
  }

  /** Nothing where nobody waits under this id. */
  answer(slotId: string, verdict: Verdict): void {
    const waiting = this.#waiting.get(slotId);
    this.#waiting.delete(slotId);
    if (this.#waiting.size === 0) this.#sleep();
    waiting?.tell(verdict);
  }

  /** A timer would keep the object awake. */
  #sleep(): void {
    if (this.#timer !== null) clearTimeout(this.#timer.handle);
    this.#timer = null;
  }

  #wakeAt(atMs: number, nowMs: number): void {
    if (this.#timer !== null && this.#timer.atMs <= atMs) return;
    this.#sleep();
    this.#timer = { atMs, handle: setTimeout(() => this.#wake(), Math.max(0, atMs - nowMs)) };
  }

  #wake(): void {
    this.#timer = null;
    this.#onTimeUp();
    let firstMs = Infinity;
    for (const { untilMs } of this.#waiting.values()) firstMs = Math.min(firstMs, untilMs);
    const nowMs = Date.now();
    // Whoever is left though its time is up (a clock went back) is looked at again, and not at once for ever.
    if (firstMs < Infinity) this.#wakeAt(Math.max(firstMs, nowMs + 1), nowMs);
  }
}
