// A day in 24 minutes: the same demand, told to a clock of 60, is measured, forecast and planned as on the wall.
import { describe, expect, it } from "vitest";
import { NO_FACTS, type DemandFacts, type DemandStates } from "#durable/pool/demand-store.ts";
import { demandSpeedOf } from "#durable/pool/demand-speed.ts";
import { ScaledDemand, type Demand } from "#durable/pool/scaled-demand.ts";
import { DEMAND_MEMORY_BYTES, ServiceDemand, type DemandShell } from "#durable/pool/service-demand.ts";
import { demandTimeOf } from "#shared/demand-clock.ts";
import { serviceFileSchema } from "#shared/config/schema.ts";
import { MINUTE_MS, SECOND_MS } from "#shared/units.ts";
import { instantiateKernels } from "#wasm/binding/kernels.ts";
import { kernelsModule } from "#wasm/binding/module.ts";

const SPEED = 60;
/** Both clocks stand at the beginning of a bin. */
const START_MS = 1_800_000_000_000;
const SERVICE = serviceFileSchema.parse({ service: "echo", endpoints: [{ url: "https://e.example", capacity: 400 }] });

function shellOf(saved: DemandFacts[] = []): DemandShell {
  return {
    kernels: instantiateKernels(kernelsModule, { memoryBytes: DEMAND_MEMORY_BYTES + 64 * 1_024 }),
    loadFacts: () => NO_FACTS,
    loadStates: (): DemandStates | null => null,
    save: (facts) => saved.push(facts),
    // No answer comes.
    exchangeShares: async () => new Promise(() => {}),
    fleet: () => null,
    warn: (event, details) => {
      throw new Error(`${event} ${JSON.stringify(details)}`);
    },
  };
}

/** A holder that renews every two seconds of the wall, and the alarm every second: 40 requests a second, of half a second each. */
function live(demand: Demand, { fromMs, forMs, rate }: { fromMs: number; forMs: number; rate: number }): void {
  demand.open({ service: SERVICE, shards: [] });
  for (let atMs = fromMs; atMs <= fromMs + forMs; atMs += SECOND_MS) {
    demand.note({ requests: rate / 2, sockets: 0, isBusy: true }, atMs);
    if ((atMs - fromMs) % (2 * SECOND_MS) === 0)
      demand.report("one", { arrivals: 2 * rate, busyMs: 2 * rate * 500, endedCount: 2 * rate, refusedCount: 0 }, atMs);
    if (atMs >= (demand.wakesAtMs ?? Infinity)) demand.tick(atMs);
  }
}

describe("a demand clock of 60", () => {
  it("measures as many slots as the wall's, in sixty times as many bins, with arrivals by its own seconds", () => {
    const scaled = new ScaledDemand(shellOf(), SPEED);
    live(scaled, { fromMs: START_MS, forMs: 40 * SECOND_MS, rate: 40 });
    const plain = new ServiceDemand(shellOf());
    live(plain, { fromMs: START_MS, forMs: 40 * SECOND_MS, rate: 40 });
    const [fast, slow] = [scaled.stats(START_MS + 40 * SECOND_MS), plain.stats(START_MS + 40 * SECOND_MS)];
    expect(slow.slotsWanted).toBeCloseTo(20, 0);
    expect(fast.slotsWanted).toBeCloseTo(20, 0);
    expect(fast.arrivalsPerSecond).toBeCloseTo(40 / SPEED, 1);
    // Of 240 bins the last 30 are still open: reports are as late as ever.
    expect(fast.binCount).toBeGreaterThan(190);
    expect(slow.binCount).toBeLessThanOrEqual(4);
    const ahead = fast.horizons.find(({ signal, horizonMs }) => signal === "concurrency" && horizonMs === MINUTE_MS);
    expect(Math.abs((ahead?.mean ?? 0) - 20)).toBeLessThan(2);
    expect(fast.plan).toMatchObject({ shardSlots: 50, count: expect.any(Number) as number });
  });

  it("wakes by the wall's clock, and saves its facts by its own", () => {
    const saved: DemandFacts[] = [];
    const demand = new ScaledDemand(shellOf(saved), SPEED);
    live(demand, { fromMs: START_MS, forMs: 30 * SECOND_MS, rate: 40 });
    const wakesAtMs = demand.wakesAtMs ?? 0;
    expect(wakesAtMs - (START_MS + 30 * SECOND_MS)).toBeLessThanOrEqual(5 * SECOND_MS);
    expect(wakesAtMs).toBeGreaterThan(START_MS + 30 * SECOND_MS - 2 * SECOND_MS);
    const last = saved.at(-1)?.binEndMs ?? 0;
    expect(Math.abs(last - demandTimeOf(START_MS + 25 * SECOND_MS, SPEED))).toBeLessThan(3 * SPEED * SECOND_MS);
  });

  it.for([
    { name: "faster", before: 1, after: SPEED },
    { name: "slower", before: SPEED, after: 1 },
  ])("begins afresh what a $name one is given, says so, and forecasts and saves by its own", ({ before, after }) => {
    let stored: { facts: DemandFacts; states: DemandStates | null } = { facts: NO_FACTS, states: null };
    const warned: unknown[] = [];
    const demandAt = (speed: number): Demand => {
      const shell: DemandShell = {
        ...shellOf(),
        loadFacts: () => stored.facts,
        loadStates: () => stored.states,
        save: (facts, states) => (stored = { facts, states }),
        warn: (event, details) => warned.push({ event, ...details }),
      };
      return speed === 1 ? new ServiceDemand(shell) : new ScaledDemand(shell, speed);
    };
    live(demandAt(before), { fromMs: START_MS, forMs: 2 * MINUTE_MS, rate: 40 });
    expect(stored.facts.binCount).toBeGreaterThan(0);
    expect(warned).toEqual([]);

    const nextMs = START_MS + 3 * MINUTE_MS;
    const demand = demandAt(after);
    live(demand, { fromMs: nextMs, forMs: 2 * MINUTE_MS, rate: 80 });
    const { hasFailed, horizons, restarts } = demand.stats(nextMs + 2 * MINUTE_MS);
    expect({ hasFailed, restarts }).toEqual({ hasFailed: false, restarts: { "forecaster clock": 1 } });
    const ahead = horizons.find(({ signal, horizonMs }) => signal === "concurrency" && horizonMs === MINUTE_MS);
    expect(Math.abs((ahead?.mean ?? 0) - 40)).toBeLessThan(4);
    expect(warned).toEqual([{ event: "demand-begun-afresh", service: "echo", part: "forecaster", reason: "clock" }]);

    const again = demandAt(after);
    again.open({ service: SERVICE, shards: [] });
    expect(again.stats(nextMs + 2 * MINUTE_MS).binCount).toBe(stored.facts.binCount);
    expect(warned).toHaveLength(1);
  });

  it.for([
    { bindings: { DEMAND_SPEED: "60", IS_LOOPBACK: "true" }, want: 60 },
    { bindings: { DEMAND_SPEED: "60" }, want: 1 },
    { bindings: { IS_LOOPBACK: "true" }, want: 1 },
    { bindings: { DEMAND_SPEED: "61", IS_LOOPBACK: "true" }, want: 1 },
    { bindings: { DEMAND_SPEED: "0.5", IS_LOOPBACK: "true" }, want: 1 },
    { bindings: { DEMAND_SPEED: "fast", IS_LOOPBACK: "true" }, want: 1 },
  ])("is for development on this machine: $bindings is $want", ({ bindings, want }) => {
    expect(demandSpeedOf(bindings)).toBe(want);
  });
});
