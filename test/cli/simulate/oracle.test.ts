import { expect, it } from "vitest";
import { Random } from "#cli/load/random.ts";
import { runScaler } from "#cli/simulate/account.ts";
import { OracleScaler, oracleCounts } from "#cli/simulate/rivals/oracle.ts";

const TICKS = 6;
const COUNT_MAX = 3;

/** Every plan of 0 … 3 shards over six ticks; the cheapest of those that are short no more than they must be. */
function cheapest(load: Float32Array, delayTicks: number): { billed: number; shortfall: number } {
  let best = { billed: Infinity, shortfall: Infinity };
  for (let code = 0; code < (COUNT_MAX + 1) ** TICKS; code++) {
    const counts = Array.from({ length: TICKS }, (_, tick) => Math.floor(code / (COUNT_MAX + 1) ** tick) % (COUNT_MAX + 1));
    const { billed, shortfall } = runScaler(
      load,
      { decide: (tick) => counts[tick] ?? 0 },
      { delayTicks, window: { fromTick: 0, toTick: TICKS } },
    );
    if (shortfall < best.shortfall - 1e-6 || (shortfall < best.shortfall + 1e-6 && billed < best.billed)) best = { billed, shortfall };
  }
  return best;
}

it.for([0, 1, 2, 3])("costs what the cheapest plan without avoidable shortfall costs (start-up %i ticks)", (delayTicks) => {
  const random = new Random(11, delayTicks);
  for (let round = 0; round < 6; round++) {
    // The shard that is there at first serves the first ticks; more cannot.
    const load = Float32Array.from({ length: TICKS }, (_, tick) => (tick < delayTicks ? 0.5 : random.uniform() * COUNT_MAX));
    const oracle = runScaler(load, new OracleScaler(oracleCounts(load, { delayTicks, countMin: 0 })), {
      delayTicks,
      window: { fromTick: 0, toTick: TICKS },
    });
    expect(oracle.shortfall).toBe(0);
    expect(oracle.billed).toBe(cheapest(load, delayTicks).billed);
  }
});

it("keeps a least count", () => {
  expect([...oracleCounts(Float32Array.from([0, 0, 2.5, 0]), { delayTicks: 1, countMin: 1 })]).toEqual([1, 3, 3, 1]);
});
