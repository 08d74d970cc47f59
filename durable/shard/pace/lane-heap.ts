import type { Lane } from "./lane.ts";

/** Fewer lanes are not looked through for those that were cleared. */
const SWEEP_COUNT_MIN = 64;

/** Lanes that wait, the lowest tag first. Those that were cleared are among them until they are first, or as many as the others. */
export class LaneHeap {
  #lanes: Lane[] = [];
  #sweepAt = SWEEP_COUNT_MIN;

  get length(): number {
    return this.#lanes.length;
  }

  /** Undefined: none waits. */
  get first(): Lane | undefined {
    for (let lane = this.#lanes[0]; lane?.isEmpty === true; lane = this.#lanes[0]) this.pop();
    return this.#lanes[0];
  }

  push(lane: Lane): void {
    if (this.#lanes.length >= this.#sweepAt) this.#sweep();
    this.#insert(lane);
  }

  /** Takes the first out. */
  pop(): void {
    const lanes = this.#lanes;
    const [out, last] = [lanes[0], lanes.pop()];
    if (out !== undefined) out.isQueued = false;
    if (last === undefined || last === out) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      const [left, right] = [lanes[child], lanes[child + 1]];
      if (left === undefined) break;
      if (right !== undefined && right.tag < left.tag) child += 1;
      const lower = lanes[child];
      if (lower === undefined || lower.tag >= last.tag) break;
      lanes[at] = lower;
      at = child;
    }
    lanes[at] = last;
  }

  #sweep(): void {
    const lanes = this.#lanes;
    this.#lanes = [];
    for (const lane of lanes) {
      if (lane.isEmpty) lane.isQueued = false;
      else this.#insert(lane);
    }
    this.#sweepAt = Math.max(SWEEP_COUNT_MIN, 2 * this.#lanes.length);
  }

  #insert(lane: Lane): void {
    lane.isQueued = true;
    const lanes = this.#lanes;
    let at = lanes.length;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = lanes[above];
      if (parent === undefined || parent.tag <= lane.tag) break;
      lanes[at] = parent;
      at = above;
    }
    lanes[at] = lane;
  }
}
