import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LeasedCredit } from "#gateway/lease/byte-credit.ts";
import { FlowBytes } from "#shared/lease/flow-bytes.ts";
import { RATE_SPACING_MS, RenewalPace } from "#gateway/lease/renewal-pace.ts";
import { byteFlowOf, BYTE_UNIT, flowOfBytes } from "#shared/lease/byte-flow.ts";
import { HeldLease } from "#shared/lease/held-lease.ts";

const FLOW = byteFlowOf("acme/gold");
const LENGTH_MS = 7_000;

/** What the isolate has after a renewal that granted so many units beside those it kept. */
function renew(held: HeldLease, bytes: FlowBytes, { units, nowMs }: { units: number; nowMs: number }): { want: number; returned: number } {
  const want = bytes.want(1_000, nowMs);
  const flows = want === 0 ? [] : [{ flow: FLOW, want: 0, tokensWant: want }];
  const request = held.request({ flows, lanes: [] }, nowMs);
  const granted = { flow: FLOW, slots: 0, tokens: units, isQueued: false, named: 0 };
  held.apply({ ok: true, sequence: request.sequence, lengthMs: LENGTH_MS, renewAfterMs: 1, flows: [granted], lanes: [] }, nowMs);
  return { want, returned: request.flows.find(({ flow }) => flow === FLOW)?.tokensReturned ?? 0 };
}

describe("byte credit", () => {
  it("is kept under a name that no tenant and class can have", () => {
    expect(flowOfBytes(FLOW)).toBe("acme/gold");
    expect(flowOfBytes("acme/gold")).toBeNull();
  });

  it("lets no byte more go than was granted and not returned, however it is taken", () => {
    const step = fc.oneof(
      fc.record({ take: fc.nat(20_000) }),
      fc.record({ grant: fc.nat(40), afterMs: fc.nat(LENGTH_MS + 2_000) }),
      fc.record({ forget: fc.constant(true) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const held = new HeldLease("h");
        const bytes = new FlowBytes(held, FLOW);
        let [nowMs, granted, returned, taken] = [0, 0, 0, 0];
        for (const one of steps) {
          if ("take" in one) taken += bytes.take(one.take, nowMs);
          else if ("forget" in one) bytes.forgetDemand();
          else {
            nowMs += one.afterMs;
            returned += renew(held, bytes, { units: one.grant, nowMs }).returned;
            granted += one.grant;
          }
          expect(taken).toBeLessThanOrEqual((granted - returned) * BYTE_UNIT);
        }
      }),
    );
  });

  it("goes to the last byte of it", () => {
    const held = new HeldLease("h");
    const bytes = new FlowBytes(held, FLOW);
    renew(held, bytes, { units: 3, nowMs: 0 });
    expect([bytes.take(1, 1), bytes.take(1_500, 1), bytes.left(1), bytes.take(10_000, 1), bytes.take(1, 1)]).toEqual([
      1, 1_500, 1_571, 1_571, 0,
    ]);
    expect(bytes.takeCount()).toBe(3 * BYTE_UNIT);
    expect(bytes.takeCount()).toBe(0);
  });

  it("ends with its lease", () => {
    const held = new HeldLease("h");
    const bytes = new FlowBytes(held, FLOW);
    renew(held, bytes, { units: 3, nowMs: 0 });
    expect(bytes.take(10_000, LENGTH_MS)).toBe(0);
  });

  it("is asked for by what waits, and given back when nothing comes", () => {
    const held = new HeldLease("h");
    const bytes = new FlowBytes(held, FLOW);
    expect(renew(held, bytes, { units: 0, nowMs: 0 }).want).toBe(16);
    bytes.lack(100_000);
    expect(renew(held, bytes, { units: 50, nowMs: 100 }).want).toBeGreaterThanOrEqual(98);
    bytes.take(10 * BYTE_UNIT + 1, 200);
    bytes.forgetDemand();
    // The unit that was begun is spent; the other 39 go back.
    expect(renew(held, bytes, { units: 0, nowMs: 300 })).toEqual({ want: 0, returned: 39 });
    expect(bytes.isIdle).toBe(false);
    bytes.takeCount();
    expect(bytes.isIdle).toBe(true);
  });

  it("that is limited no more lets everything go, and counts it", () => {
    const bytes = new FlowBytes(new HeldLease("h"), FLOW);
    bytes.isUnlimited = true;
    expect(bytes.take(1_000_000, 0)).toBe(1_000_000);
    expect(bytes.takeCount()).toBe(1_000_000);
  });
});

describe("a body that waits for credit", () => {
  it("sets a renewal off, sees to it itself, and says once between two renewals what it lacks", () => {
    const held = new HeldLease("h");
    const bytes = new FlowBytes(held, FLOW);
    const pace = new RenewalPace();
    let [nowMs, renewals] = [0, 0];
    const renewIfDue = (atMs: number): void => {
      if (!pace.isDue(atMs)) return;
      renewals += 1;
      renew(held, bytes, { units: 0, nowMs: atMs });
      pace.sent(atMs);
      pace.answered(3_500);
    };
    pace.sent(0);
    pace.answered(3_500);
    renew(held, bytes, { units: 0, nowMs: 0 });
    const credit = new LeasedCredit({ bytes, pace, renewIfDue, now: () => nowMs });
    for (let look = 0; look < 5; look += 1) expect(credit.take(20_480)).toBe(0);
    expect([credit.isWaiting, credit.waitMs, renewals]).toEqual([true, RATE_SPACING_MS, 0]);
    nowMs = RATE_SPACING_MS;
    credit.take(20_480);
    expect(renewals).toBe(1);
    held.apply({ ok: true, sequence: 0, lengthMs: 0, renewAfterMs: 0, flows: [], lanes: [] }, nowMs);
    // 20 KiB lacked once, not five times; four times that is wanted for a flow that begins, and more with each renewal in vain.
    expect(bytes.want(1_000, nowMs)).toBeLessThanOrEqual(3 * 4 * 2 * 20);
  });
});
