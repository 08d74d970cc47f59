import { beforeEach, describe, expect, it, vi } from "vitest";
import { MINUTE_MS } from "#shared/units.ts";
import { SocketSlotsSimulation, type Broken, type SlotsResult } from "./socket-slots-simulation.ts";

const SEEDS = process.env["TIDEGATE_LONG"] === "1" ? 5_000 : 200;
const STORM_MS = 5 * MINUTE_MS;

beforeEach(() => void vi.spyOn(console, "warn").mockImplementation(() => undefined));

/** The first seed that fails, with what it says; null: none did. */
async function firstFailure(broken: Broken = {}): Promise<string | null> {
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    try {
      await new SocketSlotsSimulation(seed, broken).run(STORM_MS);
    } catch (error) {
      return `seed ${seed}: ${String(error)}`;
    }
  }
  return null;
}

describe("slots of sockets under faults, of which the pool asks nobody", () => {
  it(`are each back, and each its own while it lives, for ${SEEDS} seeds`, { timeout: 1_800_000 }, async () => {
    expect(await firstFailure()).toBeNull();
  });

  it("meet what they are for, and then wake nobody for an hour", { timeout: 60_000 }, async () => {
    const results: SlotsResult[] = [];
    for (let seed = 1; seed <= 10; seed += 1) results.push(await new SocketSlotsSimulation(seed).run(STORM_MS));
    const total = (name: keyof SlotsResult): number => results.reduce((sum, result) => sum + result[name], 0);
    for (const name of ["opened", "deaths", "callsLost", "callsLate"] as const) expect(total(name), name).toBeGreaterThan(50);
    expect(total("wakeUps")).toBe(0);
  });

  it.for<{ name: string; broken: Broken; says: string }>([
    { name: "forgets its debts", broken: { isForgetful: true }, says: "does not live" },
    { name: "writes a session when its slot is taken over", broken: { isLate: true }, says: "does not live" },
    { name: "gives back what a call is under way for", broken: { isHasty: true }, says: "does not live" },
    { name: "gives back what a session has", broken: { isBlind: true }, says: "without its slot" },
  ])("a keeper that $name fails", { timeout: 60_000 }, async ({ broken, says }) => {
    expect(await firstFailure(broken)).toContain(says);
  });
});
