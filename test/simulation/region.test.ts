import { beforeEach, describe, expect, it, vi } from "vitest";
import { lentPolicyOf } from "#durable/pool/lent-policy.ts";
import { RegionalSockets } from "#durable/pool/regional-sockets.ts";
import { RegionSimulation, type RegionParts } from "./region-simulation.ts";

const SEEDS = process.env["TIDEGATE_LONG"] === "1" ? 10_000 : 100;
const STORM_MS = 20_000;

const socketsOf: RegionParts["socketsOf"] = (...input) => new RegionalSockets(...input);
class HastySockets extends RegionalSockets {
  override async keep(...input: Parameters<RegionalSockets["keep"]>): Promise<boolean> {
    super.keep(...input).catch(() => undefined);
    return Promise.resolve(true);
  }
}

class ForgetfulSockets extends RegionalSockets {
  override async releaseAtHome(): Promise<{ freed: boolean }> {
    return Promise.resolve({ freed: false });
  }
}

const REAL: RegionParts = { lentPolicyOf, toHome: (request) => request, socketsOf, isDiskKept: true };

beforeEach(() => void vi.spyOn(console, "warn").mockImplementation(() => undefined));

async function firstFailure(parts: RegionParts, seeds: number): Promise<string | null> {
  for (let seed = 1; seed <= seeds; seed += 1) {
    try {
      await new RegionSimulation(seed, parts).run({ stormMs: STORM_MS });
    } catch (error) {
      return `seed ${seed}: ${error instanceof Error ? error.message : String(error)}`;
    }
  }
  return null;
}

describe("regional pools under faults", () => {
  it(`never exceed their endpoints together, lend all of them and leak nothing, for ${SEEDS} seeds`, { timeout: 3_600_000 }, async () => {
    expect(await firstFailure(REAL, SEEDS)).toBeNull();
  });

  it("admit sockets in their regions, move them and lose their Shard objects", async () => {
    const totals = { opened: 0, keptAway: 0, moved: 0, shardsDied: 0, callsFailed: 0 };
    for (let seed = 1; seed <= 10; seed += 1) {
      const { sockets } = await new RegionSimulation(seed, REAL).run({ stormMs: STORM_MS });
      for (const name of Object.keys(totals) as (keyof typeof totals)[]) totals[name] += sockets[name];
    }
    for (const [name, count] of Object.entries(totals)) expect(count, name).toBeGreaterThan(20);
  });

  it("replays a seed exactly", async () => {
    const run = async (): Promise<unknown> => new RegionSimulation(7, REAL).run({ stormMs: STORM_MS });
    expect(await run()).toEqual(await run());
  });
});

describe("canary: the simulation catches", () => {
  it.for([
    { name: "a regional pool that grants one more than it was lent", parts: { lentPolicyOf: withOneMore } },
    { name: "a regional pool that forgets with its memory what it lent on", parts: { isDiskKept: false } },
    { name: "a regional pool that lends a token more than once", parts: { lentPolicyOf: withLastingTokens } },
    { name: "a home pool that takes a region for an isolate", parts: { toHome: ({ lentTo: _lentTo, ...request }) => request } },
  ] satisfies { name: string; parts: Partial<RegionParts> }[])("$name", async ({ parts }) => {
    expect(await firstFailure({ ...REAL, ...parts }, 60)).toMatch(/its home counts|the endpoints have|which has|tokens are spent/);
  });
});

describe("canary: sockets' slots of a region that", () => {
  it.for([
    { name: "says that a slot is kept before home has it", sockets: HastySockets, says: /lives without its slot/ },
    { name: "does not end at home what home has", sockets: ForgetfulSockets, says: /while all want more|does not live|never came back/ },
  ])("$name", async ({ sockets, says }) => {
    expect(await firstFailure({ ...REAL, socketsOf: (...input) => new sockets(...input) }, 60)).toMatch(says);
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
