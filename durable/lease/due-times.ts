// Names by when each is to be looked at next, soonest first. Pure. A name has one time, or none: put again it has the new one. What a call
// costs is what is due, not what is there: O(log n) for a name put or taken. Lazy deletion: an entry whose name has another time by now is
// dropped as it is met, and all such where they are more than the names.

interface Entry {
  readonly atMs: number;
  readonly name: string;
}

/** Fewer entries are not worth sorting out. */
const STALE_COUNT_MIN = 64;

export class DueTimes {
  readonly #times = new Map<string, number>();
  /** A binary heap. */
  #entries: Entry[] = [];

  /** Infinity: nothing is to be looked at. */
  get nextMs(): number {
    for (let first = this.#entries[0]; first !== undefined; first = this.#entries[0]) {
      if (this.#times.get(first.name) === first.atMs) return first.atMs;
      this.#dropFirst();
    }
    return Infinity;
  }

  /** Infinity: not to be looked at. */
  put(name: string, atMs: number): void {
    if (this.#times.get(name) === atMs) return;
    if (atMs === Infinity) return this.delete(name);
    this.#times.set(name, atMs);
    this.#push({ atMs, name });
    if (this.#entries.length > 2 * this.#times.size + STALE_COUNT_MIN) this.#sortOut();
  }

  delete(name: string): void {
    this.#times.delete(name);
  }

  /** Takes out the names whose time has come, soonest first. */
  take(nowMs: number): readonly string[] {
    const due: string[] = [];
    while (this.nextMs <= nowMs) {
      const [first] = this.#entries;
      if (first === undefined) break;
      this.#dropFirst();
      this.#times.delete(first.name);
      due.push(first.name);
    }
    return due;
  }

  /** A sorted list is a heap. */
  #sortOut(): void {
    this.#entries = [...this.#times].map(([name, atMs]) => ({ atMs, name })).toSorted((a, b) => a.atMs - b.atMs);
  }

  #push(entry: Entry): void {
    const entries = this.#entries;
    let hole = entries.length;
    entries.push(entry);
    while (hole > 0) {
      const above = (hole - 1) >> 1;
      const parent = entries[above];
      if (parent === undefined || parent.atMs <= entry.atMs) break;
      entries[hole] = parent;
      hole = above;
    }
    entries[hole] = entry;
  }

  #dropFirst(): void {
    const entries = this.#entries;
    const last = entries.pop();
    if (last === undefined || entries.length === 0) return;
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      const [left, right] = [entries[child], entries[child + 1]];
      if (left === undefined) break;
      if (right !== undefined && right.atMs < left.atMs) child += 1;
      const sooner = entries[child];
      if (sooner === undefined || last.atMs <= sooner.atMs) break;
      entries[hole] = sooner;
      hole = child;
    }
    entries[hole] = last;
  }
}
