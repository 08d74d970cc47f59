// A fair queue: which item goes next, of many tenants' in several classes.
//
// Memory picture, at a 16-aligned base (`fairQueueBytes` has the sum; layout.ts has every field):
//   queue 624 · deadlines 16 × items · items 64 × items · flows 96 × flows · classes 80 × classes ·
//   heaps of flows 4 × classes × flows
// An item is one cache line. Links are addresses: a queue cannot be moved to another base.
//
// Order. The class of the smallest start tag, its flow of the smallest start tag, and of that flow's items the first
// by (rank, deadline, arrival), where rank = ⌊arrivalMs / ageStepMs⌋ + urgency and urgency is 0 (first) to 7.
//
// Mathematics. Start-time fair queueing on both levels (P. Goyal, H. M. Vin, H. Cheng, "Start-time fair queueing",
// SIGCOMM 1996): a node that begins to wait starts at S = max(v, F), v the start tag last served on its level and F
// its own last finish tag; serving cost c at weight w sets F = S + c / w and, where it still waits, S = F. Hence for
// two nodes f, m of one level that both wait, over any interval,
//   |W_f / w_f - W_m / w_m| ≤ c_f / w_f + c_m / w_m      (W: cost served; c: the largest single cost).
// What is idle saves no credit and pays for nothing but its last item. Weights are met to 65,535 / 2³² (the inverse is rounded down).
//
// Ageing. An item y goes before x of the same flow only if rank_y ≤ rank_x, so only if it arrived less than
// (urgency_x - urgency_y + 1) × ageStepMs after x. After (urgency_x + 1) × ageStepMs nothing that is still to come
// passes x within its flow; before x stand at most lengthMax - 1 items, and they leave at the flow's guaranteed share.
//
// Promise. Push, pop, removal and expiry are O(log n), amortised over the heap of items (runs.ts), in the worst case
// over those of flows and deadlines. A full flow gives up the newest of its least urgent items for a more urgent one;
// otherwise it refuses, and so does a full queue. Nothing whose deadline has come is served: `fairQueuePop` refuses
// until it is expired. Removal, eviction and expiry charge nobody. Any argument but a wrong base gets an answer, never a trap.

import { addDeadline, isAnyDue, removeDeadline, soonest } from "./deadlines";
import { firstFlow } from "./flow-heap";
import { classOf, flowOf, linkFreeFlows } from "./flows";
import { freeItem, handleOf, itemOf, linkFreeItems, takeItem } from "./items";
import { CLASS_BYTES, CLASS_CAPACITY_MAX, COST_MAX, C_HEAP, C_INDEX, C_LENGTH, C_QUEUED_COST } from "./layout";
import {
  EXPIRED_COUNT_MAX,
  FLOW_CAPACITY_MAX,
  F_CLASS,
  F_HEAP_SLOT,
  F_INDEX,
  F_LENGTH,
  F_LENGTH_MAX,
  F_QUEUED_COST,
  F_ROOT,
} from "./layout";
import { ITEM_CAPACITY_MAX, I_COST, I_DEADLINE_ENTRY, I_DEADLINE_MS, I_FLOW, I_RANK, I_SEQUENCE } from "./layout";
import { I_URGENCY, Q_AGE_STEP_MS, Q_CLASSES, Q_CLASS_CAPACITY, Q_COST_LARGEST, Q_DEADLINES, Q_FLOWS } from "./layout";
import { Q_FLOW_CAPACITY, Q_ITEMS, Q_ITEM_CAPACITY, Q_LENGTH, Q_OUT_COST, Q_OUT_DEADLINE_MS, Q_OUT_EVICTED } from "./layout";
import { Q_OUT_EXPIRED, Q_OUT_FLOW, Q_OUT_URGENCY, Q_SEQUENCE, TIME_MS_MAX, URGENCY_COUNT, classesAt } from "./layout";
import { deadlinesAt, flowsAt, HELD, itemsAt, Q_CLASS_MASK, queueBytes } from "./layout";
import { REFUSED_ARGUMENT, REFUSED_EXPIRED, REFUSED_FLOW, REFUSED_FLOW_FULL, REFUSED_FULL, REFUSED_NONE } from "./refusal";
import { enterRun, evictable, leaveRun } from "./runs";
import { charge, firstClass, rest, wakeFlow } from "./virtual-time";

const NO_DEADLINE: u64 = u64.MAX_VALUE;

/** Bytes of a queue, or 0 where a capacity is out of range: items ≤ 2²⁰, flows ≤ 2¹⁴, classes ≤ 16, each ≥ 1. */
export function fairQueueBytes(itemCapacity: u32, flowCapacity: u32, classCapacity: u32): u32 {
  if (itemCapacity === 0 || itemCapacity > ITEM_CAPACITY_MAX) return 0;
  if (flowCapacity === 0 || flowCapacity > FLOW_CAPACITY_MAX) return 0;
  if (classCapacity === 0 || classCapacity > CLASS_CAPACITY_MAX) return 0;
  return <u32>queueBytes(itemCapacity, flowCapacity, classCapacity);
}

