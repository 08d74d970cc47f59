// Most requests are over before anything of theirs is due. So what watches a request is made for those that live longer: one timer for
// all that began since the last, in place of a timer and a listener each.

/** A request that is younger need not be watched, unless something of its own is due before. */
export const WATCH_MS = 100;

type Wake = () => void;

export class Watch {
  #young = new Set<Wake>();
  #wakesAtMs = -Infinity;

  /**
   * Calls `wake` within `WATCH_MS`, in whatever request's context the timer is: what it does must be to resolve a promise of its own.
   * Not if it has left before.
   */
  enter(wake: Wake, ctx: Pick<ExecutionContext, "waitUntil">, nowMs: number): void {
    this.#young.add(wake);
    const wakesInMs = this.#wakesAtMs - nowMs;
    if (wakesInMs > 0 && wakesInMs <= WATCH_MS) return;
    // Nobody sees to it, or whoever did is gone with its context, or the clock was set back.
    this.#wakesAtMs = nowMs + WATCH_MS;
    ctx.waitUntil(this.#wakeAll());
  }

  leave(wake: Wake): void {
    this.#young.delete(wake);
  }

  async #wakeAll(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, WATCH_MS));
    const woken = this.#young;
    this.#young = new Set();
    for (const wake of woken) wake();
  }
}
