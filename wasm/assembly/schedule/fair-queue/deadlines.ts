// All items that have a deadline, the soonest first: a heap with four children per entry, each item knowing its own
// entry, so that any of them leaves in O(log n). Entry i's children are 4i + 1 … 4i + 4, side by side in one line.
// Equal deadlines leave in order of arrival, unless 2³¹ pushes lie between them: an entry has only 32 bits of the
// sequence number, compared as serial numbers are (RFC 1982).

import { D_ITEM, D_SEQUENCE, ENTRY_SHIFT, I_DEADLINE_ENTRY, I_DEADLINE_MS, I_SEQUENCE, Q_DEADLINE_COUNT, Q_DEADLINES } from "./layout";

/** The item of the soonest deadline, or 0. */
export function soonest(queue: usize): usize {
  if (load<u32>(queue + Q_DEADLINE_COUNT) === 0) return 0;
  return <usize>load<u32>(<usize>load<u32>(queue + Q_DEADLINES) + D_ITEM);
}

/** Whether a deadline has come. */
export function isAnyDue(queue: usize, nowMs: u64): bool {
  return load<u32>(queue + Q_DEADLINE_COUNT) !== 0 && load<u64>(<usize>load<u32>(queue + Q_DEADLINES)) <= nowMs;
}

export function addDeadline(queue: usize, item: usize): void {
  const count = load<u32>(queue + Q_DEADLINE_COUNT);
  store<u32>(queue + Q_DEADLINE_COUNT, count + 1);
  siftUp(<usize>load<u32>(queue + Q_DEADLINES), (<usize>count) << ENTRY_SHIFT, item);
}

export function removeDeadline(queue: usize, item: usize): void {
  const entry = <usize>load<u32>(item + I_DEADLINE_ENTRY);
  if (entry === 0) return;
  store<u32>(item + I_DEADLINE_ENTRY, 0);
  const first = <usize>load<u32>(queue + Q_DEADLINES);
  const count = load<u32>(queue + Q_DEADLINE_COUNT) - 1;
  store<u32>(queue + Q_DEADLINE_COUNT, count);
  const end = (<usize>count) << ENTRY_SHIFT;
  const last = <usize>load<u32>(first + end + D_ITEM);
  if (last === item) return;
  const hole = siftHole(first, entry - first, end);
  siftUp(first, hole, last);
}

// Without a branch: which of two deadlines is sooner is what a processor cannot guess.
function isSooner(deadlineMs: u64, sequence: u32, entry: usize): bool {
  const otherMs = load<u64>(entry);
  const isOlder = <i32>(<i32>(sequence - load<u32>(entry + D_SEQUENCE)) < 0);
  return (<i32>(deadlineMs < otherMs) | (<i32>(deadlineMs === otherMs) & isOlder)) !== 0;
}

function copyEntry(to: usize, from: usize): void {
  const item = <usize>load<u32>(from + D_ITEM);
  v128.store(to, v128.load(from));
  store<u32>(item + I_DEADLINE_ENTRY, <u32>to);
}

// Offsets of entries from the first one, in bytes: the parent of entry i is entry (i - 1) / 4.
function siftUp(first: usize, from: usize, item: usize): void {
  const deadlineMs = load<u64>(item + I_DEADLINE_MS);
  const sequence = <u32>load<u64>(item + I_SEQUENCE);
  let hole = from;
  while (hole !== 0) {
    const parent = (((hole >> ENTRY_SHIFT) - 1) >> 2) << ENTRY_SHIFT;
    if (!isSooner(deadlineMs, sequence, first + parent)) break;
    copyEntry(first + hole, first + parent);
    hole = parent;
  }
  const at = first + hole;
  store<u64>(at, deadlineMs);
  store<u32>(at + D_ITEM, <u32>item);
  store<u32>(at + D_SEQUENCE, sequence);
  store<u32>(item + I_DEADLINE_ENTRY, <u32>at);
}

// Moves children up into the hole for as long as they are sooner than the entry at `end`, which is to fill it.
function siftHole(first: usize, from: usize, end: usize): usize {
  const deadlineMs = load<u64>(first + end);
  const sequence = load<u32>(first + end + D_SEQUENCE);
  let hole = from;
  let eldest = firstChild(hole);
  while (eldest < end) {
    const childrenEnd = min(eldest + (4 << ENTRY_SHIFT), end);
    let best = eldest;
    for (let child = eldest + (1 << ENTRY_SHIFT); child < childrenEnd; child += 1 << ENTRY_SHIFT) {
      const entry = first + child;
      const mask = -(<usize>isSooner(load<u64>(entry), load<u32>(entry + D_SEQUENCE), first + best));
      best ^= (best ^ child) & mask;
    }
    if (isSooner(deadlineMs, sequence, first + best)) break;
    copyEntry(first + hole, first + best);
    hole = best;
    eldest = firstChild(hole);
  }
  return hole;
}

function firstChild(entry: usize): usize {
  return (entry << 2) + (1 << ENTRY_SHIFT);
}
