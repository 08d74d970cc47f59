import { beforeEach, expect, it, vi } from "vitest";
import { LeaseLedger } from "#durable/lease/lease-ledger.ts";
import type { LedgerPolicy } from "#durable/lease/lease-policy.ts";
import { HomeLease } from "#durable/pool/home-lease.ts";
import { HomeRenewals } from "#durable/pool/home-renewals.ts";
import type { Pool } from "#durable/pool/pool.ts";
import { RegionalSockets } from "#durable/pool/regional-sockets.ts";
import { RegionalTelemetry } from "#durable/pool/regional-telemetry.ts";
import type { RenewAnswer, RenewMessage } from "#shared/protocol/pool-rpc.ts";

const FLOW = "acme/gold";
const COUNT = 2_500;
const POLICY: LedgerPolicy = {
  capacity: COUNT + 1,
  lanes: new Map([["e", COUNT + 1]]),
  classes: new Map([["gold", { weight: 1, reserve: 0 }]]),
  flow: () => ({ className: "gold", weight: 1, slotsMax: COUNT + 1, rate: null }),
  requestDurationMsMax: 5_000,
  lentDurationMsMax: 10_000,
  holdersMax: 3,
  flowsPerHolderMax: 10,
};
const SLOT = { owner: "edge", flow: FLOW, lane: "e", shardId: "s", lifeMs: 60_000, isDurable: true, device: "d" };

beforeEach(() => {
  vi.spyOn(console, "warn").mockImplementation(() => undefined);
});

/** A regional pool with so many sockets' slots, between whose calls nothing else happens. */
function regionalPool(isReachable: (call: number) => boolean) {
  const nowMs = Date.now();
  const ledger = new LeaseLedger(POLICY, nowMs);
  for (let index = 0; index < COUNT; index += 1) ledger.acquire({ ...SLOT, slotId: `s${index}` }, nowMs);
  const atHome = new LeaseLedger(POLICY, nowMs);
  const flows = [{ flow: FLOW, want: COUNT + 1, running: COUNT + 1, keep: COUNT + 1, tokensWant: 0, tokensHeld: 0, tokensReturned: 0 }];
  const lanes = [{ lane: "e", want: COUNT + 1, running: COUNT + 1, keep: COUNT + 1 }];
  atHome.renew({ holder: "apac", sequence: 1, appliedSequence: 0, lentTo: 1, flows, lanes, adopted: [] }, nowMs);
  const calls: number[] = [];
  const renew = async ({ lease }: RenewMessage): Promise<RenewAnswer> => {
    calls.push(lease.handed?.length ?? 0);
    if (!isReachable(calls.length)) throw new Error("as a home pool that cannot be reached");
    return Promise.resolve({
      lease: atHome.renew(lease, Date.now()),
      table: null,
      sheds: [],
      left: [],
      isContended: false,
      configurationVersion: 1,
    });
  };
  const configuration = { name: "echo", version: 1, region: "apac", service: null };
  const pool = { configuration, ledger, queueLength: 0, routes: { version: 0 }, policyChanged: () => undefined } as unknown as Pool;
  const renewals: HomeRenewals = new HomeRenewals(pool, {
    homeOf: () => ({ renew }),
    home: new HomeLease(),
    telemetry: new RegionalTelemetry(),
    sockets: () => sockets,
    life: () => 1,
    // As its object does after every event.
    onAnswer: () => renewals.renewDue(Date.now()),
  });
  const sockets = new RegionalSockets({
    ledger: () => ledger,
    renew: async () => renewals.renewNow(),
    home: () => ({ keep: async () => Promise.resolve(false), release: async () => Promise.resolve({ freed: false }) }),
  });
  /** What follows by itself. */
  const settled = async (): Promise<void> => {
    for (let turn = 0; turn < 100; turn += 1) await Promise.resolve();
  };
  return { ledger, renewals, sockets, calls, settled };
}

it("sockets' slots that are more than one request names go home in requests on end, without an event in between", async () => {
  const { ledger, renewals, sockets, calls, settled } = regionalPool(() => true);
  sockets.open();
  await renewals.renewNow();
  await settled();
  expect([calls, ledger.slotsOut]).toEqual([[1_024, 1_024, COUNT - 2_048], 0]);
});

it("of a home pool that does not answer nothing is asked again at once", async () => {
  const { renewals, sockets, calls, settled } = regionalPool((call) => call === 1);
  sockets.open();
  await renewals.renewNow();
  await settled();
  expect(calls).toEqual([1_024, 1_024]);
});

it("a socket that opens after the start is taken over when those from before it have been", async () => {
  const { ledger, sockets, calls } = regionalPool(() => true);
  sockets.open();
  ledger.acquire({ ...SLOT, slotId: "new" }, Date.now());
  expect([await sockets.keep("new", "edge", "shard"), calls.slice(0, 3)]).toEqual([true, [1_024, 1_024, COUNT - 2_048 + 1]]);
});

it("where home does not answer its taking over fails after two calls", async () => {
  const { ledger, sockets, calls } = regionalPool(() => false);
  sockets.open();
  ledger.acquire({ ...SLOT, slotId: "new" }, Date.now());
  await expect(sockets.keep("new", "edge", "shard")).rejects.toThrow("the home pool does not answer");
  expect(calls).toEqual([1_024, 1_024]);
});

it("of a socket that ends while it waits home is not asked on", async () => {
  const { ledger, sockets, calls } = regionalPool(() => true);
  sockets.open();
  ledger.acquire({ ...SLOT, slotId: "new" }, Date.now());
  const kept = expect(sockets.keep("new", "edge", "shard")).rejects.toThrow("the home pool does not answer");
  sockets.releaseHere({ slotId: "new", holder: "shard", flow: FLOW, outcome: "cancelled" });
  await kept;
  expect([calls.slice(0, 3), calls.length < 5]).toEqual([[1_024, 1_024, COUNT - 2_048], true]);
});
