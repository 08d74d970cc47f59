// Names, or objects, by when each is to be looked at next, soonest first. Pure. A name has one time, or none: put again it has the new one. What a
// call costs is what is due, not what is there: O(log n) for a name put or taken. Lazy deletion: an entry whose name has another time by now is
// dropped as it is met, and all such where they are more than the names.

import { BinaryHeap } from "#shared/binary-heap.ts";

interface Entry<T> {
  readonly atMs: number;
  readonly name: T;
}

/** Fewer entries are not worth sorting out. */
const STALE_COUNT_MIN = 64;

export class DueTimes<T = string> {
  readonly #times = new Map<T, number>();
  readonly #entries = new BinaryHeap<Entry<T>>((a, b) => a.atMs < b.atMs);

  /** Infinity: nothing is to be looked at. */
  get nextMs(): number {
    for (let { first } = this.#entries; first !== undefined; first = this.#entries.first) {
      if (this.#times.get(first.name) === first.atMs) return first.atMs;
      this.#entries.pop();
    }
    return Infinity;
  }

  /** Infinity: not to be looked at. */
  put(name: T, atMs: number): void {
    if ((this.#times.get(name) ?? Infinity) === atMs) return;
    if (atMs === Infinity) return this.delete(name);
    this.#times.set(name, atMs);
    this.#entries.push({ atMs, name });
    if (this.#entries.length > 2 * this.#times.size + STALE_COUNT_MIN) this.#sortOut();
  }

  delete(name: T): void {
    this.#times.delete(name);
  }

  /** Takes out the names whose time has come, soonest first. */
  take(nowMs: number): readonly T[] {
    const due: T[] = [];
    while (this.nextMs <= nowMs) {
      const first = this.#entries.pop();
      if (first === undefined) break;
      this.#times.delete(first.name);
      due.push(first.name);
    }
    return due;
  }

  /** A name that had a time, another one and the first again has it twice. */
  #sortOut(): void {
    const kept = new Set<T>();
    this.#entries.filter(({ name, atMs }) => {
      const isKept = this.#times.get(name) === atMs && !kept.has(name);
      if (isKept) kept.add(name);
      return isKept;
    });
  }
}
