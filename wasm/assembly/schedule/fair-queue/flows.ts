// Classes and flows: weights, opening and closing. Answers are 0 or an index; below 0 they are refusals (refusal.ts).

import { C_INVERSE, C_VIRTUAL, C_WAITING_WEIGHT, C_WEIGHT, CLASS_BYTES, F_CLASS, F_FINISH, F_INDEX } from "./layout";
import { F_HEAP_SLOT, F_INVERSE, F_LENGTH, F_LENGTH_MAX, F_ROOT, F_START, F_WEIGHT, FLOW_BYTES } from "./layout";
import { HELD, Q_CLASS_CAPACITY, Q_CLASSES, Q_FLOW_CAPACITY, Q_FLOWS, Q_FREE_FLOW, Q_ITEM_CAPACITY, WEIGHT_MAX } from "./layout";
import { REFUSED_ARGUMENT, REFUSED_BUSY, REFUSED_FLOW, REFUSED_FULL } from "./refusal";
import { sleepFlow, wakeFlow } from "./virtual-time";

/** Links every place into the free list, lowest index first. */
export function linkFreeFlows(queue: usize, flows: usize, capacity: u32): void {
  let next: usize = 0;
  for (let index = capacity; index > 0; index--) {
    const flow = flows + <usize>(index - 1) * FLOW_BYTES;
    store<u32>(flow + F_INDEX, index - 1);
    store<u32>(flow + F_ROOT, <u32>next);
    next = flow;
  }
  store<u32>(queue + Q_FREE_FLOW, <u32>next);
}

/** The open flow of this index, or 0. */
export function flowOf(queue: usize, flowIndex: u32): usize {
  if (flowIndex >= load<u32>(queue + Q_FLOW_CAPACITY)) return 0;
  const flow = <usize>load<u32>(queue + Q_FLOWS) + <usize>flowIndex * FLOW_BYTES;
  return load<u32>(flow + F_CLASS) === 0 ? 0 : flow;
}

/** The class of this index, weighted or not, or 0. */
export function classOf(queue: usize, classIndex: u32): usize {
  if (classIndex >= load<u32>(queue + Q_CLASS_CAPACITY)) return 0;
  return <usize>load<u32>(queue + Q_CLASSES) + <usize>classIndex * CLASS_BYTES;
}

/** Gives a class its weight; the next item charged to it is charged at that. */
export function fairQueueSetClass(queue: usize, classIndex: u32, weight: u32): i32 {
  const classAt = classOf(queue, classIndex);
  if (classAt === 0 || weight === 0 || weight > WEIGHT_MAX) return REFUSED_ARGUMENT;
  store<u32>(classAt + C_WEIGHT, weight);
  store<u64>(classAt + C_INVERSE, inverseOf(weight));
  return 0;
}

/** Index of a new flow of a class that has a weight, at most `lengthMax` items long. */
export function fairQueueOpenFlow(queue: usize, classIndex: u32, weight: u32, lengthMax: u32): i32 {
  const classAt = classOf(queue, classIndex);
  if (classAt === 0 || load<u32>(classAt + C_WEIGHT) === 0 || weight === 0 || weight > WEIGHT_MAX) return REFUSED_ARGUMENT;
  if (lengthMax === 0 || lengthMax > load<u32>(queue + Q_ITEM_CAPACITY)) return REFUSED_ARGUMENT;
  const flow = <usize>load<u32>(queue + Q_FREE_FLOW);
  if (flow === 0) return REFUSED_FULL;
  store<u32>(queue + Q_FREE_FLOW, load<u32>(flow + F_ROOT));
  store<u32>(flow + F_ROOT, 0);
  store<u32>(flow + F_CLASS, <u32>classAt);
  store<u32>(flow + F_WEIGHT, weight);
  store<u64>(flow + F_INVERSE, inverseOf(weight));
  store<u64>(flow + F_START, 0);
  store<u32>(flow + F_HEAP_SLOT, 0);
  // Neither credit nor debt: as a flow that was always there and never sent.
  store<u64>(flow + F_FINISH, load<u64>(classAt + C_VIRTUAL));
  store<u32>(flow + F_LENGTH_MAX, lengthMax);
  return <i32>load<u32>(flow + F_INDEX);
}

/** The next item charged to the flow is charged at the new weight. */
export function fairQueueSetFlowWeight(queue: usize, flowIndex: u32, weight: u32): i32 {
  const flow = flowOf(queue, flowIndex);
  if (flow === 0) return REFUSED_FLOW;
  if (weight === 0 || weight > WEIGHT_MAX) return REFUSED_ARGUMENT;
  if (load<u32>(flow + F_LENGTH) !== 0 && load<u32>(flow + F_HEAP_SLOT) !== HELD) {
    const waiting = <usize>load<u32>(flow + F_CLASS) + C_WAITING_WEIGHT;
    store<u64>(waiting, load<u64>(waiting) - load<u32>(flow + F_WEIGHT) + weight);
  }
  store<u32>(flow + F_WEIGHT, weight);
  store<u64>(flow + F_INVERSE, inverseOf(weight));
  return 0;
}

/** Holds a flow back, or lets it compete again: while it is held its items wait, expire and leave, and are not served. It
 * saves no credit meanwhile, as if nothing waited in it. */
export function fairQueueHold(queue: usize, flowIndex: u32, isHeld: u32): i32 {
  const flow = flowOf(queue, flowIndex);
  if (flow === 0) return REFUSED_FLOW;
  if ((load<u32>(flow + F_HEAP_SLOT) === HELD) === (isHeld !== 0)) return 0;
  const classAt = <usize>load<u32>(flow + F_CLASS);
  const waits = load<u32>(flow + F_LENGTH) !== 0;
  if (isHeld !== 0) {
    if (waits) sleepFlow(queue, classAt, flow);
    store<u32>(flow + F_HEAP_SLOT, HELD);
  } else {
    store<u32>(flow + F_HEAP_SLOT, 0);
    if (waits) wakeFlow(queue, classAt, flow);
  }
  return 0;
}

/** Gives an empty flow's place back, once it owes nothing: opening a flow again must not be cheaper than waiting. */
export function fairQueueCloseFlow(queue: usize, flowIndex: u32): i32 {
  const flow = flowOf(queue, flowIndex);
  if (flow === 0) return REFUSED_FLOW;
  const virtual = load<u64>(<usize>load<u32>(flow + F_CLASS) + C_VIRTUAL);
  if (load<u32>(flow + F_LENGTH) !== 0 || load<u64>(flow + F_FINISH) > virtual) return REFUSED_BUSY;
  store<u32>(flow + F_CLASS, 0);
  store<u32>(flow + F_ROOT, load<u32>(queue + Q_FREE_FLOW));
  store<u32>(queue + Q_FREE_FLOW, <u32>flow);
  return 0;
}

function inverseOf(weight: u32): u64 {
  return ((<u64>1) << 32) / weight;
}
