// Bodies at several isolates that all want more than one bandwidth lets, in virtual time: the parts themselves, calls that take time.
import { describe, expect, it } from "vitest";
import { LeaseLedger } from "#durable/lease/lease-ledger.ts";
import { flowLimitsOf } from "#durable/pool/flow-quotas.ts";
import { LeasedCredit } from "#gateway/lease/byte-credit.ts";
import { FlowBytes } from "#shared/lease/flow-bytes.ts";
import { RenewalPace } from "#gateway/lease/renewal-pace.ts";
import { BYTE_UNIT, byteFlowOf } from "#shared/lease/byte-flow.ts";
import { HeldLease } from "#shared/lease/held-lease.ts";
import { EventClock } from "#test/support/event-clock.ts";
import { seededRandom } from "#test/wasm/seeded-random.ts";

const FLOW = byteFlowOf("acme/gold");
const LANE = "https://a.example";
const PIECE_BYTES = 16 * 1_024;
const CALL_MS = 5;
const SECONDS = 60;

interface Cell {
  readonly nodes: number;
  readonly bytesPerSecond: number;
  /** Bodies at each node at once, without end. */
  readonly bodies: number;
}

interface Result {
  readonly bytes: number;
  readonly perNode: readonly number[];
  /** The most that went beyond a burst and what was earned, over all intervals that begin with the run: 0 at the most. */
  readonly overshoot: number;
}

function run({ nodes, bytesPerSecond, bodies }: Cell, seed: number): Result {
  const rate = flowLimitsOf({ weight: 1, mode: "enforce", bandwidthBytesPerSecond: bytesPerSecond }).bandwidth;
  if (rate === null) throw new Error("there is a bandwidth");
  const clock = new EventClock(0);
  const random = seededRandom(seed);
  const ledger = new LeaseLedger(
    {
      capacity: 1_000,
      lanes: new Map([[LANE, 1_000]]),
      classes: new Map([["gold", { weight: 1, reserve: 0 }]]),
      flow: () => ({ className: "gold", weight: 1, slotsMax: 0, rate }),
      requestDurationMsMax: 1_000,
      holdersMax: 100,
      flowsPerHolderMax: 10,
    },
    0,
  );
  let [bytes, overshoot] = [0, -Infinity];
  const perNode = Array.from({ length: nodes }, () => 0);
  const tick = (): void => {
    ledger.tick(clock.wallMs);
    clock.after(1_000, tick);
  };
  tick();
  for (let node = 0; node < nodes; node += 1) {
    const held = new HeldLease(`n${node}`);
    const credit = new FlowBytes(held, FLOW);
    const pace = new RenewalPace();
    let renewedAtMs = -1_000;
    const renewIfDue = (nowMs: number): void => {
      if (!pace.isDue(nowMs)) return;
      const tokensWant = credit.want(nowMs - renewedAtMs, nowMs);
      renewedAtMs = nowMs;
      pace.sent(nowMs);
      const request = held.request({ flows: [{ flow: FLOW, want: 0, tokensWant }], lanes: [] }, nowMs);
      clock.after(CALL_MS, () => {
        const answer = ledger.renew(request, clock.wallMs);
        clock.after(CALL_MS, () => {
          held.apply(answer, clock.wallMs);
          pace.answered(answer.renewAfterMs);
        });
      });
    };
    const pump = (body: LeasedCredit): void => {
      const taken = body.take(PIECE_BYTES);
      bytes += taken;
      perNode[node] = (perNode[node] ?? 0) + taken;
      const most = rate.burst * BYTE_UNIT + (bytesPerSecond * clock.wallMs) / 1_000;
      overshoot = Math.max(overshoot, bytes - most);
      // As `pace` does: as fast as the other side reads, or once it is worth asking again.
      clock.after(taken > 0 ? random.next() : Math.min(1_000, body.waitMs), () => pump(body));
    };
    for (let body = 0; body < bodies; body += 1) pump(new LeasedCredit({ bytes: credit, pace, renewIfDue, now: () => clock.wallMs }));
  }
  clock.until(SECONDS * 1_000);
  return { bytes, perNode, overshoot };
}

const CELLS: readonly Cell[] = [1, 3, 9].flatMap((nodes) =>
  [1_024, 200_000, 10_000_000].flatMap((bytesPerSecond) => [1, 4].map((bodies) => ({ nodes, bytesPerSecond, bodies }))),
);

describe("bodies without end at all isolates together", () => {
  it.for(CELLS)("$bodies at each of $nodes isolates and $bytesPerSecond bytes a second: never over it, and nearly all of it", (cell) => {
    const { bytes, perNode, overshoot } = run(cell, 1);
    expect(overshoot).toBeLessThanOrEqual(0);
    expect(bytes).toBeGreaterThan(0.9 * cell.bytesPerSecond * SECONDS);
    for (const own of perNode) expect(own).toBeGreaterThan((0.5 * bytes) / cell.nodes);
  });
});
