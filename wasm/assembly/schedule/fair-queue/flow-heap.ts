// The flows of one class in which an item waits, by (start tag, index): a binary heap of addresses, each flow knowing
// its place in it.

import { C_HEAP, C_HEAP_COUNT, F_HEAP_SLOT, F_START } from "./layout";

/** The flow to serve. The class has one. */
export function firstFlow(classAt: usize): usize {
  return <usize>load<u32>(<usize>load<u32>(classAt + C_HEAP));
}

export function addFlow(classAt: usize, flow: usize): void {
  const count = load<u32>(classAt + C_HEAP_COUNT);
  store<u32>(classAt + C_HEAP_COUNT, count + 1);
  siftUp(<usize>load<u32>(classAt + C_HEAP), count, flow);
}

export function removeFlow(classAt: usize, flow: usize): void {
  const heap = <usize>load<u32>(classAt + C_HEAP);
  const count = load<u32>(classAt + C_HEAP_COUNT) - 1;
  store<u32>(classAt + C_HEAP_COUNT, count);
  const last = <usize>load<u32>(heap + ((<usize>count) << 2));
  if (last === flow) return;
  const slot = load<u32>(flow + F_HEAP_SLOT);
  siftUp(heap, siftHole(heap, slot, count, last), last);
}

/** After the first flow's start tag went up. */
export function requeueFirst(classAt: usize, flow: usize): void {
  const heap = <usize>load<u32>(classAt + C_HEAP);
  put(heap, siftHole(heap, 0, load<u32>(classAt + C_HEAP_COUNT), flow), flow);
}

// Flows lie in order of their index, so the lower address is the lower index.
function goesBefore(a: usize, b: usize): bool {
  const startA = load<u64>(a + F_START);
  const startB = load<u64>(b + F_START);
  return startA < startB || (startA === startB && a < b);
}

function put(heap: usize, slot: u32, flow: usize): void {
  store<u32>(heap + ((<usize>slot) << 2), <u32>flow);
  store<u32>(flow + F_HEAP_SLOT, slot);
}

function at(heap: usize, slot: u32): usize {
  return <usize>load<u32>(heap + ((<usize>slot) << 2));
}

function siftUp(heap: usize, from: u32, flow: usize): void {
  let hole = from;
  while (hole !== 0) {
    const above = (hole - 1) >> 1;
    const parent = at(heap, above);
    if (!goesBefore(flow, parent)) break;
    put(heap, hole, parent);
    hole = above;
  }
  put(heap, hole, flow);
}

function siftHole(heap: usize, from: u32, count: u32, flow: usize): u32 {
  let hole = from;
  let slot = (hole << 1) + 1;
  while (slot < count) {
    let child = at(heap, slot);
    if (slot + 1 < count) {
      const right = at(heap, slot + 1);
      if (goesBefore(right, child)) {
        child = right;
        slot += 1;
      }
    }
    if (goesBefore(flow, child)) break;
    put(heap, hole, child);
    hole = slot;
    slot = (hole << 1) + 1;
  }
  return hole;
}
