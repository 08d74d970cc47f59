// The shadows are counters; here they are held against a fleet that is really simulated.
import { expect, it } from "vitest";
import { Random } from "#cli/load/random.ts";
import { runScaler } from "#cli/simulate/account.ts";
import type { Fleet } from "#cli/simulate/fleet.ts";
import { newPlannerState } from "#durable/pool/plan/planner-state.ts";
import { newLevels, RUNG_COUNT } from "#durable/pool/plan/rungs.ts";
import { PLAN_STEP_MS } from "#durable/pool/plan/settings.ts";
import { accountShadows, moveShadows, pushShadows, recountShadows } from "#durable/pool/plan/shadows.ts";

const PLAN_TICKS = 5;
const PLAN_COUNT = 1_500;

/** Load and, per plan and rung, levels that wander. */
function scenario(seed: number): { load: Float32Array; ups: Int32Array; downs: Int32Array } {
  const random = new Random(seed);
  const load = new Float32Array(PLAN_COUNT * PLAN_TICKS);
  let level = 10;
  for (let tick = 0; tick < load.length; tick++) {
    level = Math.max(0, level + random.normal() * 0.3);
    load[tick] = level;
  }
  const ups = new Int32Array(PLAN_COUNT * RUNG_COUNT);
  const downs = new Int32Array(PLAN_COUNT * RUNG_COUNT);
  for (let index = 0; index < ups.length; index++) {
    const around = load[Math.floor(index / RUNG_COUNT) * PLAN_TICKS] ?? 0;
    ups[index] = Math.max(1, Math.round(around + 2 * random.normal()));
    downs[index] = (ups[index] ?? 0) + random.below(3);
  }
  return { load, ups, downs };
}

it.for([0, 10_000, 60_000, 300_000, 900_000])("replays cost and shortfall as a fleet has them (start-up %i ms)", (startMs) => {
  const { load, ups, downs } = scenario(startMs + 1);
  const state = newPlannerState(startMs);
  const levels = newLevels();
  for (let at = 1; at < PLAN_COUNT; at++) {
    accountShadows(state, { samples: [...load.subarray((at - 1) * PLAN_TICKS, at * PLAN_TICKS)], seconds: 10 });
    levels.up.set(ups.subarray(at * RUNG_COUNT, (at + 1) * RUNG_COUNT));
    levels.down.set(downs.subarray(at * RUNG_COUNT, (at + 1) * RUNG_COUNT));
    moveShadows(state, levels, { seconds: 10, drainSeconds: 0 });
    pushShadows(state, startMs);
  }
  for (const rung of [0, 7, RUNG_COUNT - 1]) {
    const decide = (tick: number, { count }: Fleet): number => {
      const at = tick / PLAN_TICKS;
      if (!Number.isInteger(at) || at === 0) return count;
      return Math.min(downs[at * RUNG_COUNT + rung] ?? 0, Math.max(ups[at * RUNG_COUNT + rung] ?? 0, count));
    };
    const window = { fromTick: 0, toTick: (PLAN_COUNT - 1) * PLAN_TICKS };
    const account = runScaler(load, { decide }, { delayTicks: startMs / 2_000, window });
    expect(state.hourCost[rung]).toBeCloseTo(account.billed * 2, 6);
    expect(state.hourShortfall[rung]).toBeCloseTo(account.shortfall * 2, 2);
  }
});

it("counts a very long start-up in coarser steps, never too kindly", () => {
  const startMs = 3_600_000;
  const { load, ups, downs } = scenario(5);
  const state = newPlannerState(startMs);
  const levels = newLevels();
  const counts: number[] = [1];
  for (let at = 1; at < PLAN_COUNT; at++) {
    levels.up.set(ups.subarray(at * RUNG_COUNT, (at + 1) * RUNG_COUNT));
    levels.down.set(downs.subarray(at * RUNG_COUNT, (at + 1) * RUNG_COUNT));
    moveShadows(state, levels, { seconds: 10, drainSeconds: 0 });
    pushShadows(state, startMs);
    counts.push(state.count[3] ?? 0);
    const exact = Math.min(...counts.slice(-startMs / PLAN_STEP_MS));
    expect(state.ready[3]).toBeLessThanOrEqual(exact);
    expect(state.ready[3]).toBeGreaterThanOrEqual(Math.min(...counts.slice(-startMs / PLAN_STEP_MS - 8)));
  }
  recountShadows(state, 0);
  expect(state.ready[3]).toBeLessThanOrEqual(state.count[3] ?? 0);
  expect(load.length).toBe(PLAN_COUNT * PLAN_TICKS);
});

it("prices a drain where it is counted", () => {
  const state = newPlannerState(0);
  const levels = newLevels();
  state.count.fill(10);
  levels.up.fill(4);
  levels.down.fill(7);
  moveShadows(state, levels, { seconds: 10, drainSeconds: 25 });
  moveShadows(state, levels, { seconds: 10, drainSeconds: 25 });
  expect([state.count[0], state.hourCost[0]]).toEqual([10, 0]);
  moveShadows(state, levels, { seconds: 10, drainSeconds: 25 });
  expect([state.count[0], state.hourCost[0]]).toEqual([7, 75]);
});
