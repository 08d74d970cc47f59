// Shards on the virtual clock: billed from their start, ready one start-up time later, drained at once, newest starting first.

/** Counts only; a batch is what was started in one tick. */
export class Fleet {
  /** Billed: ready and starting. */
  count: number;
  ready: number;
  startCount = 0;
  drainCount = 0;
  /** Shards that became ready, ever: who learns the start-up time counts them. */
  readiedCount = 0;
  readonly delayTicks: number;
  readonly #readyTicks: Int32Array;
  readonly #sizes: Int32Array;
  #first = 0;
  #batchCount = 0;

  /** `count` shards are ready at tick 0. */
  constructor(delayTicks: number, count: number) {
    this.delayTicks = delayTicks;
    this.count = count;
    this.ready = count;
    this.#readyTicks = new Int32Array(delayTicks + 1); // One batch a tick at most, gone after delayTicks.
    this.#sizes = new Int32Array(delayTicks + 1);
  }

  /** Brings the fleet to `wanted` shards at `tick`, never going back in time. */
  resize(wanted: number, tick: number): void {
    if (wanted > this.count) this.#start(wanted - this.count, tick);
    else if (wanted < this.count) this.#drain(this.count - wanted);
  }

  /** Makes ready what is due by `tick`. */
  advance(tick: number): void {
    while (this.#batchCount > 0 && (this.#readyTicks[this.#first] ?? 0) <= tick) {
      const size = this.#sizes[this.#first] ?? 0;
      this.ready += size;
      this.readiedCount += size;
      this.#first = (this.#first + 1) % this.#sizes.length;
      this.#batchCount--;
    }
  }

  #start(size: number, tick: number): void {
    this.count += size;
    this.startCount += size;
    const at = (this.#first + this.#batchCount) % this.#sizes.length;
    this.#readyTicks[at] = tick + this.delayTicks;
    this.#sizes[at] = size;
    this.#batchCount++;
  }

  #drain(size: number): void {
    this.count -= size;
    this.drainCount += size;
    let rest = size;
    while (rest > 0 && this.#batchCount > 0) {
      const at = (this.#first + this.#batchCount - 1) % this.#sizes.length;
      const taken = Math.min(rest, this.#sizes[at] ?? 0);
      this.#sizes[at] = (this.#sizes[at] ?? 0) - taken;
      rest -= taken;
      if (this.#sizes[at] === 0) this.#batchCount--;
    }
    this.ready -= rest;
  }
}