/** Makes an empty queue in zeroed memory. */
export function fairQueueInit(base: usize, itemCapacity: u32, flowCapacity: u32, classCapacity: u32, ageStepMs: f64): i32 {
  assert((base & 15) === 0);
  if (fairQueueBytes(itemCapacity, flowCapacity, classCapacity) === 0) return REFUSED_ARGUMENT;
  if (!isTime(ageStepMs) || ageStepMs === 0) return REFUSED_ARGUMENT;
  const items = itemsAt(base, itemCapacity);
  const flows = flowsAt(base, itemCapacity);
  const classes = classesAt(base, itemCapacity, flowCapacity);
  store<u32>(base + Q_ITEM_CAPACITY, itemCapacity);
  store<u32>(base + Q_FLOW_CAPACITY, flowCapacity);
  store<u32>(base + Q_CLASS_CAPACITY, classCapacity);
  store<u64>(base + Q_AGE_STEP_MS, <u64>ageStepMs);
  store<u32>(base + Q_DEADLINES, <u32>deadlinesAt(base));
  store<u32>(base + Q_ITEMS, <u32>items);
  store<u32>(base + Q_FLOWS, <u32>flows);
  store<u32>(base + Q_CLASSES, <u32>classes);
  store<f64>(base + Q_OUT_EVICTED, REFUSED_NONE);
  linkFreeItems(base, items, itemCapacity);
  linkFreeFlows(base, flows, flowCapacity);
  const heaps = classes + <usize>classCapacity * CLASS_BYTES;
  for (let index: u32 = 0; index < classCapacity; index++) {
    const classAt = classes + <usize>index * CLASS_BYTES;
    store<u32>(classAt + C_INDEX, index);
    store<u32>(classAt + C_HEAP, <u32>(heaps + ((<usize>(index * flowCapacity)) << 2)));
  }
  return 0;
}

/** The new item's handle, or a refusal. Whom it displaced is at Q_OUT_EVICTED: a handle, or -1. */
export function fairQueuePush(base: usize, flowIndex: u32, urgency: u32, cost: u32, arrivalMs: f64, deadlineMs: f64): f64 {
  store<f64>(base + Q_OUT_EVICTED, REFUSED_NONE);
  const flow = flowOf(base, flowIndex);
  if (flow === 0) return REFUSED_FLOW;
  if (urgency >= URGENCY_COUNT || cost === 0 || cost > COST_MAX || !isTime(arrivalMs)) return REFUSED_ARGUMENT;
  if (deadlineMs !== Infinity && !isTime(deadlineMs)) return REFUSED_ARGUMENT;
  const length = load<u32>(flow + F_LENGTH);
  if (length >= load<u32>(flow + F_LENGTH_MAX)) {
    const victim = evictable(flow, urgency);
    if (victim === 0) return REFUSED_FLOW_FULL;
    const handle = handleOf(base, victim);
    detach(base, flow, victim);
    store<f64>(base + Q_OUT_EVICTED, handle);
  } else if (load<u32>(base + Q_LENGTH) === load<u32>(base + Q_ITEM_CAPACITY)) return REFUSED_FULL;
  const item = takeItem(base);
  const sequence = load<u64>(base + Q_SEQUENCE);
  store<u64>(base + Q_SEQUENCE, sequence + 1);
  store<u64>(item + I_SEQUENCE, sequence);
  store<u64>(item + I_RANK, <u64>arrivalMs / load<u64>(base + Q_AGE_STEP_MS) + urgency);
  store<u64>(item + I_DEADLINE_MS, deadlineMs === Infinity ? NO_DEADLINE : <u64>deadlineMs);
  store<u32>(item + I_COST, cost);
  store<u8>(item + I_URGENCY, urgency);
  store<u32>(base + Q_COST_LARGEST, max(load<u32>(base + Q_COST_LARGEST), cost));
  attach(base, flow, item);
  // A flow whose only item was displaced keeps its place: it never stopped waiting.
  if (length === 0 && load<u32>(flow + F_HEAP_SLOT) !== HELD) wakeFlow(base, <usize>load<u32>(flow + F_CLASS), flow);
  return handleOf(base, item);
}

/** The handle of the item that goes next, or a refusal: none, or one has expired, or no time. What it was is at Q_OUT. */
export function fairQueuePop(base: usize, nowMs: f64): f64 {
  if (!isTime(nowMs)) return REFUSED_ARGUMENT;
  if (load<u32>(base + Q_LENGTH) === 0) return REFUSED_NONE;
  if (isAnyDue(base, <u64>nowMs)) return REFUSED_EXPIRED;
  if (load<u32>(base + Q_CLASS_MASK) === 0) return REFUSED_NONE;
  const classAt = firstClass(base);
  const flow = firstFlow(classAt);
  const item = <usize>load<u32>(flow + F_ROOT);
  const handle = handleOf(base, item);
  const cost = load<u32>(item + I_COST);
  detach(base, flow, item);
  charge(base, classAt, flow, cost);
  rest(base, classAt, flow);
  return handle;
}

