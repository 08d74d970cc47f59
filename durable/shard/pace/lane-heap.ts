import type { Lane } from "./lane.ts";

/** Lanes that wait, the lowest tag first. One that was cleared may be among them until it is first. */
export class LaneHeap {
  readonly #lanes: Lane[] = [];

  /** Undefined: none waits. */
  get first(): Lane | undefined {
    for (let lane = this.#lanes[0]; lane?.isEmpty === true; lane = this.#lanes[0]) this.pop();
    return this.#lanes[0];
  }

  push(lane: Lane): void {
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
}
