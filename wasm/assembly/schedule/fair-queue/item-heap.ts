// A flow's items in order of service: an addressable pairing heap that lives in the items' own links.
// Merge O(1); taking the root or any other item out O(log n) amortised, O(n) for a single call.
// Source: M. L. Fredman, R. Sedgewick, D. D. Sleator, R. E. Tarjan, "The pairing heap" (1986).

import { I_CHILD, I_DEADLINE_MS, I_PREVIOUS, I_RANK, I_SEQUENCE, I_SIBLING } from "./layout";

/** By rank, then by deadline, then by arrival: a total order, for sequence numbers differ. */
export function goesBefore(a: usize, b: usize): bool {
  const rankA = load<u64>(a + I_RANK);
  const rankB = load<u64>(b + I_RANK);
  const deadlineA = load<u64>(a + I_DEADLINE_MS);
  const deadlineB = load<u64>(b + I_DEADLINE_MS);
  const isOlder = <i32>(load<u64>(a + I_SEQUENCE) < load<u64>(b + I_SEQUENCE));
  const isSooner = <i32>(deadlineA < deadlineB) | (<i32>(deadlineA === deadlineB) & isOlder);
  return (<i32>(rankA < rankB) | (<i32>(rankA === rankB) & isSooner)) !== 0;
}

/** Two roots in, one root out. A root's own sibling and previous links mean nothing. */
export function mergeItems(a: usize, b: usize): usize {
  if (a === 0) return b;
  // No branch: nobody can guess which goes first, and V8 compiles `select` to one on x64.
  const swap = (a ^ b) & -(<usize>goesBefore(b, a));
  const parent = a ^ swap;
  const child = b ^ swap;
  const first = <usize>load<u32>(parent + I_CHILD);
  store<u32>(child + I_SIBLING, <u32>first);
  if (first !== 0) store<u32>(first + I_PREVIOUS, <u32>child);
  store<u32>(child + I_PREVIOUS, <u32>parent);
  store<u32>(parent + I_CHILD, <u32>child);
  return parent;
}

/** The root of what is left without `item`. */
export function removeFromItems(root: usize, item: usize): usize {
  const children = mergeChildren(<usize>load<u32>(item + I_CHILD));
  store<u32>(item + I_CHILD, 0);
  if (item === root) return children;
  const previous = <usize>load<u32>(item + I_PREVIOUS);
  const sibling = <usize>load<u32>(item + I_SIBLING);
  const link = <usize>load<u32>(previous + I_CHILD) === item ? I_CHILD : I_SIBLING;
  store<u32>(previous + link, <u32>sibling);
  if (sibling !== 0) store<u32>(sibling + I_PREVIOUS, <u32>previous);
  return children === 0 ? root : mergeItems(root, children);
}

// Two passes: pairs from left to right, kept as a stack in their sibling links, then merged from right to left.
function mergeChildren(first: usize): usize {
  let stack: usize = 0;
  let next = first;
  while (next !== 0) {
    const left = next;
    const right = <usize>load<u32>(left + I_SIBLING);
    next = right === 0 ? 0 : <usize>load<u32>(right + I_SIBLING);
    const pair = right === 0 ? left : mergeItems(left, right);
    store<u32>(pair + I_SIBLING, <u32>stack);
    stack = pair;
  }
  let root: usize = 0;
  while (stack !== 0) {
    const rest = <usize>load<u32>(stack + I_SIBLING);
    root = mergeItems(root, stack);
    stack = rest;
  }
  return root;
}
