/** Virtual time: what is due first runs first, and among equals what was planned first. */
export class EventQueue {
  #nowMs: number;
  #order = 0;
  readonly #events: { readonly atMs: number; readonly order: number; readonly run: () => void }[] = [];

  constructor(startMs: number) {
    this.#nowMs = startMs;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, run: () => void): void {
    this.#order += 1;
    const event = { atMs: this.#nowMs + Math.round(delayMs), order: this.#order, run };
    // Latest first; the soonest is taken off the end.
    let [low, high] = [0, this.#events.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.#events[middle];
      if (other === undefined || event.atMs < other.atMs) low = middle + 1;
      else high = middle;
    }
    this.#events.splice(low, 0, event);
  }

  /** `nextMs` may differ from time to time; the first run is after one of them. */
  every(nextMs: () => number, run: () => void): void {
    this.after(nextMs(), () => {
      run();
      this.every(nextMs, run);
    });
  }

  until(endMs: number, afterEach: () => void): void {
    while (this.step(endMs)) afterEach();
  }

  /** Runs what is due first; false: nothing is until then, and it is then now. */
  step(endMs: number): boolean {
    const event = this.#events.at(-1);
    if (event === undefined || event.atMs > endMs) {
      this.#nowMs = endMs;
      return false;
    }
    this.#events.pop();
    this.#nowMs = Math.max(this.#nowMs, event.atMs);
    event.run();
    return true;
  }
}
