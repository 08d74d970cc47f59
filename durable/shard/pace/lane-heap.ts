import { BinaryHeap } from "#shared/binary-heap.ts";
import type { Lane } from "./lane.ts";

/** Fewer lanes are not looked through for those that were cleared. */
const SWEEP_COUNT_MIN = 64;

/** Lanes that wait, the lowest tag first. Those that were cleared are among them until they are first, or as many as the others. */
export class LaneHeap {
  readonly #lanes = new BinaryHeap<Lane>((a, b) => a.tag < b.tag);
  #sweepAt = SWEEP_COUNT_MIN;

  get length(): number {
    return this.#lanes.length;
  }

  /** Undefined: none waits. */
  get first(): Lane | undefined {
    for (let lane = this.#lanes.first; lane?.isEmpty === true; lane = this.#lanes.first) this.pop();
    return this.#lanes.first;
  }

  push(lane: Lane): void {
    if (this.#lanes.length >= this.#sweepAt) this.#sweep();
    lane.isQueued = true;
    this.#lanes.push(lane);
  }

  /** Takes the first out. */
  pop(): void {
    const out = this.#lanes.pop();
    if (out !== undefined) out.isQueued = false;
  }

  #sweep(): void {
    this.#lanes.filter((lane) => (lane.isQueued = !lane.isEmpty));
    this.#sweepAt = Math.max(SWEEP_COUNT_MIN, 2 * this.#lanes.length);
  }
}
