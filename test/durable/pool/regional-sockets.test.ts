import { expect, it } from "vitest";
import { LeaseLedger } from "#durable/lease/lease-ledger.ts";
import type { LedgerPolicy } from "#durable/lease/lease-policy.ts";
import { HomeLease } from "#durable/pool/home-lease.ts";
import { RegionalSockets } from "#durable/pool/regional-sockets.ts";
import type { Renewal, RenewalRequest } from "#shared/protocol/lease.ts";

const FLOW = "acme/gold";
const COUNT = 2_500;
const HANDED_MAX = 1_024;
const POLICY: LedgerPolicy = {
  capacity: COUNT,
  lanes: new Map([["e", COUNT]]),
  classes: new Map([["gold", { weight: 1, reserve: 0 }]]),
  flow: () => ({ className: "gold", weight: 1, slotsMax: COUNT, rate: null }),
  requestDurationMsMax: 5_000,
  lentDurationMsMax: 10_000,
  holdersMax: 3,
  flowsPerHolderMax: 10,
};
const SLOT = { owner: "edge", flow: FLOW, lane: "e", shardId: "s", lifeMs: 9_000, isDurable: true, device: "d" };

const rowsOf = (ledger: LeaseLedger) => ledger.named.filter(({ isDurable }) => isDurable).length;

/** A regional pool between two of its starts. */
function restarted(rows: LeaseLedger, life: number) {
  const ledger = LeaseLedger.fromRows(POLICY, rows.toRows(), 0);
  const home = new HomeLease();
  home.tick(0);
  const sockets = new RegionalSockets({
    ledger: () => ledger,
    renew: async () => Promise.resolve(true),
    home: () => ({ keep: async () => Promise.resolve(false), release: async () => Promise.resolve({ freed: false }) }),
  });
  sockets.open();
  const request = (nowMs = 0): RenewalRequest => {
    home.tick(nowMs);
    return home.request(ledger, [], { holder: "apac", life: () => life, ...sockets.list(nowMs) });
  };
  const settle = (asked: RenewalRequest, lease: Renewal): void => {
    home.apply({ lease, table: null, sheds: [], left: [], isContended: false, configurationVersion: 1 }, false);
    sockets.settle(asked.handed ?? [], lease);
  };
  return { ledger, home, request, settle };
}

it("a restarted region that is refused asks again when it was told to, and not at once", () => {
  const rows = new LeaseLedger(POLICY, 0);
  for (let index = 0; index < COUNT; index += 1) rows.acquire({ ...SLOT, slotId: `s${index}` }, 0);
  const { home, ledger, request } = restarted(rows, 1);
  const { sequence } = request();
  const lease = { ok: false, reason: "full", sequence, renewAfterMs: 500 } as const;
  expect(home.apply({ lease, table: null, sheds: [], left: [], isContended: false, configurationVersion: 1 }, false)).toBe(false);
  const dueAtMs = [0, 499, 500].filter((atMs) => {
    home.tick(atMs);
    return home.isDue(ledger);
  });
  expect(dueAtMs).toEqual([500]);
});

it("a restarted region hands over more sockets than one request names, one request at once after the other, and none twice", () => {
  const atHome = new LeaseLedger(POLICY, 0);
  const before = new LeaseLedger(POLICY, 0);
  for (let index = 0; index < COUNT; index += 1) before.acquire({ ...SLOT, slotId: `s${index}` }, 0);
  // What is out in the region is lent to it.
  const first = restarted(before, 1);
  const flows = [{ flow: FLOW, want: COUNT, running: 0, keep: 0, tokensWant: 0, tokensHeld: 0, tokensReturned: 0 }];
  const lent = { holder: "apac", sequence: 1, appliedSequence: 0, lentTo: 1, flows, lanes: [], adopted: [] };
  atHome.renew(lent, 0);
  const unheard = first.request();
  expect([unheard.handed?.length, unheard.handsMore]).toEqual([HANDED_MAX, true]);
  expect(atHome.renew(unheard, 0)).toMatchObject({ ok: true });
  expect(rowsOf(atHome)).toBe(HANDED_MAX);
  // Each of those ends at home, and the region, which has not heard that it has gone there, is restarted; what it names first are others now.
  for (const { slotId } of atHome.named) atHome.release(slotId, "edge");
  const others = new LeaseLedger(POLICY, 0);
  for (const slot of before.named.toReversed()) others.acquire({ ...SLOT, slotId: slot.slotId }, 0);
  const { home, ledger, request, settle } = restarted(others, 2);
  let requests = 0;
  do {
    const asked = request();
    requests += 1;
    settle(asked, atHome.renew(asked, 0));
  } while (rowsOf(ledger) > 0 && home.isDue(ledger));
  expect([requests, rowsOf(ledger), rowsOf(atHome)]).toEqual([Math.ceil(COUNT / HANDED_MAX), 0, COUNT - HANDED_MAX]);
});

it("a restarted region hands none over twice though as many as one request names have ended before it asks", () => {
  const atHome = new LeaseLedger(POLICY, 0);
  const [before, others] = [new LeaseLedger(POLICY, 0), new LeaseLedger(POLICY, 0)];
  for (let index = 0; index < HANDED_MAX; index += 1) before.acquire({ ...SLOT, slotId: `s${index}` }, 0);
  for (let index = 0; index < HANDED_MAX; index += 1) others.acquire({ ...SLOT, slotId: `short${index}`, lifeMs: 1_000 }, 0);
  for (const slot of before.named) others.acquire({ ...SLOT, slotId: slot.slotId }, 0);
  const flows = [{ flow: FLOW, want: COUNT, running: 0, keep: 0, tokensWant: 0, tokensHeld: 0, tokensReturned: 0 }];
  atHome.renew({ holder: "apac", sequence: 1, appliedSequence: 0, lentTo: 1, flows, lanes: [], adopted: [] }, 0);
  expect(atHome.renew(restarted(before, 1).request(), 0)).toMatchObject({ ok: true });
  expect(rowsOf(atHome)).toBe(HANDED_MAX);
  for (const { slotId } of atHome.named) atHome.release(slotId, "edge");
  // Home was out of reach for a while.
  const { home, ledger, request, settle } = restarted(others, 2);
  do {
    const asked = request(2_000);
    settle(asked, atHome.renew(asked, 2_000));
  } while (rowsOf(ledger) > 0 && home.isDue(ledger));
  expect([rowsOf(ledger), rowsOf(atHome)]).toEqual([0, 0]);
});
