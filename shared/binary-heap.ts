/** What `isBefore` puts before all others is first; of equals any. Their order does not change while they are here. O(log n) for an item put or taken. */
export class BinaryHeap<T> {
  readonly #isBefore: (a: T, b: T) => boolean;
  readonly #items: T[] = [];

  constructor(isBefore: (a: T, b: T) => boolean) {
    this.#isBefore = isBefore;
  }

  get length(): number {
    return this.#items.length;
  }

  /** Undefined: it is empty. */
  get first(): T | undefined {
    return this.#items[0];
  }

  push(item: T): void {
    const [items, isBefore] = [this.#items, this.#isBefore];
    let hole = items.length;
    items.push(item);
    while (hole > 0) {
      const above = (hole - 1) >> 1;
      const parent = items[above];
      if (parent === undefined || !isBefore(item, parent)) break;
      items[hole] = parent;
      hole = above;
    }
    items[hole] = item;
  }

  /** Takes the first out. */
  pop(): T | undefined {
    const [items, isBefore] = [this.#items, this.#isBefore];
    const [first] = items;
    const last = items.pop();
    if (last === undefined || items.length === 0) return first;
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      const [left, right] = [items[child], items[child + 1]];
      if (left === undefined) break;
      if (right !== undefined && isBefore(right, left)) child += 1;
      const next = items[child];
      if (next === undefined || !isBefore(next, last)) break;
      items[hole] = next;
      hole = child;
    }
    items[hole] = last;
    return first;
  }

  /** Keeps those alone that pass. */
  filter(isKept: (item: T) => boolean): void {
    const kept = this.#items.filter(isKept);
    this.#items.length = 0;
    for (const item of kept) this.push(item);
  }
}
