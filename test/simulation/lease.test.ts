import { describe, expect, it } from "vitest";
import { LeaseLedger } from "#durable/lease/lease-ledger.ts";
import type { LedgerPolicy } from "#durable/lease/lease-policy.ts";
import { firstFailure } from "./first-failure.ts";
import { LeaseSimulation, type LedgerMaker } from "./lease-simulation.ts";

const IS_LONG = process.env["TIDEGATE_LONG"] === "1";
const SEEDS = IS_LONG ? 10_000 : 200;
const STORM_MS = 20_000;

function makerOf(ledger: typeof LeaseLedger, change: (policy: LedgerPolicy) => LedgerPolicy = (policy) => policy): LedgerMaker {
  return {
    fresh: (policy, nowMs) => new ledger(change(policy), nowMs),
    fromRows: (policy, rows, nowMs) => ledger.fromRows(change(policy), rows, nowMs),
  };
}

const runOf =
  (maker: LedgerMaker) =>
  (seed: number): unknown =>
    new LeaseSimulation(seed, maker).run({ stormMs: STORM_MS });

describe("leases under faults", () => {
  it(`hold every promise after every event, for ${SEEDS} seeds`, { timeout: 1_800_000 }, async () => {
    expect(await firstFailure(runOf(makerOf(LeaseLedger)), { seeds: SEEDS })).toBeNull();
  });

  it("replay a seed exactly", () => {
    const run = (): unknown => new LeaseSimulation(7, makerOf(LeaseLedger)).run({ stormMs: STORM_MS });
    expect(run()).toEqual(run());
  });
});

class ReleasedByAnybody extends LeaseLedger {
  override release(slotId: string): boolean {
    return super.release(slotId, this.toRows().slots.find((slot) => slot.slotId === slotId)?.owner ?? "");
  }
}

class WithoutReserve extends LeaseLedger {
  override configure(policy: LedgerPolicy, nowMs: number): void {
    super.configure(withoutReserve(policy), nowMs);
  }
}

class WithoutHolds extends LeaseLedger {
  override configure(policy: LedgerPolicy, nowMs: number): void {
    super.configure(withoutHolds(policy), nowMs);
  }
}

class BlindToLanes extends LeaseLedger {
  override slotsFreeIn(): number {
    return 100;
  }
}

class GenerousRate extends LeaseLedger {
  override configure(policy: LedgerPolicy, nowMs: number): void {
    super.configure(withTripleRate(policy), nowMs);
  }
}

class GenerousBandwidth extends LeaseLedger {
  override configure(policy: LedgerPolicy, nowMs: number): void {
    super.configure(withTripleBandwidth(policy), nowMs);
  }
}

const withTripleRate = (policy: LedgerPolicy): LedgerPolicy => withTriple(policy, (flow) => !flow.endsWith("/bytes"));
const withTripleBandwidth = (policy: LedgerPolicy): LedgerPolicy => withTriple(policy, (flow) => flow.endsWith("/bytes"));

function withTriple(policy: LedgerPolicy, isTripled: (flow: string) => boolean): LedgerPolicy {
  const tripled = (flow: string) => {
    const { rate, ...rest } = policy.flow(flow);
    const isSame = rate === null || !isTripled(flow);
    return { ...rest, rate: isSame ? rate : { ...rate, tokens: 3 * rate.tokens, burst: 3 * rate.burst } };
  };
  return { ...policy, flow: tripled };
}

function withoutReserve(policy: LedgerPolicy): LedgerPolicy {
  return { ...policy, classes: new Map([...policy.classes].map(([name, { weight }]) => [name, { weight, reserve: 0 }])) };
}

function withoutHolds(policy: LedgerPolicy): LedgerPolicy {
  return { ...policy, requestDurationMsMax: 0 };
}

describe("canary: the simulation catches a ledger that", () => {
  it.for<{ name: string; maker: LedgerMaker; first?: number; says: string }>([
    { name: "lets anybody release a slot", maker: makerOf(ReleasedByAnybody), says: "lost its slot" },
    {
      name: "forgets at its lease's end what a holder still runs",
      maker: makerOf(WithoutHolds, withoutHolds),
      first: 124,
      says: "the ledger counts",
    },
    { name: "does not look at an endpoint's own capacity", maker: makerOf(BlindToLanes), says: "lane e" },
    { name: "lends three times the rate", maker: makerOf(GenerousRate, withTripleRate), says: "tokens were spent" },
    { name: "lends three times the bandwidth", maker: makerOf(GenerousBandwidth, withTripleBandwidth), says: "KiB were sent" },
    { name: "divides without reserves", maker: makerOf(WithoutReserve, withoutReserve), says: "its reserve is" },
  ])("$name", { timeout: 120_000 }, async ({ maker, first, says }) => {
    expect(await firstFailure(runOf(maker), { seeds: 400, first })).toContain(says);
  });
});
