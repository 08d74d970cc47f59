import { describe, expect, it } from "vitest";
import { LeaseLedger } from "#durable/lease/lease-ledger.ts";
import { quotaPolicyOf, type QuotaConfiguration } from "#durable/quota/quota-policy.ts";
import { Quota } from "#durable/quota/quota.ts";
import { QuotaSimulation, type QuotaParts } from "./quota-simulation.ts";

const SEEDS = process.env["TIDEGATE_LONG"] === "1" ? 10_000 : 200;
const STORM_MS = 20_000;
const COUNTERS = { renewals: 0, slotsOverMax: 0 };

const REAL: QuotaParts = {
  fresh: (configuration, nowMs) => Quota.fresh(configuration, nowMs),
  restore: (configuration, rows, nowMs) => Quota.restore(configuration, rows, { counters: COUNTERS, nowMs }),
  mayHave: (lease, flow, nowMs) => lease.slots(flow, nowMs),
  passedOn: ({ out }) => out,
};

function firstFailure(parts: QuotaParts, seeds: number): string | null {
  for (let seed = 1; seed <= seeds; seed += 1) {
    try {
      new QuotaSimulation(seed, parts).run({ stormMs: STORM_MS });
    } catch (error) {
      return `seed ${seed}: ${error instanceof Error ? error.message : String(error)}`;
    }
  }
  return null;
}

describe("a tenant's quota under faults", () => {
  it(`is never exceeded, and is shared by weight in the end, for ${SEEDS} seeds`, { timeout: 1_800_000 }, () => {
    expect(firstFailure(REAL, SEEDS)).toBeNull();
  });

  it("replays a seed exactly", () => {
    const run = (): unknown => new QuotaSimulation(7, REAL).run({ stormMs: STORM_MS });
    expect(run()).toEqual(run());
  });
});

/** As if pools died like isolates. */
function forgetful(configuration: QuotaConfiguration) {
  return { ...quotaPolicyOf(configuration), areHoldersDurable: false };
}

const withForgetfulLedger: QuotaParts = {
  ...REAL,
  fresh: (configuration, nowMs) => new Quota(configuration, new LeaseLedger(forgetful(configuration), nowMs), COUNTERS),
  restore: (configuration, rows, nowMs) => new Quota(configuration, LeaseLedger.fromRows(forgetful(configuration), rows, nowMs), COUNTERS),
};

describe("canary: the simulation catches", () => {
  it.for([
    { name: "a quota that forgets what a pool may still lend", parts: withForgetfulLedger },
    {
      name: "a restarted pool that forgets what it has lent",
      parts: { ...REAL, passedOn: ({ out, isRestarted }) => (isRestarted ? 0 : out) },
    },
    {
      name: "a pool that lends one more than it was lent",
      parts: { ...REAL, mayHave: (lease, flow, nowMs) => lease.slots(flow, nowMs) + 1 },
    },
  ] satisfies { name: string; parts: QuotaParts }[])("$name", ({ parts }) => {
    expect(firstFailure(parts, 50)).toMatch(/the quota counts|are lent/);
  });
});
