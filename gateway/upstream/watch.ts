// Most requests are over before anything of theirs is due. So what watches a request is made for those that live longer: one timer for
// all that began since the last, in place of a timer and a listener each.

/** A request that is younger need not be watched, unless something of its own is due before. */
export const WATCH_MS = 100;
/** Those that begin within so long are woken together, none of them before it is as old as what is left of the above. */
const GATHER_MS = WATCH_MS / 2;

type Wake = () => void;

export class Watch {
  /** Those that gather now … */
  #young = new Set<Wake>();
  /** … and those that gathered before them, until they are woken. */
  #older = new Set<Wake>();
  #gatheredSinceMs = -Infinity;

  /**
   * Calls `wake` within `WATCH_MS`, in whatever request's context the timer is: what it does must be to resolve a promise of its own.
   * Not if it has left before.
   */
  enter(wake: Wake, ctx: Pick<ExecutionContext, "waitUntil">, nowMs: number): void {
    const ageMs = nowMs - this.#gatheredSinceMs;
    if (!(ageMs >= 0 && ageMs < GATHER_MS)) {
      // Where nobody will wake them, because whoever was to is gone with its context or the clock was set back, they are woken with these.
      if (ageMs >= 0 && ageMs < WATCH_MS) [this.#young, this.#older] = [this.#older, this.#young];
      else {
        for (const left of this.#older) this.#young.add(left);
        this.#older.clear();
      }
      this.#gatheredSinceMs = nowMs;
      ctx.waitUntil(wakeAll(this.#young));
    }
    this.#young.add(wake);
  }

  leave(wake: Wake): void {
    if (!this.#young.delete(wake)) this.#older.delete(wake);
  }
}

async function wakeAll(gathered: Set<Wake>): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, WATCH_MS));
  const woken = [...gathered];
  gathered.clear();
  for (const wake of woken) wake();
}