/** The handle of the item that would go next if no deadline came, or -1. */
export function fairQueuePeek(base: usize): f64 {
  if (load<u32>(base + Q_CLASS_MASK) === 0) return REFUSED_NONE;
  return handleOf(base, <usize>load<u32>(firstFlow(firstClass(base)) + F_ROOT));
}

/** Takes an item out wherever it waits: 0, or -1 where the handle names none. */
export function fairQueueRemove(base: usize, handle: f64): i32 {
  const item = itemOf(base, handle);
  if (item === 0) return REFUSED_NONE;
  const flow = <usize>load<u32>(item + I_FLOW);
  detach(base, flow, item);
  rest(base, <usize>load<u32>(flow + F_CLASS), flow);
  return 0;
}

/** Takes out items whose deadline is `nowMs` or before, soonest first: how many, their handles at Q_OUT_EXPIRED. */
export function fairQueueExpire(base: usize, nowMs: f64, countMax: u32): i32 {
  if (!isTime(nowMs)) return REFUSED_ARGUMENT;
  const end = min(countMax, EXPIRED_COUNT_MAX);
  let count: u32 = 0;
  for (; count < end && isAnyDue(base, <u64>nowMs); count++) {
    const item = soonest(base);
    store<f64>(base + Q_OUT_EXPIRED + ((<usize>count) << 3), handleOf(base, item));
    const flow = <usize>load<u32>(item + I_FLOW);
    detach(base, flow, item);
    rest(base, <usize>load<u32>(flow + F_CLASS), flow);
  }
  return <i32>count;
}

export function fairQueueLength(base: usize): i32 {
  return <i32>load<u32>(base + Q_LENGTH);
}

export function fairQueueFlowLength(base: usize, flowIndex: u32): i32 {
  const flow = flowOf(base, flowIndex);
  return flow === 0 ? REFUSED_FLOW : <i32>load<u32>(flow + F_LENGTH);
}

export function fairQueueClassLength(base: usize, classIndex: u32): i32 {
  const classAt = classOf(base, classIndex);
  return classAt === 0 ? REFUSED_ARGUMENT : <i32>load<u32>(classAt + C_LENGTH);
}

// An item of the queue is entered in, or struck from, everything but the order of flows.
function attach(queue: usize, flow: usize, item: usize): void {
  const classAt = <usize>load<u32>(flow + F_CLASS);
  const cost = load<u32>(item + I_COST);
  store<u32>(item + I_FLOW, <u32>flow);
  enterRun(flow, item, load<u8>(item + I_URGENCY));
  if (load<u64>(item + I_DEADLINE_MS) !== NO_DEADLINE) addDeadline(queue, item);
  else store<u32>(item + I_DEADLINE_ENTRY, 0);
  add(queue, classAt, flow, 1);
  store<u64>(flow + F_QUEUED_COST, load<u64>(flow + F_QUEUED_COST) + cost);
  store<u64>(classAt + C_QUEUED_COST, load<u64>(classAt + C_QUEUED_COST) + cost);
}

function detach(queue: usize, flow: usize, item: usize): void {
  const classAt = <usize>load<u32>(flow + F_CLASS);
  const cost = load<u32>(item + I_COST);
  const deadlineMs = load<u64>(item + I_DEADLINE_MS);
  store<u32>(queue + Q_OUT_FLOW, load<u32>(flow + F_INDEX));
  store<u32>(queue + Q_OUT_URGENCY, load<u8>(item + I_URGENCY));
  store<u32>(queue + Q_OUT_COST, cost);
  store<f64>(queue + Q_OUT_DEADLINE_MS, deadlineMs === NO_DEADLINE ? Infinity : <f64>deadlineMs);
  leaveRun(flow, item);
  removeDeadline(queue, item);
  add(queue, classAt, flow, -1);
  store<u64>(flow + F_QUEUED_COST, load<u64>(flow + F_QUEUED_COST) - cost);
  store<u64>(classAt + C_QUEUED_COST, load<u64>(classAt + C_QUEUED_COST) - cost);
  freeItem(queue, item);
}

function add(queue: usize, classAt: usize, flow: usize, count: i32): void {
  store<i32>(queue + Q_LENGTH, load<i32>(queue + Q_LENGTH) + count);
  store<i32>(classAt + C_LENGTH, load<i32>(classAt + C_LENGTH) + count);
  store<i32>(flow + F_LENGTH, load<i32>(flow + F_LENGTH) + count);
}

function isTime(timeMs: f64): bool {
  return timeMs >= 0 && timeMs <= TIME_MS_MAX && floor(timeMs) === timeMs;
}
