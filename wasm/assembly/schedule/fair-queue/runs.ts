// A flow's items: per urgency a list in order of arrival, and across the lists one heap. A list is cut into runs, each
// in order of service; only a run's first item is in the heap, so an item that goes after the one before it, as nearly
// all do where clocks do not go back, enters and leaves in O(1). The newest item of each urgency is at hand for eviction.

import { goesBefore, mergeItems, removeFromItems } from "./item-heap";
import { F_NEWEST, F_ROOT, F_URGENCY_MASK, I_CHILD, I_FOLLOWS, I_NEWER, I_OLDER, I_URGENCY } from "./layout";

export function enterRun(flow: usize, item: usize, urgency: u32): void {
  const place = flow + F_NEWEST + ((<usize>urgency) << 2);
  const older = <usize>load<u32>(place);
  store<u32>(place, <u32>item);
  store<u32>(item + I_OLDER, <u32>older);
  store<u32>(item + I_NEWER, 0);
  if (older === 0) store<u32>(flow + F_URGENCY_MASK, load<u32>(flow + F_URGENCY_MASK) | (1 << urgency));
  else {
    store<u32>(older + I_NEWER, <u32>item);
    if (!goesBefore(item, older)) {
      store<u8>(item + I_FOLLOWS, 1);
      return;
    }
  }
  startRun(flow, item);
}

export function leaveRun(flow: usize, item: usize): void {
  const newer = <usize>load<u32>(item + I_NEWER);
  unlink(flow, item, newer);
  if (load<u8>(item + I_FOLLOWS) !== 0) return;
  store<u32>(flow + F_ROOT, <u32>removeFromItems(<usize>load<u32>(flow + F_ROOT), item));
  if (newer !== 0 && load<u8>(newer + I_FOLLOWS) !== 0) startRun(flow, newer);
}

/** The newest item of the least urgent kind that waits, where that is less urgent than `urgency`; else 0. */
export function evictable(flow: usize, urgency: u32): usize {
  const mask = load<u32>(flow + F_URGENCY_MASK);
  if (mask === 0) return 0;
  const least: u32 = 31 - clz(mask);
  return least > urgency ? <usize>load<u32>(flow + F_NEWEST + ((<usize>least) << 2)) : 0;
}

function startRun(flow: usize, item: usize): void {
  store<u8>(item + I_FOLLOWS, 0);
  store<u32>(item + I_CHILD, 0);
  store<u32>(flow + F_ROOT, <u32>mergeItems(<usize>load<u32>(flow + F_ROOT), item));
}

function unlink(flow: usize, item: usize, newer: usize): void {
  const older = <usize>load<u32>(item + I_OLDER);
  if (older !== 0) store<u32>(older + I_NEWER, <u32>newer);
  if (newer !== 0) {
    store<u32>(newer + I_OLDER, <u32>older);
    return;
  }
  const urgency = <u32>load<u8>(item + I_URGENCY);
  store<u32>(flow + F_NEWEST + ((<usize>urgency) << 2), <u32>older);
  if (older === 0) store<u32>(flow + F_URGENCY_MASK, load<u32>(flow + F_URGENCY_MASK) & ~(1 << urgency));
}
