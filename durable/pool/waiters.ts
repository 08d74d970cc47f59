// Calls that wait for a verdict: each is answered once, and looked at again when its time is up.
import type { Verdict } from "./verdict.ts";

export class Waiters {
  readonly #waiting = new Map<string, { settle: (verdict: Verdict) => void; timer: ReturnType<typeof setTimeout> }>();
  readonly #onTimeUp: () => void;
  #isLookingAgain = false;

  constructor(onTimeUp: () => void) {
    this.#onTimeUp = onTimeUp;
  }

  async wait(slotId: string, waitMsMax: number): Promise<Verdict> {
    const { promise, resolve } = Promise.withResolvers<Verdict>();
    this.#waiting.set(slotId, { settle: resolve, timer: setTimeout(this.#onTimeUp, waitMsMax) });
    return promise;
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
    if (waiting === undefined) return;
    clearTimeout(waiting.timer);
    this.#waiting.delete(slotId);
    waiting.settle(verdict);
  }
}
