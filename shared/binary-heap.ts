/** What `keyOf` puts lowest is first; of equals any. A key does not change while its item is here. O(log n) for an item put or taken. */
export class BinaryHeap<T> {
  readonly #keyOf: (item: T) => number;
  readonly #items: T[] = [];

  constructor(keyOf: (item: T) => number) {
    this.#keyOf = keyOf;
  }

  get length(): number {
    return this.#items.length;
  }

  /** Undefined: it is empty. */
  get first(): T | undefined {
    return this.#items[0];
  }

  push(item: T): void {
    const [items, keyOf] = [this.#items, this.#keyOf];
    const key = keyOf(item);
    let hole = items.length;
    items.push(item);
    while (hole > 0) {
      const above = (hole - 1) >> 1;
      const parent = items[above];
      if (parent === undefined || keyOf(parent) <= key) break;
      items[hole] = parent;
      hole = above;
    }
    items[hole] = item;
  }

  /** Takes the first out. */
  pop(): T | undefined {
    const [items, keyOf] = [this.#items, this.#keyOf];
    const [first] = items;
    const last = items.pop();
    if (last === undefined || items.length === 0) return first;
    const key = keyOf(last);
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      const [left, right] = [items[child], items[child + 1]];
      if (left === undefined) break;
      if (right !== undefined && keyOf(right) < keyOf(left)) child += 1;
      const lower = items[child];
      if (lower === undefined || key <= keyOf(lower)) break;
      items[hole] = lower;
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
