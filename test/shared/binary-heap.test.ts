import { describe, expect, it } from "vitest";
import { Random } from "#cli/load/random.ts";
import { BinaryHeap } from "#shared/binary-heap.ts";

const taken = (heap: BinaryHeap<number>): number[] => Array.from({ length: heap.length }, () => heap.pop() ?? Number.NaN);

describe("a heap", () => {
  it.for([1, 2, 3, 4, 5])("gives back all that it was given, lowest first, also in between: seed %d", (seed) => {
    const random = new Random(seed);
    const heap = new BinaryHeap<number>((a, b) => a < b);
    const held: number[] = [];
    for (let step = 0; step < 2_000; step += 1) {
      if (random.uniform() < 0.6) {
        const item = random.below(100);
        heap.push(item);
        held.push(item);
      } else {
        held.sort((a, b) => a - b);
        expect(heap.first).toBe(held[0]);
        expect(heap.pop()).toBe(held.shift());
      }
      expect(heap.length).toBe(held.length);
    }
    expect(taken(heap)).toEqual(held.toSorted((a, b) => a - b));
    expect([heap.first, heap.pop()]).toEqual([undefined, undefined]);
  });

  it("keeps those alone that pass, in order", () => {
    const heap = new BinaryHeap<number>((a, b) => a > b);
    for (const item of [5, 1, 4, 2, 3]) heap.push(item);
    heap.filter((item) => item !== 4);
    expect(taken(heap)).toEqual([5, 3, 2, 1]);
  });
});
