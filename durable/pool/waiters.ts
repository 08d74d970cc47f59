// Those that wait for a verdict: each is told once, and looked at again when its time is up.
import type { Verdict } from "./verdict.ts";

export class Waiters {
  readonly #waiting = new Map<string, { tell: (verdict: Verdict) => void; timer: ReturnType<typeof setTimeout> }>();
  readonly #onTimeUp: () => void;
  #isLookingAgain = false;

  constructor(onTimeUp: () => void) {
    this.#onTimeUp = onTimeUp;
  }

  wait(slotId: string, waitMsMax: number, tell: (verdict: Verdict) => void): void {
    this.#waiting.set(slotId, { tell, timer: setTimeout(this.#onTimeUp, waitMsMax) });
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
    waiting.tell(verdict);
  }
}
