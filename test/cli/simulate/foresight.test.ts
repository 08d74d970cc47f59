// Nobody but the oracle knows what comes: with another future, the past is decided the same.
import { expect, it } from "vitest";
import { Random } from "#cli/load/random.ts";
import { runScaler, type Scaler } from "#cli/simulate/account.ts";
import { fineForecaster } from "#cli/simulate/forecaster.ts";
import { rivalScaler } from "#cli/simulate/policies.ts";
import { oracleCounts } from "#cli/simulate/rivals/oracle.ts";
import { SIMULATED_POLICY, TidegateScaler } from "#cli/simulate/tidegate-scaler.ts";
import { kernels } from "#test/support/kernels.ts";

const TICKS = 6_000;
const FORK = 4_000;
const DELAY_TICKS = 30;

/** Two loads that part at FORK. */
function forked(): [Float32Array, Float32Array] {
  const random = new Random(8);
  const load = new Float32Array(TICKS);
  let level = 10;
  for (let tick = 0; tick < TICKS; tick++) load[tick] = level = Math.max(1, level + 0.2 * random.normal());
  return [load, load.map((value, tick) => (tick < FORK ? value : 5 * value + 30))];
}

function counts(load: Float32Array, scaler: Scaler): number[] {
  const seen: number[] = [];
  const window = { fromTick: 0, toTick: TICKS };
  runScaler(load, scaler, { delayTicks: DELAY_TICKS, window, onTick: (_, fleet) => seen.push(fleet.count) });
  return seen;
}

const scalers: readonly (readonly [string, (load: Float32Array) => Scaler])[] = [
  ...(["hpa", "kpa", "aws", "static", "oracle"] as const).map((name) => {
    const scalerOf = (load: Float32Array): Scaler =>
      rivalScaler({ name }, { load, oracle: oracleCounts(load, { delayTicks: DELAY_TICKS, countMin: 1 }), fromTick: FORK / 2 });
    return [name, scalerOf] as const;
  }),
  [
    "tidegate",
    (load) =>
      new TidegateScaler(load, {
        startMs: 0,
        policy: { ...SIMULATED_POLICY, shortfallRatio: 0.01 },
        forecaster: fineForecaster(kernels(), 60_000),
      }),
  ],
];

it.for(scalers)("%s decides by what it has seen (canary: the oracle does not)", ([name, scalerOf]) => {
  const [before, after] = forked().map((load) => counts(load, scalerOf(load)));
  const isSame = JSON.stringify(before?.slice(0, FORK + 1)) === JSON.stringify(after?.slice(0, FORK + 1));
  expect(isSame).toBe(name !== "oracle");
  // And that it does decide by it.
  if (name !== "static") expect(after?.at(-1)).toBeGreaterThan(before?.at(-1) ?? Infinity);
});
