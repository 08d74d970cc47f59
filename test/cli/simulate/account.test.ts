import { expect, it } from "vitest";
import { runScaler, scoreOf, type Scaler } from "#cli/simulate/account.ts";
import { Fleet } from "#cli/simulate/fleet.ts";

const planned = (counts: readonly number[]): Scaler => ({ decide: (tick) => counts[tick] ?? 0 });

it("bills a shard from its start and lets it serve one start-up time later", () => {
  // One shard is there at first; two more start at tick 1 and are ready at tick 3.
  const load = Float32Array.from([1, 1, 3, 3.5, 2]);
  const account = runScaler(load, planned([1, 3, 3, 3, 2]), { delayTicks: 2, window: { fromTick: 0, toTick: 5 } });
  expect(account).toEqual({ billed: 1 + 3 + 3 + 3 + 2, shortfall: 2 + 0.5, load: 10.5, shortTicks: 2, ticks: 5, starts: 2, drains: 1 });
  const score = scoreOf(account, 10);
  expect(score.shortfallSeen).toBeCloseTo(2.5 / 10.5, 12);
  expect(score.timeShort).toBe(0.4);
  expect(score.costToOracle).toBe(1.2);
  expect(score.operationsPerDay).toBeCloseTo(3 / (10 / 86_400), 9);
});

it("accounts the window only, and has run before it", () => {
  const load = Float32Array.from([5, 5, 1, 1]);
  const account = runScaler(load, planned([2, 2, 2, 1]), { delayTicks: 1, window: { fromTick: 2, toTick: 4 } });
  expect(account).toEqual({ billed: 3, shortfall: 0, load: 2, shortTicks: 0, ticks: 2, starts: 0, drains: 1 });
});

it("drains the newest starting shards first, then ready ones", () => {
  const fleet = new Fleet(3, 2);
  fleet.resize(4, 0); // Two, ready at 3.
  fleet.resize(5, 1); // One, ready at 4.
  fleet.resize(3, 2); // Takes that one, and one of the two.
  fleet.advance(3);
  expect([fleet.count, fleet.ready, fleet.readiedCount]).toEqual([3, 3, 1]);
  fleet.advance(4);
  expect(fleet.ready).toBe(3);
  fleet.resize(1, 4);
  expect([fleet.count, fleet.ready, fleet.startCount, fleet.drainCount]).toEqual([1, 1, 3, 4]);
});

it("keeps as many batches as ticks of the delay, for ever", () => {
  const fleet = new Fleet(3, 0);
  for (let tick = 0; tick < 50; tick++) {
    fleet.advance(tick);
    fleet.resize(tick + 1, tick);
    expect(fleet.ready).toBe(Math.max(0, tick - 2));
  }
});

it("starts at once where nothing has to start up", () => {
  const account = runScaler(Float32Array.from([4, 4]), planned([4, 4]), { delayTicks: 0, window: { fromTick: 0, toTick: 2 } });
  expect(account.shortfall).toBe(0);
});
