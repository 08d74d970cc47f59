// How much is served, at most, before an item that is pushed now and goes last in its flow, if nothing else is pushed.
//
// With Q the cost that waits, L the largest cost ever pushed, w a flow's weight and φ a class's, the bound of
// fair-queue.ts gives for flow f of class c, over the interval until its own Q_f is served:
//   from the other flows of c:  min(Q_c - Q_f, (Q_f + L) × (Σw - w_f) / w_f + L × how many wait)
//   from each other class d:    min(Q_d, (cost from c + L) × φ_d / φ_c + L)
// raised by 2⁻¹⁵ for the rounding of inverse weights. O(classes).

import { flowOf } from "./flows";
import { C_HEAP_COUNT, C_QUEUED_COST, C_WAITING_WEIGHT, C_WEIGHT, CLASS_BYTES, F_CLASS, F_LENGTH, F_QUEUED_COST } from "./layout";
import { F_HEAP_SLOT, F_WEIGHT, HELD, Q_CLASS_MASK, Q_CLASSES, Q_COST_LARGEST } from "./layout";
import { REFUSED_FLOW } from "./refusal";

const ROUNDING: f64 = 1 + 1 / 32768;

export function fairQueueCostAhead(base: usize, flowIndex: u32): f64 {
  const flow = flowOf(base, flowIndex);
  if (flow === 0) return REFUSED_FLOW;
  const classAt = <usize>load<u32>(flow + F_CLASS);
  const largest = <f64>load<u32>(base + Q_COST_LARGEST);
  const ofClass = costInClass(classAt, flow, largest);
  const perWeight = (ofClass + largest) / <f64>load<u32>(classAt + C_WEIGHT);
  const classes = <usize>load<u32>(base + Q_CLASSES);
  let sum = ofClass;
  for (let mask = load<u32>(base + Q_CLASS_MASK); mask !== 0; mask &= mask - 1) {
    const other = classes + <usize>ctz(mask) * CLASS_BYTES;
    if (other === classAt) continue;
    const share = (perWeight * <f64>load<u32>(other + C_WEIGHT) + largest) * ROUNDING;
    sum += min(<f64>load<u64>(other + C_QUEUED_COST), share);
  }
  return sum;
}

function costInClass(classAt: usize, flow: usize, largest: f64): f64 {
  const own = <f64>load<u64>(flow + F_QUEUED_COST);
  const weight = load<u32>(flow + F_WEIGHT);
  const waits: u32 = load<u32>(flow + F_LENGTH) === 0 || load<u32>(flow + F_HEAP_SLOT) === HELD ? 0 : 1;
  const otherWeight = <f64>(load<u64>(classAt + C_WAITING_WEIGHT) - <u64>(waits * weight));
  const otherCount = <f64>(load<u32>(classAt + C_HEAP_COUNT) - waits);
  const share = (((own + largest) * otherWeight) / <f64>weight + largest * otherCount) * ROUNDING;
  return own + min(<f64>load<u64>(classAt + C_QUEUED_COST) - own, share);
}
