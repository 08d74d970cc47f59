// One tenant at a hundred times the others' load, equal in weight and class: what it does to them.
import { describe, expect, it } from "vitest";
import { VirtualService, type VirtualLoad, type VirtualResult } from "./virtual-service.ts";

const MICE = Array.from({ length: 8 }, (_, index) => `mouse${index}/gold`);
const SERVICE_MS = 50;
const DEADLINE_MS = 5_000;

function run(
  { loads, holderCount, quotas = {} }: { loads: readonly VirtualLoad[]; holderCount: number; quotas?: object },
  seed = 1,
): VirtualResult {
  // 40 slots of 50 ms: 800 a second.
  const service = new VirtualService({
    seed,
    holderCount,
    capacities: [20, 20],
    loads,
    serviceMs: SERVICE_MS,
    deadlineMs: DEADLINE_MS,
    quotas: quotas as Readonly<Record<string, Readonly<Record<string, unknown>>>>,
  });
  return service.run({ warmMs: 5_000, measuredMs: 30_000 });
}

const loadOf = (flow: string, perSecond: number): VirtualLoad => ({ flow, urgency: 3, perSecond });

function servedOf({ flows }: VirtualResult, flow: string): number {
  const result = flows.get(flow);
  return result === undefined ? 0 : result.servedLocally + result.servedByName;
}

/** R. Jain, D. Chiu, W. Hawe, DEC-TR-301 (1984): 1 where all have the same. */
function jainOf(shares: readonly number[]): number {
  const sum = shares.reduce((total, share) => total + share, 0);
  return (sum * sum) / (shares.length * shares.reduce((total, share) => total + share * share, 0));
}

function waitMsP99(result: VirtualResult, flows: readonly string[]): number {
  const waits = flows.flatMap((flow) => result.flows.get(flow)?.waitsMs ?? []).toSorted((a, b) => a - b);
  return waits[Math.floor(0.99 * (waits.length - 1))] ?? 0;
}

describe.for([1, 8])("an elephant among eight mice, at %i isolates", (holderCount) => {
  const loads = [loadOf("elephant/gold", 2_000), ...MICE.map((flow) => loadOf(flow, 20))];

  it("leaves the mice all they ask for, and waits that are bounded", { timeout: 120_000 }, () => {
    const result = run({ loads, holderCount });
    const ratios = MICE.map((flow) => servedOf(result, flow) / (result.flows.get(flow)?.arrivals ?? 1));
    expect(jainOf(ratios)).toBeGreaterThanOrEqual(0.95);
    expect(Math.min(...ratios)).toBeGreaterThanOrEqual(0.95);
    expect(waitMsP99(result, MICE)).toBeLessThanOrEqual(SERVICE_MS);
    expect(result.overCapacityMax).toBeLessThanOrEqual(0);
    // They leave 640 a second; a slot that changes hands between isolates lies idle for the calls that takes.
    expect(servedOf(result, "elephant/gold") / 30).toBeGreaterThanOrEqual(350);
  });

  it("with a limit of its own stays below it, and the rest lies idle for the mice", { timeout: 120_000 }, () => {
    const result = run({
      loads,
      holderCount,
      quotas: { "elephant/gold": { slots: 10, ratePerSecond: 150, burst: 150, queueLengthMax: 20 } },
    });
    expect(servedOf(result, "elephant/gold")).toBeLessThanOrEqual(150 * 30 + 150);
    expect(servedOf(result, "elephant/gold")).toBeGreaterThanOrEqual(150 * 30 * 0.95);
    expect(waitMsP99(result, MICE)).toBeLessThanOrEqual(2 * SERVICE_MS);
  });
});

it("equal tenants that all want more than there is are served alike", { timeout: 120_000 }, () => {
  const result = run({ loads: MICE.map((flow) => loadOf(flow, 250)), holderCount: 8 });
  expect(jainOf(MICE.map((flow) => servedOf(result, flow)))).toBeGreaterThanOrEqual(0.95);
});
