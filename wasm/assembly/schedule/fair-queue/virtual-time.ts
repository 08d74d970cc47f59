// Start-time fair queueing, once over the classes and once over the flows of each class. Tags are in 2⁻³² of a cost
// unit per unit of weight; a node's inverse is ⌊2³² / weight⌋, so that an item is charged with one multiplication.
//
// Overflow. An item is charged at most 2²⁸ × 2³² = 2⁶⁰. A waiting node's start tag is at most one charge beyond the
// virtual time, its finish tag at most two. Once the virtual time is past 2⁶² it is taken from every tag of that
// level, which changes no difference between waiting nodes; a finish tag that lies behind becomes 0, which
// max(virtual time, finish) cannot tell apart. So tags stay below 2⁶² + 2⁶¹ + 2⁶⁰ < 2⁶³, for ever.

import { addFlow, removeFlow, requeueFirst } from "./flow-heap";
import {
  C_FINISH,
  C_FINISH_LATEST,
  C_HEAP_COUNT,
  C_INDEX,
  C_INVERSE,
  C_LENGTH,
  C_START,
  C_VIRTUAL,
  C_WAITING_WEIGHT,
  CLASS_BYTES,
  F_CLASS,
  F_FINISH,
  F_HEAP_SLOT,
  F_INVERSE,
  F_LENGTH,
  F_START,
  F_WEIGHT,
  FLOW_BYTES,
  HELD,
  Q_CLASS_CAPACITY,
  Q_CLASS_MASK,
  Q_CLASSES,
  Q_FINISH_LATEST,
  Q_FLOW_CAPACITY,
  Q_FLOWS,
  Q_LENGTH,
  Q_VIRTUAL,
} from "./layout";

const REBASE_AT: u64 = 1 << 62;

/** The class to serve: of the smallest (start tag, index) among those in which an item waits. One does. */
export function firstClass(queue: usize): usize {
  const classes = <usize>load<u32>(queue + Q_CLASSES);
  let mask = load<u32>(queue + Q_CLASS_MASK);
  let best: usize = 0;
  let bestStart = u64.MAX_VALUE;
  for (; mask !== 0; mask &= mask - 1) {
    const classAt = classes + <usize>ctz(mask) * CLASS_BYTES;
    const start = load<u64>(classAt + C_START);
    if (start < bestStart) {
      best = classAt;
      bestStart = start;
    }
  }
  return best;
}

/** The flow got its first item: it begins where the virtual time is, or where its last charge ended. */
export function wakeFlow(queue: usize, classAt: usize, flow: usize): void {
  store<u64>(flow + F_START, max(load<u64>(classAt + C_VIRTUAL), load<u64>(flow + F_FINISH)));
  store<u64>(classAt + C_WAITING_WEIGHT, load<u64>(classAt + C_WAITING_WEIGHT) + load<u32>(flow + F_WEIGHT));
  addFlow(classAt, flow);
  const bit: u32 = 1 << load<u32>(classAt + C_INDEX);
  const mask = load<u32>(queue + Q_CLASS_MASK);
  if ((mask & bit) !== 0) return;
  store<u32>(queue + Q_CLASS_MASK, mask | bit);
  store<u64>(classAt + C_START, max(load<u64>(queue + Q_VIRTUAL), load<u64>(classAt + C_FINISH)));
}

/** The flow no longer competes; a class none of whose flows does, neither. */
export function sleepFlow(queue: usize, classAt: usize, flow: usize): void {
  removeFlow(classAt, flow);
  store<u64>(classAt + C_WAITING_WEIGHT, load<u64>(classAt + C_WAITING_WEIGHT) - load<u32>(flow + F_WEIGHT));
  if (load<u32>(classAt + C_HEAP_COUNT) !== 0) return;
  const bit: u32 = 1 << load<u32>(classAt + C_INDEX);
  store<u32>(queue + Q_CLASS_MASK, load<u32>(queue + Q_CLASS_MASK) & ~bit);
}

/** Charges the first flow of the first class for an item that was served. */
export function charge(queue: usize, classAt: usize, flow: usize, cost: u32): void {
  const classStart = load<u64>(classAt + C_START);
  const classFinish = classStart + <u64>cost * load<u64>(classAt + C_INVERSE);
  store<u64>(queue + Q_VIRTUAL, classStart);
  store<u64>(queue + Q_FINISH_LATEST, max(load<u64>(queue + Q_FINISH_LATEST), classFinish));
  store<u64>(classAt + C_FINISH, classFinish);
  store<u64>(classAt + C_START, classFinish);
  const flowStart = load<u64>(flow + F_START);
  const flowFinish = flowStart + <u64>cost * load<u64>(flow + F_INVERSE);
  store<u64>(classAt + C_VIRTUAL, flowStart);
  store<u64>(classAt + C_FINISH_LATEST, max(load<u64>(classAt + C_FINISH_LATEST), flowFinish));
  store<u64>(flow + F_FINISH, flowFinish);
  store<u64>(flow + F_START, flowFinish);
  requeueFirst(classAt, flow);
  if (flowStart > REBASE_AT) rebaseFlows(queue, classAt);
  if (classStart > REBASE_AT) rebaseClasses(queue);
}

/** After an item left: what became empty stops competing, and whoever is all alone again owes nothing. */
export function rest(queue: usize, classAt: usize, flow: usize): void {
  if (load<u32>(flow + F_LENGTH) !== 0) return;
  if (load<u32>(flow + F_HEAP_SLOT) !== HELD) sleepFlow(queue, classAt, flow);
  if (load<u32>(classAt + C_LENGTH) !== 0) return;
  store<u64>(classAt + C_VIRTUAL, load<u64>(classAt + C_FINISH_LATEST));
  if (load<u32>(queue + Q_LENGTH) === 0) store<u64>(queue + Q_VIRTUAL, load<u64>(queue + Q_FINISH_LATEST));
}

function rebaseFlows(queue: usize, classAt: usize): void {
  const by = load<u64>(classAt + C_VIRTUAL);
  lower(classAt + C_VIRTUAL, by);
  lower(classAt + C_FINISH_LATEST, by);
  let flow = <usize>load<u32>(queue + Q_FLOWS);
  const end = flow + <usize>load<u32>(queue + Q_FLOW_CAPACITY) * FLOW_BYTES;
  for (; flow < end; flow += FLOW_BYTES) {
    if (<usize>load<u32>(flow + F_CLASS) !== classAt) continue;
    lower(flow + F_START, by);
    lower(flow + F_FINISH, by);
  }
}

function rebaseClasses(queue: usize): void {
  const by = load<u64>(queue + Q_VIRTUAL);
  lower(queue + Q_VIRTUAL, by);
  lower(queue + Q_FINISH_LATEST, by);
  let classAt = <usize>load<u32>(queue + Q_CLASSES);
  const end = classAt + <usize>load<u32>(queue + Q_CLASS_CAPACITY) * CLASS_BYTES;
  for (; classAt < end; classAt += CLASS_BYTES) {
    lower(classAt + C_START, by);
    lower(classAt + C_FINISH, by);
  }
}

function lower(at: usize, by: u64): void {
  const tag = load<u64>(at);
  store<u64>(at, tag > by ? tag - by : 0);
}
