import { beforeEach, describe, expect, it, vi } from "vitest";
import { lentPolicyOf } from "#durable/pool/lent-policy.ts";
import { RegionalSockets } from "#durable/pool/regional-sockets.ts";
import { firstFailure } from "./first-failure.ts";
import { NO_ROWS } from "./region-pool.ts";
import { OPENING_MS } from "./region-sockets.ts";
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

const NOBODY_OWES = /does not live, and nobody owes it/;
const REAL: RegionParts = {
  lentPolicyOf,
  toHome: (request) => request,
  fromHome: (answer) => answer,
  keepAtHome: (home, call) => home.commit(() => home.ledger.keep(...call)) !== null,
  releaseAtHome: (home, { slotId, holder }) => home.commit(() => home.ledger.release(slotId, holder)),
  socketsOf,
  keptRows: (rows) => rows,
};

beforeEach(() => void vi.spyOn(console, "warn").mockImplementation(() => undefined));

const runOf =
  (parts: RegionParts) =>
  async (seed: number): Promise<unknown> =>
    new RegionSimulation(seed, parts).run({ stormMs: STORM_MS });

describe("regional pools under faults", () => {
  it(`never exceed their endpoints together, lend all of them and leak nothing, for ${SEEDS} seeds`, { timeout: 3_600_000 }, async () => {
    expect(await firstFailure(runOf(REAL), { seeds: SEEDS })).toBeNull();
  });

  it("admit sockets in their regions, move them and lose their Shard objects", async () => {
    const totals = {
      opened: 0,
      keptAway: 0,
      moved: 0,
      shardsDied: 0,
      callsFailed: 0,
      callsRepeated: 0,
      callsTwice: 0,
      grantedAgain: 0,
      killed: 0,
    };
    for (let seed = 1; seed <= 20; seed += 1) {
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
    {
      name: "a regional pool that forgets with its memory what it lent on",
      parts: { keptRows: (rows, { home }) => (home === null ? rows : NO_ROWS) },
    },
    { name: "a regional pool that lends a token more than once", parts: { lentPolicyOf: withLastingTokens } },
    { name: "a home pool that takes a region for an isolate", first: 47, parts: { toHome: ({ lentTo: _lentTo, ...request }) => request } },
  ] satisfies { name: string; first?: number; parts: Partial<RegionParts> }[])("$name", async ({ first, parts }) => {
    expect(await firstFailure(runOf({ ...REAL, ...parts }), { seeds: 60, first })).toMatch(
      /its home counts|the endpoints have|which has|tokens are spent|nobody owes it/,
    );
  });
});

describe("canary: sockets' slots of a region that", () => {
  it.for([
    { name: "says that a slot is kept before home has it", sockets: HastySockets, says: /lives without its slot/ },
    { name: "does not end at home what home has", sockets: ForgetfulSockets, says: /while all want more|does not live|never came back/ },
  ])("$name", async ({ sockets, says }) => {
    expect(await firstFailure(runOf({ ...REAL, socketsOf: (...input) => new sockets(...input) }), { seeds: 60 })).toMatch(says);
  });
});

describe("canary: calls of sockets that come again, late or after a restart catch", () => {
  it.for([
    {
      name: "a home pool that says of another's slot that the region's is taken",
      first: 48,
      parts: { fromHome: withAnybodys },
      says: /lives without/,
    },
    {
      name: "a home pool that gives a slot an end where it is kept again",
      parts: { keepAtHome: keptAnew },
      says: /lives without|'s and ends/,
    },
    { name: "a home pool that frees a slot for each word of an end", parts: { releaseAtHome: releasedByCount }, says: /lives without/ },
    {
      name: "a home pool that forgets with its memory which slots it took",
      first: 52,
      parts: { keptRows: withoutHanded },
      says: NOBODY_OWES,
    },
    { name: "a region that tells its home a slot's end by its own clock", parts: { toHome: withSkew }, says: /at weur for \d+ ms/ },
  ] satisfies { name: string; first?: number; parts: Partial<RegionParts>; says: RegExp }[])("$name", async ({ first, parts, says }) => {
    expect(await firstFailure(runOf({ ...REAL, ...parts }), { seeds: 60, first })).toMatch(says);
  });
});

function withAnybodys(...[answer, { request, home }]: Parameters<RegionParts["fromHome"]>): ReturnType<RegionParts["fromHome"]> {
  const { handed } = request;
  return handed === undefined || !answer.ok
    ? answer
    : { ...answer, handed: handed.map(({ slotId }) => slotId).filter((slotId) => home.ledger.slot(slotId) !== undefined) };
}

function keptAnew(...[home, call, nowMs]: Parameters<RegionParts["keepAtHome"]>): boolean {
  const [slotId, , to] = call;
  const known = home.ledger.slot(slotId);
  if (known?.owner !== to) return REAL.keepAtHome(home, call, nowMs);
  return home.commit(() => home.ledger.release(slotId, to) && home.ledger.acquire({ ...known, lifeMs: OPENING_MS }, nowMs) !== null);
}

function releasedByCount(...[home, { slotId, holder }]: Parameters<RegionParts["releaseAtHome"]>): boolean {
  const another = home.ledger.named.find(({ owner }) => owner === holder && owner !== "edge");
  return home.commit(() => home.ledger.release(slotId, holder) || home.ledger.release(another?.slotId ?? "", holder));
}

function withoutHanded(...[rows, { home }]: Parameters<RegionParts["keptRows"]>): ReturnType<RegionParts["keptRows"]> {
  if (home !== null) return rows;
  const forgotten = (record: string): string => JSON.stringify({ ...(JSON.parse(record) as object), handed: [] });
  return { ...rows, holders: rows.holders.map(({ holder, record }) => ({ holder, record: forgotten(record) })) };
}

function withSkew(...[request, skewMs]: Parameters<RegionParts["toHome"]>): ReturnType<RegionParts["toHome"]> {
  const handed = request.handed?.map((slot) => ({ ...slot, lifeMs: slot.lifeMs === null ? null : Math.max(0, slot.lifeMs + skewMs) }));
  return handed === undefined ? request : { ...request, handed };
}

function withOneMore(...input: Parameters<typeof lentPolicyOf>): ReturnType<typeof lentPolicyOf> {
  const lent = lentPolicyOf(...input);
  const lanes = new Map([...lent.lanes].map(([lane, slots]) => [lane, slots + 1]));
  return { ...lent, capacity: lent.capacity + 1, lanes, flow: (name) => ({ ...lent.flow(name), slotsMax: lent.flow(name).slotsMax + 1 }) };
}

function withLastingTokens(...input: Parameters<typeof lentPolicyOf>): ReturnType<typeof lentPolicyOf> {
  const lent = lentPolicyOf(...input);
  return { ...lent, lentTokens: { available: (flow) => input[1].available(flow), take: () => undefined, awaited: () => 0 } };
}
