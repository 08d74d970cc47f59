import { expect, it } from "vitest";
import { closeHour, controlOf } from "#durable/pool/plan/control.ts";
import { AT, newPlannerState, type PlannerState } from "#durable/pool/plan/planner-state.ts";
import { FAMILIES, RUNG_COUNT } from "#durable/pool/plan/rungs.ts";

const ACCEPTED = 0.001;
const LOAD = 10 * 3_600;

/** An hour at ten shards' load in which rung j costs more and leaves less than rung j − 1, by `decade` rungs a decade. */
function hour(state: PlannerState, { worst, decade, seen = 0 }: { worst: number; decade: number; seen?: number }): void {
  for (const { first, end } of FAMILIES) {
    for (let rung = first; rung < end; rung++) {
      state.hourCost[rung] = LOAD * (1 + 0.01 * (rung - first));
      state.hourShortfall[rung] = LOAD * worst * 10 ** (-(rung - first) / decade);
    }
  }
  state.scalars[AT.hourLoad] = LOAD;
  state.scalars[AT.hourSeen] = seen * LOAD;
  closeHour(state, ACCEPTED);
}

const step = ({ rung }: { rung: number }): number => rung - (FAMILIES.find(({ first, end }) => rung >= first && rung < end)?.first ?? 0);

it("takes the boldest rung whose replay is within the target", () => {
  const state = newPlannerState(0);
  for (let hours = 0; hours < 24 * 60; hours++) hour(state, { worst: 0.1, decade: 4, seen: 0.8 * ACCEPTED });
  // .1 × 10^(−j/4) ≤ .8 × .001 first at j = 9.
  expect(step(controlOf(state, ACCEPTED))).toBe(9);
  expect(controlOf(state, ACCEPTED).isAttainable).toBe(true);
});

it("pays back what was seen beyond, and uses what was not", () => {
  const run = (seen: number): number => {
    const state = newPlannerState(0);
    for (let hours = 0; hours < 24 * 30; hours++) hour(state, { worst: 0.01, decade: 16, seen });
    return step(controlOf(state, ACCEPTED));
  };
  // .01 × 10^(−j/16) ≤ .3, .8 and .9 times .001.
  expect([10 * ACCEPTED, 0.8 * ACCEPTED, 0].map(run)).toEqual([25, 18, 17]);
});

it("does not pay more for shortfall than it is worth, and says that it is not held", () => {
  const state = newPlannerState(0);
  // Each rung saves 2 × 10^−6 of the load for a hundredth of it: 5,000 shard-seconds a shard-second, where 501 is the limit.
  for (let hours = 0; hours < 24 * 30; hours++) {
    for (let rung = 0; rung < RUNG_COUNT; rung++) {
      state.hourCost[rung] = LOAD * (1 + 0.01 * rung);
      state.hourShortfall[rung] = LOAD * (0.01 - 2e-6 * rung);
    }
    state.scalars[AT.hourLoad] = LOAD;
    closeHour(state, ACCEPTED);
  }
  expect(step(controlOf(state, ACCEPTED))).toBe(0);
  expect(controlOf(state, ACCEPTED)).toMatchObject({ isAttainable: false });
  expect(controlOf(state, ACCEPTED).expectedRatio).toBeCloseTo(0.01, 5);
});

it.for([
  { accepted: 0.1, price: 10 },
  { accepted: 0.01, price: 100 },
  { accepted: 0.001, price: 501.2 },
  { accepted: 0.0001, price: 2_511.9 },
])("pays at most $price shard-seconds for one of shortfall where $accepted is accepted", ({ accepted, price }) => {
  const rungAt = (paid: number): number => {
    const state = newPlannerState(0); // So many days that the prior is forgotten.
    for (let hours = 0; hours < 24 * 180; hours++) {
      for (let rung = 0; rung < RUNG_COUNT; rung++) {
        const saved = LOAD * accepted * 0.01 * Math.min(rung, 5);
        state.hourCost[rung] = LOAD + saved * paid + (rung > 5 ? LOAD : 0);
        state.hourShortfall[rung] = LOAD * accepted * 4 - saved;
      }
      state.scalars[AT.hourLoad] = LOAD;
      closeHour(state, accepted);
    }
    return step(controlOf(state, accepted));
  };
  expect(rungAt(price * 0.99)).toBe(5);
  expect(rungAt(price * 1.01)).toBe(0);
});

it("crosses a dear step towards a cheap one beyond", () => {
  const state = newPlannerState(0);
  for (let hours = 0; hours < 24 * 30; hours++) {
    for (let rung = 0; rung < RUNG_COUNT; rung++) {
      state.hourCost[rung] = LOAD * (1 + 0.01 * rung);
      state.hourShortfall[rung] = rung % 32 < 5 ? LOAD * 0.01 : 0;
    }
    state.scalars[AT.hourLoad] = LOAD;
    closeHour(state, ACCEPTED);
  }
  expect(step(controlOf(state, ACCEPTED))).toBe(5);
});

it("turns to the family that does better, judged by hours it had not seen", () => {
  const state = newPlannerState(0);
  const second = FAMILIES[1];
  for (let hours = 0; hours < 24 * 20; hours++) {
    for (const { first, end } of FAMILIES) {
      for (let rung = first; rung < end; rung++) {
        const dearer = first === second?.first ? 1 : 1.1;
        state.hourCost[rung] = LOAD * dearer * (1 + 0.01 * (rung - first));
        state.hourShortfall[rung] = LOAD * 0.1 * 10 ** (-(rung - first) / 4);
      }
    }
    state.scalars[AT.hourLoad] = LOAD;
    state.scalars[AT.hourSeen] = ACCEPTED * LOAD;
    closeHour(state, ACCEPTED);
  }
  expect(controlOf(state, ACCEPTED).rung).toBeGreaterThanOrEqual(second?.first ?? Infinity);
});

it("forgets a storm sooner where a shorter memory has done better", () => {
  const state = newPlannerState(0);
  const run = (days: number, worst: number): void => {
    for (let hours = 0; hours < 24 * days; hours++) hour(state, { worst, decade: 4, seen: 0.8 * ACCEPTED });
  };
  run(3, 10);
  const stormy = step(controlOf(state, ACCEPTED));
  run(18, 0.01);
  const calm = step(controlOf(state, ACCEPTED));
  expect(stormy).toBeGreaterThanOrEqual(16);
  // After 18 days the memory of 14 still holds a quarter of the storm: ten of its rungs. That of 3 holds a four-hundredth.
  expect(calm).toBeLessThanOrEqual(stormy - 6);
});

it("says nothing of a service that nobody wants", () => {
  const state = newPlannerState(0);
  for (let hours = 0; hours < 100; hours++) closeHour(state, ACCEPTED);
  expect(controlOf(state, ACCEPTED)).toMatchObject({ expectedRatio: 0, isAttainable: true });
});
