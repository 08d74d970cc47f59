/** Turns that have to have been waited for before one ends without. */
const KNOWN_TURNS = 4;

/**
 * How many of one side's messages a turn brings, where that is always the same lately: a device that keeps so many on their way has no
 * more when they are here, and what waits longer for one waits in vain. Where another one comes soon after all, so much is not known.
 */
export class Arrivals {
  #recent: number[] = [];
  #count = 0;
  #isWatched = false;

  arrive(): void {
    this.#count += 1;
    if (this.#isWatched) this.#recent = [];
  }

  /** There is nothing more to wait for, or nothing has come. */
  get isComplete(): boolean {
    const [usual = Infinity, ...others] = this.#recent;
    return this.#count === 0 || (others.length + 1 === KNOWN_TURNS && this.#count >= usual && others.every((other) => other === usual));
  }

  /** The turn has begun: what comes from now on is the next one's. True: it is to be seen whether that is soon. */
  take({ isEarly }: { readonly isEarly: boolean }): boolean {
    if (this.#count === 0) return false;
    this.#recent = [...this.#recent, this.#count].slice(-KNOWN_TURNS);
    this.#count = 0;
    this.#isWatched = isEarly;
    return isEarly;
  }

  /** Nothing came so soon that it should have been waited for. */
  rest(): void {
    this.#isWatched = false;
  }
}
