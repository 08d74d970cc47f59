// A socket's slot in the place of another one: the two count as one until either goes, whatever the order, and over a restart.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LeaseLedger } from "#durable/lease/lease-ledger.ts";
import type { LedgerPolicy } from "#durable/lease/lease-policy.ts";

const CAPACITY = 4;
const policyOf = (capacity: number, slotsMax = 100): LedgerPolicy => ({
  capacity,
  lanes: new Map([
    ["e", capacity],
    ["f", capacity],
  ]),
  classes: new Map([["gold", { weight: 1, reserve: 0 }]]),
  flow: () => ({ className: "gold", weight: 1, slotsMax, rate: null }),
  requestDurationMsMax: 30_000,
  holdersMax: 3,
  flowsPerHolderMax: 2,
});
const SOCKET = { owner: "edge", flow: "acme/gold", lane: "e", shardId: "s-1", lifeMs: 5_000, isDurable: true, device: "d" };

/** Kept by its Shard object. */
function open(ledger: LeaseLedger, slotId: string, more = {}): void {
  expect(ledger.acquire({ ...SOCKET, ...more, slotId }, 0)).not.toBeNull();
  expect(ledger.keep(slotId, "edge", "A")).not.toBeNull();
}

function fullLedger(): LeaseLedger {
  const ledger = new LeaseLedger(policyOf(CAPACITY), 0);
  for (let slot = 1; slot <= CAPACITY; slot += 1) open(ledger, `${slot}`);
  return ledger;
}

const move = (ledger: LeaseLedger, [slotId, inPlaceOf]: readonly [slotId: string, inPlaceOf: string], more = {}) =>
  ledger.acquire({ ...SOCKET, shardId: "s-2", slotId, inPlaceOf, ...more }, 1);
const stateOf = (ledger: LeaseLedger) => [ledger.slotsOut, ledger.slotsOfLane("e"), ledger.slotsOfFlow("acme/gold"), ledger.slotsFree];

describe("a slot in the place of another one", () => {
  it("needs none that is free, and is the only one when the other is released: nobody gets between them", () => {
    const ledger = fullLedger();
    expect(ledger.acquire({ ...SOCKET, slotId: "stranger" }, 1)).toBeNull();
    expect(move(ledger, ["new", "1"])).toMatchObject({ slotId: "new", shardId: "s-2" });
    expect(stateOf(ledger)).toEqual([4, 4, 4, 0]);
    expect(ledger.keep("new", "edge", "B")).not.toBeNull();
    expect(ledger.release("1", "A")).toBe(true);
    expect(stateOf(ledger)).toEqual([4, 4, 4, 0]);
    expect(ledger.acquire({ ...SOCKET, slotId: "stranger" }, 2)).toBeNull();
    expect(ledger.release("new", "B")).toBe(true);
    expect(stateOf(ledger)).toEqual([3, 3, 3, 1]);
  });

  it("that is given back frees nothing: the other one has it still", () => {
    const ledger = fullLedger();
    move(ledger, ["new", "1"]);
    expect(ledger.release("new", "edge")).toBe(true);
    expect(stateOf(ledger)).toEqual([4, 4, 4, 0]);
    expect(move(ledger, ["again", "1"])).not.toBeNull();
    ledger.release("1", "A");
    expect(stateOf(ledger)).toEqual([4, 4, 4, 0]);
  });

  it("that nobody takes over ends, and frees nothing", () => {
    const ledger = fullLedger();
    move(ledger, ["new", "1"]);
    for (let atMs = 0; atMs <= 6_000; atMs += 500) ledger.tick(atMs);
    expect([ledger.slot("new"), ...stateOf(ledger)]).toEqual([undefined, 4, 4, 4, 0]);
  });

  it("is asked for again with the same answer, and by two at a time only once", () => {
    const ledger = fullLedger();
    const first = move(ledger, ["new", "1"]);
    expect(move(ledger, ["new", "1"])).toEqual(first);
    expect(move(ledger, ["other", "1"])).toBeNull();
    // Nor in the place of one that is itself in another's.
    ledger.keep("new", "edge", "B");
    expect(move(ledger, ["third", "new"])).toBeNull();
    ledger.release("1", "A");
    expect(move(ledger, ["third", "new"])).not.toBeNull();
  });

  it.for([
    { name: "of another lane", more: { lane: "f" } },
    { name: "of another flow", more: { flow: "acme/silver" } },
    { name: "of another device", more: { device: "e" } },
    { name: "of one that is not there", more: { inPlaceOf: "9" } },
  ])("$name is none: it needs a slot of its own", ({ more }) => {
    expect(move(fullLedger(), ["new", "1"], more)).toBeNull();
  });

  it("of one that no Shard object has taken over yet is none", () => {
    const ledger = new LeaseLedger(policyOf(1), 0);
    ledger.acquire({ ...SOCKET, slotId: "1" }, 0);
    expect(move(ledger, ["new", "1"])).toBeNull();
  });

  it("is not given where the lane has more than it may by now: it would never get fewer", () => {
    const ledger = fullLedger();
    ledger.configure(policyOf(CAPACITY - 1), 1);
    expect(move(ledger, ["new", "1"])).toBeNull();
  });

  it("is given to a flow that has more than its limit by now: it is not one more", () => {
    const ledger = fullLedger();
    ledger.configure(policyOf(CAPACITY, 1), 1);
    expect(move(ledger, ["new", "1"])).not.toBeNull();
    ledger.release("1", "A");
    expect(stateOf(ledger)).toEqual([4, 4, 4, 0]);
  });

  it("never makes the sum more than there is, nor a session's less than one, in any order and over restarts", () => {
    const step = fc.record({ kind: fc.constantFrom("open", "move", "keep", "release", "restart", "pass"), pick: fc.nat(20) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let ledger = new LeaseLedger(policyOf(CAPACITY), 0);
        let [nowMs, next] = [0, 0];
        for (const { kind, pick } of steps) {
          const named = ledger.named;
          const slot = named[pick % Math.max(1, named.length)];
          if (kind === "open") ledger.acquire({ ...SOCKET, slotId: `${(next += 1)}` }, nowMs);
          else if (kind === "pass") for (let count = 0; count <= pick; count += 1) ledger.tick((nowMs += 400));
          else if (kind === "restart") {
            const rows = ledger.toRows();
            const slots = pick % 2 === 0 ? rows.slots : rows.slots.toReversed();
            ledger = LeaseLedger.fromRows(policyOf(CAPACITY), { ...rows, slots }, nowMs);
          } else if (slot === undefined) continue;
          else if (kind === "move") ledger.acquire({ ...SOCKET, slotId: `${(next += 1)}`, inPlaceOf: slot.slotId }, nowMs);
          else if (kind === "keep") ledger.keep(slot.slotId, "edge", "A");
          else ledger.release(slot.slotId, slot.owner);
          // Each counts, unless the one in whose place it is does.
          const ids = new Set(ledger.named.map(({ slotId }) => slotId));
          const counted = ledger.named.filter(({ inPlaceOf }) => inPlaceOf === undefined || !ids.has(inPlaceOf)).length;
          expect([ledger.slotsOut, ledger.slotsOfLane("e"), ledger.slotsOfFlow("acme/gold")]).toEqual([counted, counted, counted]);
          expect(counted).toBeLessThanOrEqual(CAPACITY);
        }
      }),
      { numRuns: 500 },
    );
  });
});
