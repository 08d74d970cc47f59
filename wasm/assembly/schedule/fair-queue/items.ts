// The slab of items and the handles that name them: generation × 2²⁰ + index, at most 2⁵² - 1, so that a handle is
// an ordinary number in the host. A generation goes up whenever its item leaves; it comes round after 2³² leavings
// of one place, and until then an old handle names nothing.

import { I_CHILD, I_FLOW, I_GENERATION, ITEM_CAPACITY_MAX, ITEM_SHIFT, Q_FREE_ITEM, Q_ITEM_CAPACITY, Q_ITEMS } from "./layout";

const INDEX_BITS: u64 = 20;
const HANDLE_END: f64 = 4503599627370496; // 2⁵².

/** Links every place into the free list, lowest index first. */
export function linkFreeItems(queue: usize, items: usize, capacity: u32): void {
  let next: usize = 0;
  for (let index = capacity; index > 0; index--) {
    const item = items + ((<usize>(index - 1)) << ITEM_SHIFT);
    store<u32>(item + I_CHILD, <u32>next);
    next = item;
  }
  store<u32>(queue + Q_FREE_ITEM, <u32>next);
}

/** The caller has made sure that one is free. */
export function takeItem(queue: usize): usize {
  const item = <usize>load<u32>(queue + Q_FREE_ITEM);
  assert(item !== 0);
  store<u32>(queue + Q_FREE_ITEM, load<u32>(item + I_CHILD));
  return item;
}

export function freeItem(queue: usize, item: usize): void {
  store<u32>(item + I_GENERATION, load<u32>(item + I_GENERATION) + 1);
  store<u32>(item + I_FLOW, 0);
  store<u32>(item + I_CHILD, load<u32>(queue + Q_FREE_ITEM));
  store<u32>(queue + Q_FREE_ITEM, <u32>item);
}

export function handleOf(queue: usize, item: usize): f64 {
  const index = (item - <usize>load<u32>(queue + Q_ITEMS)) >> ITEM_SHIFT;
  return <f64>(((<u64>load<u32>(item + I_GENERATION)) << INDEX_BITS) | <u64>index);
}

/** The item that waits under this handle, or 0. */
export function itemOf(queue: usize, handle: f64): usize {
  if (!(handle >= 0 && handle < HANDLE_END && floor(handle) === handle)) return 0;
  const word = <u64>handle;
  const index = <u32>(word & (ITEM_CAPACITY_MAX - 1));
  if (index >= load<u32>(queue + Q_ITEM_CAPACITY)) return 0;
  const item = <usize>load<u32>(queue + Q_ITEMS) + ((<usize>index) << ITEM_SHIFT);
  if (load<u32>(item + I_FLOW) === 0 || load<u32>(item + I_GENERATION) !== <u32>(word >> INDEX_BITS)) return 0;
  return item;
}
