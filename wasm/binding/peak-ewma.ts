import type { Region } from "./arena.ts";
import { checkCapacity, checkIndex, checkInteger } from "./balance-range.ts";
import type { Kernels } from "./kernels.ts";

/** Cost, stamp: 8 bytes each; outstanding, open: 4 each. */
const SHARD_BYTES = 24;
const WORD_MAX = 0xffff_ffff;
const DECAY_MS = 10_000;

/**
 * Two choices over peak-EWMA latency × (outstanding + 1) (wasm/assembly/schedule/balance/peak-ewma.ts): quick to leave
 * a shard that turns slow, slow to come back. Shards are indices; all begin closed and without history.
 */
export class PeakEwma {
  readonly #kernels: Kernels;
  readonly #base: number;
  readonly #place: Region;
  readonly #capacity: number;
  readonly #decayMs: number;
  readonly #open: Uint32Array;
  readonly #region: Uint8Array;
  #count = 0;

  /** Takes 24 bytes per shard of `capacity`. Throws RangeError where the memory has no room, or `decayMs` is no time above 0. */
  constructor(kernels: Kernels, capacity: number, decayMs = DECAY_MS) {
    checkCapacity(capacity);
    if (!(decayMs > 0 && decayMs < Infinity)) throw new RangeError(`Cannot let latency decay: in ${decayMs} ms, expected a time above 0`);
    this.#kernels = kernels;
    this.#decayMs = decayMs;
    this.#capacity = Math.ceil(capacity / 4) * 4;
    this.#place = kernels.arena.allocate(SHARD_BYTES * this.#capacity, "a table of latencies");
    const { offset } = this.#place;
    this.#base = offset;
    this.#region = new Uint8Array(kernels.memory, offset, SHARD_BYTES * this.#capacity);
    this.#open = new Uint32Array(kernels.memory, offset + 20 * this.#capacity, this.#capacity);
  }

  /** Forgets everything; the first `count` shards are open. Throws RangeError for more than there are places. */
  reset(count: number): void {
    checkInteger("hold shards", count, [0, this.#capacity]);
    this.#region.fill(0);
    this.#open.fill(1, 0, count);
    this.#count = count;
  }

  /** A closed shard is not chosen; what it has outstanding still ends. */
  setOpen(index: number, isOpen: boolean): void {
    checkIndex(index, this.#count);
    this.#open[index] = isOpen ? 1 : 0;
  }

  /** Index of the chosen shard, or -1 where none is open. `words` are two random integers of 32 bits. */
  choose(words: readonly [number, number], nowMs: number): number {
    checkInteger("draw two shards", words[0], [0, WORD_MAX]);
    checkInteger("draw two shards", words[1], [0, WORD_MAX]);
    checkMs("choose a shard", nowMs);
    return this.#kernels.exports.peakEwmaChoose(this.#base, this.#capacity, this.#count, words[0], words[1], nowMs, this.#decayMs);
  }

  /** A request begins at the shard. */
  start(index: number): void {
    checkIndex(index, this.#count);
    this.#kernels.exports.peakEwmaStart(this.#base, this.#capacity, index);
  }

  /** A request ends after `latencyMs` ≥ 0. */
  end(index: number, latencyMs: number, nowMs: number): void {
    checkIndex(index, this.#count);
    checkMs("end a request", nowMs);
    if (!(latencyMs >= 0 && latencyMs < Infinity))
      throw new RangeError(`Cannot observe latency: ${latencyMs} ms, expected a finite number ≥ 0`);
    this.#kernels.exports.peakEwmaEnd(this.#base, this.#capacity, index, latencyMs, nowMs, this.#decayMs);
  }

  /** What the choice compares, in ms × requests; infinite at most. */
  load(index: number, nowMs: number): number {
    checkIndex(index, this.#count);
    checkMs("read a load", nowMs);
    return this.#kernels.exports.peakEwmaLoad(this.#base, this.#capacity, index, nowMs, this.#decayMs);
  }

  /** Gives the memory back. The table must not be used afterwards. */
  release(): void {
    this.#kernels.arena.release(this.#place);
  }
}

function checkMs(verb: string, nowMs: number): void {
  if (!Number.isFinite(nowMs)) throw new RangeError(`Cannot ${verb}: at ${nowMs} ms, expected a finite time`);
}
