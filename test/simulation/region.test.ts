import { describe, expect, it } from "vitest";
import { lentPolicyOf } from "#durable/pool/lent-policy.ts";
import { RegionSimulation, type RegionParts } from "./region-simulation.ts";

const SEEDS = process.env["TIDEGATE_LONG"] === "1" ? 10_000 : 100;
const STORM_MS = 20_000;

const REAL: RegionParts = { lentPolicyOf, toHome: (request) => request, isDiskKept: true };

function firstFailure(parts: RegionParts, seeds: number): string | null {
  for (let seed = 1; seed <= seeds; seed += 1) {
    try {
      new RegionSimulation(seed, parts).run({ stormMs: STORM_MS });
    } catch (error) {
      return `seed ${seed}: ${error instanceof Error ? error.message : String(error)}`;
    }
  }
  return null;
}

describe("regional pools under faults", () => {
  it(`never exceed their endpoints together, lend all of them and leak nothing, for ${SEEDS} seeds`, { timeout: 3_600_000 }, () => {
    expect(firstFailure(REAL, SEEDS)).toBeNull();
  });

  it("replays a seed exactly", () => {
    const run = (): unknown => new RegionSimulation(7, REAL).run({ stormMs: STORM_MS });
    expect(run()).toEqual(run());
  });
});

describe("canary: the simulation catches", () => {
  it.for([
    { name: "a regional pool that grants one more than it was lent", parts: { lentPolicyOf: withOneMore } },
    { name: "a regional pool that forgets with its memory what it lent on", parts: { isDiskKept: false } },
    { name: "a regional pool that lends a token more than once", parts: { lentPolicyOf: withLastingTokens } },
    { name: "a home pool that takes a region for an isolate", parts: { toHome: ({ lentTo: _lentTo, ...request }) => request } },
  ] satisfies { name: string; parts: Partial<RegionParts> }[])("$name", ({ parts }) => {
    expect(firstFailure({ ...REAL, ...parts }, 60)).toMatch(/its home counts|the endpoints have|which has|tokens are spent/);
  });
});

function withOneMore(...input: Parameters<typeof lentPolicyOf>): ReturnType<typeof lentPolicyOf> {
  const lent = lentPolicyOf(...input);
  const lanes = new Map([...lent.lanes].map(([lane, slots]) => [lane, slots + 1]));
  return { ...lent, capacity: lent.capacity + 1, lanes, flow: (name) => ({ ...lent.flow(name), slotsMax: lent.flow(name).slotsMax + 1 }) };
}

function withLastingTokens(...input: Parameters<typeof lentPolicyOf>): ReturnType<typeof lentPolicyOf> {
  const lent = lentPolicyOf(...input);
  return { ...lent, lentTokens: { available: (flow) => input[1].available(flow), take: () => undefined, awaited: () => 0 } };
}
