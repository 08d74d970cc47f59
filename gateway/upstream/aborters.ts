// A controller and its signal are two of the runtime's objects, and those are what a request costs: most requests end without either
// having been used, so the next one gets them.

export interface Aborter {
  readonly controller: AbortController;
  /** Its controller's: each reading crosses into the runtime. */
  readonly signal: AbortSignal;
}

/** As many as run at once in an isolate that is worth sparing; more are made and forgotten. */
const KEPT_MAX = 256;

export class Aborters {
  readonly #kept: Aborter[] = [];

  take(): Aborter {
    const kept = this.#kept.pop();
    if (kept !== undefined) return kept;
    const controller = new AbortController();
    return { controller, signal: controller.signal };
  }

  /** Not one that was aborted, nor one whose signal somebody still listens to. */
  giveBack(aborter: Aborter): void {
    if (this.#kept.length < KEPT_MAX) this.#kept.push(aborter);
  }
}
