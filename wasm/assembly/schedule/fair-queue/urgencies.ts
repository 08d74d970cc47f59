// Per flow and urgency the items in order of arrival, newest first, so that a full flow can give up the newest of
// its least urgent ones in O(1).

import { F_NEWEST, F_URGENCY_MASK, I_NEWER, I_OLDER, I_URGENCY } from "./layout";

export function addNewest(flow: usize, item: usize, urgency: u32): void {
  const place = flow + F_NEWEST + ((<usize>urgency) << 2);
  const older = <usize>load<u32>(place);
  store<u32>(item + I_OLDER, <u32>older);
  store<u32>(item + I_NEWER, 0);
  if (older !== 0) store<u32>(older + I_NEWER, <u32>item);
  store<u32>(place, <u32>item);
  store<u32>(flow + F_URGENCY_MASK, load<u32>(flow + F_URGENCY_MASK) | (1 << urgency));
}

export function removeFromUrgency(flow: usize, item: usize): void {
  const newer = <usize>load<u32>(item + I_NEWER);
  const older = <usize>load<u32>(item + I_OLDER);
  if (older !== 0) store<u32>(older + I_NEWER, <u32>newer);
  if (newer !== 0) {
    store<u32>(newer + I_OLDER, <u32>older);
    return;
  }
  const urgency = load<u32>(item + I_URGENCY);
  store<u32>(flow + F_NEWEST + ((<usize>urgency) << 2), <u32>older);
  if (older === 0) store<u32>(flow + F_URGENCY_MASK, load<u32>(flow + F_URGENCY_MASK) & ~(1 << urgency));
}

/** The newest item of the least urgent kind that waits, where that is less urgent than `urgency`; else 0. */
export function evictable(flow: usize, urgency: u32): usize {
  const mask = load<u32>(flow + F_URGENCY_MASK);
  if (mask === 0) return 0;
  const least: u32 = 31 - clz(mask);
  return least > urgency ? <usize>load<u32>(flow + F_NEWEST + ((<usize>least) << 2)) : 0;
}
