import { expect, it } from "vitest";
import { FlowTotals, type Contribution } from "#durable/lease/flow-totals.ts";
import { seededRandom } from "#test/wasm/seeded-random.ts";

const FLOWS = Array.from({ length: 24 }, (_, index) => `t${index}/${["gold", "silver", "bronze"][index % 3]}`);
const SOURCES = ["holder a", "holder b", "slot c", "queue d"];

function fresh(told: string[] = []): FlowTotals {
  return new FlowTotals({
    capacity: 120,
    classes: new Map([
      ["gold", { weight: 3, reserve: 20 }],
      ["silver", { weight: 1, reserve: 0 }],
    ]),
    flow: (name) => ({ className: name.split("/")[1] ?? "", weight: 1 + (name.length % 2), slotsMax: 9, rate: null }),
    flowChanged: (flow) => void told.push(flow),
  });
}

/** All that a ledger asks of them. */
function viewOf(totals: FlowTotals) {
  const of = (flow: string) => ({
    slots: totals.slotsOf(flow),
    running: totals.runningOf(flow),
    want: totals.wantOf(flow),
    tokensOut: totals.tokensOutOf(flow),
    tokensLack: totals.tokensLackOf(flow),
    lack: totals.slotsLackOf(flow),
    isBelowReserve: totals.isBelowReserve(flow),
    parts: SOURCES.map((source) => [totals.partOf(flow, source), totals.slotsPart(flow, source), totals.tokensPart(flow, source, 7)]),
  });
  return { flows: FLOWS.map(of), names: [...totals.flows].toSorted(), slots: totals.slots, running: totals.running };
}

it("sums of what sources contribute are those of what they contribute now, whatever they did before, for 12 seeds", () => {
  for (let seed = 1; seed <= 12; seed += 1) {
    const random = seededRandom(seed);
    const told: string[] = [];
    const totals = fresh(told);
    const now = new Map<string, readonly Contribution[]>();
    for (let step = 0; step < 120; step += 1) {
      const source = SOURCES[random.below(SOURCES.length)] ?? "";
      const [from, to] = [random.below(FLOWS.length), random.below(FLOWS.length + 1)];
      const contributions = FLOWS.slice(from, to).map((flow): Contribution => {
        const [want, tokensWant] = [random.below(12), random.below(5)];
        return {
          flow,
          slots: random.below(4),
          running: random.below(2),
          want,
          pinned: random.below(want + 1),
          tokensWant,
          tokensOut: random.below(4),
        };
      });
      const touched = new Set([...(now.get(source) ?? []), ...contributions].map(({ flow }) => flow));
      told.length = 0;
      totals.replace(source, contributions);
      expect(new Set(told), `seed ${seed}, step ${step}: who is told of`).toEqual(touched);
      now.set(source, contributions);
      const anew = fresh();
      for (const [of, all] of now) anew.replace(of, structuredClone(all));
      expect(viewOf(totals), `seed ${seed}, step ${step}`).toEqual(viewOf(anew));
    }
  }
});
