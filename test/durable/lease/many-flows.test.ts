import { describe, expect, it } from "vitest";
import { FlowTotals, type Contribution } from "#durable/lease/flow-totals.ts";
import { seededRandom } from "#test/wasm/seeded-random.ts";

const CAPACITY = 1_600;
/** durable/lease/class-shares.ts. */
const DRIFT_DIVISOR = 32;

/** `onWeight`: a division reads the weight of every flow. */
function totalsOf(onWeight: () => void = () => undefined): FlowTotals {
  const flow = (name: string) => ({
    className: "gold",
    slotsMax: 100,
    rate: null,
    get weight() {
      onWeight();
      return 1 + (name.length % 2);
    },
  });
  return new FlowTotals({ capacity: CAPACITY, classes: new Map([["gold", { weight: 1, reserve: 0 }]]), flow });
}

const wanting = (flow: string, want: number): Contribution => ({
  flow,
  slots: 0,
  running: 0,
  want,
  pinned: 0,
  tokensWant: 0,
  tokensOut: 0,
});

/** As they are divided at once. */
function exactOf(wants: ReadonlyMap<string, number>): FlowTotals {
  const exact = totalsOf();
  for (const [flow, want] of wants) exact.replace(flow, want === 0 ? [] : [wanting(flow, want)]);
  return exact;
}

describe("shares in a class that is short", () => {
  it.for([16, 400])("of %i flows are near those of a division at that moment, whatever was wanted since the last one", (count) => {
    for (let seed = 1; seed <= 10; seed += 1) {
      const random = seededRandom(seed);
      const totals = totalsOf();
      const wants = new Map(Array.from({ length: count }, (_, index) => [`t${index}/gold`, 1 + random.below(20)]));
      if (count < DRIFT_DIVISOR) for (const flow of wants.keys()) wants.set(flow, 200);
      for (const [flow, want] of wants) totals.replace(flow, [wanting(flow, want)]);
      for (let step = 0; step < 300; step += 1) {
        const flow = `t${random.below(count + 2)}/gold`;
        const want = Math.max(0, (wants.get(flow) ?? 0) + random.below(5) - 2);
        wants.set(flow, want);
        totals.replace(flow, want === 0 ? [] : [wanting(flow, want)]);
        if (step % 10 > 0) continue;
        const exact = exactOf(wants);
        let sum = 0;
        for (const of of wants.keys()) {
          const [share, should] = [totals.shareOf(of), exact.shareOf(of)];
          expect(Math.abs(share - should), `seed ${seed}, step ${step}, ${of}`).toBeLessThanOrEqual(count < DRIFT_DIVISOR ? 0 : 2);
          sum += share;
        }
        expect(sum).toBeLessThanOrEqual(CAPACITY + 2 * (count / DRIFT_DIVISOR));
      }
    }
  });

  it("are divided anew for a part of what comes and ends, not for each", () => {
    let reads = 0;
    const totals = totalsOf(() => (reads += 1));
    const count = 640;
    for (let index = 0; index < count; index += 1) totals.replace(`t${index}/gold`, [wanting(`t${index}/gold`, 10)]);
    totals.shareOf("t0/gold");
    reads = 0;
    const requests = 200;
    for (let request = 0; request < requests; request += 1) {
      const flow = `t${request}/gold`;
      totals.replace("request", [wanting(flow, 1)]);
      expect(totals.shareOf(flow)).toBeGreaterThan(0);
      totals.replace("request", []);
    }
    // Two changes a request, and a division for each count ÷ 32 of them.
    expect(reads / count).toBeLessThanOrEqual((2 * requests * DRIFT_DIVISOR) / count + 2);
  });

  it("are not divided anew where a renewal says of all of them what the last one said", () => {
    let reads = 0;
    const totals = totalsOf(() => (reads += 1));
    const renewal = () => Array.from({ length: 640 }, (_, index) => wanting(`t${index}/gold`, 10));
    totals.replace("holder", renewal());
    const share = totals.shareOf("t0/gold");
    reads = 0;
    totals.replace("holder", renewal());
    expect([totals.shareOf("t0/gold"), reads]).toEqual([share, 0]);
  });
});
