// Where everything of a fair queue lies. Links are addresses in the instance's memory; 0 is none, so zeroed memory
// is a queue's beginning. The memory picture is in fair-queue.ts.

export const ITEM_CAPACITY_MAX: u32 = 1 << 20;
export const FLOW_CAPACITY_MAX: u32 = 1 << 14;
export const CLASS_CAPACITY_MAX: u32 = 16;
export const WEIGHT_MAX: u32 = 65_535;
export const COST_MAX: u32 = 1 << 28;
export const URGENCY_COUNT: u32 = 8;
/** Times are whole milliseconds from 0 to 2⁵³ - 1, as the host's numbers hold them. */
export const TIME_MS_MAX: f64 = 9007199254740991;
/** Handles that one `fairQueueExpire` can report. */
export const EXPIRED_COUNT_MAX: u32 = 64;

// Queue.
export const Q_ITEM_CAPACITY: usize = 0;
export const Q_FLOW_CAPACITY: usize = 4;
export const Q_CLASS_CAPACITY: usize = 8;
export const Q_LENGTH: usize = 12;
export const Q_FREE_ITEM: usize = 16;
export const Q_FREE_FLOW: usize = 20;
/** One bit per class in which an item waits. */
export const Q_CLASS_MASK: usize = 24;
/** The largest cost ever pushed. */
export const Q_COST_LARGEST: usize = 28;
export const Q_VIRTUAL: usize = 32;
export const Q_FINISH_LATEST: usize = 40;
export const Q_SEQUENCE: usize = 48;
export const Q_AGE_STEP_MS: usize = 56;
export const Q_CLASSES: usize = 64;
export const Q_FLOWS: usize = 68;
export const Q_ITEMS: usize = 72;
export const Q_DEADLINES: usize = 76;
export const Q_DEADLINE_COUNT: usize = 80;
// What the last call that took an item out says about it; the host reads these places.
export const Q_OUT_FLOW: usize = 84;
export const Q_OUT_URGENCY: usize = 88;
export const Q_OUT_COST: usize = 92;
export const Q_OUT_DEADLINE_MS: usize = 96;
export const Q_OUT_EVICTED: usize = 104;
export const Q_OUT_EXPIRED: usize = 112;
export const QUEUE_BYTES: usize = 624; // 112 + 64 × 8.

// Class.
export const C_INVERSE: usize = 0;
export const C_START: usize = 8;
export const C_FINISH: usize = 16;
export const C_VIRTUAL: usize = 24;
export const C_FINISH_LATEST: usize = 32;
export const C_QUEUED_COST: usize = 40;
/** Sum of the weights of the flows in which an item waits. */
export const C_WAITING_WEIGHT: usize = 48;
export const C_WEIGHT: usize = 56;
export const C_LENGTH: usize = 60;
/** The heap of flows: u32 addresses of flows. */
export const C_HEAP: usize = 64;
export const C_HEAP_COUNT: usize = 68;
export const C_INDEX: usize = 72;
export const CLASS_BYTES: usize = 80;

// Flow. A closed flow has class 0 and its link to the next free one in F_ROOT.
export const F_INVERSE: usize = 0;
export const F_START: usize = 8;
export const F_FINISH: usize = 16;
export const F_QUEUED_COST: usize = 24;
export const F_WEIGHT: usize = 32;
export const F_CLASS: usize = 36;
export const F_ROOT: usize = 40;
/** Its place among the flows that compete, or HELD. */
export const F_HEAP_SLOT: usize = 44;
export const F_LENGTH: usize = 48;
export const F_LENGTH_MAX: usize = 52;
/** One bit per urgency of which an item waits. */
export const F_URGENCY_MASK: usize = 56;
export const F_INDEX: usize = 60;
/** Per urgency the item that came last: u32[8]. */
export const F_NEWEST: usize = 64;
export const FLOW_BYTES: usize = 96;

// Item: one cache line. A free item has flow 0 and its link to the next free one in I_CHILD.
export const I_RANK: usize = 0;
export const I_DEADLINE_MS: usize = 8;
export const I_SEQUENCE: usize = 16;
export const I_CHILD: usize = 24;
export const I_SIBLING: usize = 28;
/** The parent of a first child, the left sibling of any other; nothing in a root. */
export const I_PREVIOUS: usize = 32;
export const I_NEWER: usize = 36;
export const I_OLDER: usize = 40;
export const I_FLOW: usize = 44;
export const I_COST: usize = 48;
export const I_GENERATION: usize = 52;
/** Address of its entry among the deadlines, or 0. */
export const I_DEADLINE_ENTRY: usize = 56;
export const I_URGENCY: usize = 60; // u8.
/** 1 where it goes after I_OLDER and so waits outside the heap: u8. */
export const I_FOLLOWS: usize = 61;
export const ITEM_SHIFT: usize = 6;

// Entry among the deadlines: the time beside the item, so that a comparison touches no item.
export const D_ITEM: usize = 8;
export const D_SEQUENCE: usize = 12;
export const ENTRY_SHIFT: usize = 4;

/** In F_HEAP_SLOT of a flow that is held back, whether items wait in it or not. */
export const HELD: u32 = u32.MAX_VALUE;

const LINE_BYTES: usize = 64;

/** Before the first entry stand 48 bytes, so that the four children of an entry share a cache line. */
export function deadlinesAt(base: usize): usize {
  return toLine(base + QUEUE_BYTES) + 48;
}

export function itemsAt(base: usize, itemCapacity: u32): usize {
  return toLine(deadlinesAt(base) + ((<usize>itemCapacity) << ENTRY_SHIFT));
}

export function flowsAt(base: usize, itemCapacity: u32): usize {
  return itemsAt(base, itemCapacity) + ((<usize>itemCapacity) << ITEM_SHIFT);
}

export function classesAt(base: usize, itemCapacity: u32, flowCapacity: u32): usize {
  return flowsAt(base, itemCapacity) + <usize>flowCapacity * FLOW_BYTES;
}

/** Bytes of a queue at any base: up to 48 of them are lost to alignment. */
export function queueBytes(itemCapacity: u32, flowCapacity: u32, classCapacity: u32): usize {
  const heapBytes = (<usize>flowCapacity) << 2;
  return classesAt(0, itemCapacity, flowCapacity) + <usize>classCapacity * (CLASS_BYTES + heapBytes) + LINE_BYTES;
}

function toLine(at: usize): usize {
  return (at + (LINE_BYTES - 1)) & ~(LINE_BYTES - 1);
}
