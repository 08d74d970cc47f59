import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SlotLedger, type LedgerShard } from "#durable/lease/ledger.ts";

const SHARDS: readonly LedgerShard[] = [
  { shardId: "s-1", endpointUrl: "https://a", size: 2, state: "active" },
  { shardId: "s-2", endpointUrl: "https://a", size: 2, state: "active" },
  { shardId: "s-3", endpointUrl: "https://b", size: 1, state: "draining" },
];
/** Less than its shards' sizes together: the endpoint binds before they do. */
const CAPACITY = new Map([
  ["https://a", 3],
  ["https://b", 1],
]);

function ledgerOf(): SlotLedger {
  const ledger = new SlotLedger();
  ledger.configure(SHARDS, CAPACITY);
  return ledger;
}

function take(
  ledger: SlotLedger,
  slotId: string,
  more: { shardId?: string; holder?: string; kind?: "request" | "socket"; expiresAtMs?: number } = {},
) {
  return ledger.acquire({ slotId, shardId: "s-1", holder: "h", flow: "acme/gold", kind: "request", nowMs: 0, expiresAtMs: 1_000, ...more });
}

describe("a slot", () => {
  it("is not granted beyond a shard's size", () => {
    const ledger = ledgerOf();
    take(ledger, "1");
    take(ledger, "2");
    expect(ledger.hasRoom("s-1")).toBe(false);
    expect(() => take(ledger, "3")).toThrow("room");
  });

  it("is not granted beyond the endpoint's capacity, though another of its shards has places", () => {
    const ledger = ledgerOf();
    take(ledger, "1");
    take(ledger, "2");
    take(ledger, "3", { shardId: "s-2" });
    expect(ledger.inUse("s-2")).toBe(1);
    expect(ledger.hasRoom("s-2")).toBe(false);
  });

  it("is not granted on a draining or an unknown shard", () => {
    const ledger = ledgerOf();
    expect(ledger.hasRoom("s-3")).toBe(false);
    expect(ledger.hasRoom("nowhere")).toBe(false);
  });

  it.for([
    { name: "released twice frees once", slotId: "1", holder: "h", times: 2 },
    { name: "is not freed by another holder", slotId: "1", holder: "thief", times: 0 },
    { name: "that never was frees nothing", slotId: "9", holder: "h", times: 0 },
  ])("$name", ({ slotId, holder, times }) => {
    const ledger = ledgerOf();
    take(ledger, "1");
    const first = ledger.release(slotId, holder);
    expect(first === undefined).toBe(times === 0);
    expect(ledger.release(slotId, holder)).toBeUndefined();
    expect(ledger.inUse("s-1")).toBe(times === 0 ? 1 : 0);
  });

  it("expires at its time and not before", () => {
    const ledger = ledgerOf();
    take(ledger, "1", { expiresAtMs: 1_000 });
    expect(ledger.expire(999)).toEqual([]);
    expect(ledger.expire(1_000).map(({ slotId }) => slotId)).toEqual(["1"]);
    expect(ledger.inUse("s-1")).toBe(0);
    expect(ledger.release("1", "h")).toBeUndefined();
  });

  it("is extended by its holder only, and never backwards", () => {
    const ledger = ledgerOf();
    take(ledger, "1", { expiresAtMs: 1_000 });
    expect(ledger.extend("1", "thief", 9_000)).toBeUndefined();
    expect(ledger.extend("1", "h", 5_000)?.expiresAtMs).toBe(5_000);
    expect(ledger.extend("1", "h", 2_000)?.expiresAtMs).toBe(5_000);
    expect(ledger.expire(4_999)).toEqual([]);
  });

  it("of a socket is kept by its Shard object for as long as it wants; telling twice is telling once", () => {
    const ledger = ledgerOf();
    take(ledger, "1", { kind: "socket" });
    expect(ledger.keep("1", "thief", "shard")).toBeUndefined();
    expect(ledger.keep("1", "h", "shard")?.expiresAtMs).toBeNull();
    expect(ledger.keep("1", "h", "shard")?.holder).toBe("shard");
    expect(ledger.expire(Number.MAX_SAFE_INTEGER)).toEqual([]);
    expect(ledger.release("1", "h")).toBeUndefined();
    expect(ledger.release("1", "shard")).toBeDefined();
  });

  it("of a request is never kept without an expiry", () => {
    const ledger = ledgerOf();
    take(ledger, "1");
    expect(ledger.keep("1", "h", "shard")).toBeUndefined();
  });
});

type Step =
  | { do: "acquire"; slot: number; shard: number; holder: number; kind: "request" | "socket"; lifeMs: number }
  | { do: "release" | "extend" | "keep"; slot: number; holder: number }
  | { do: "pass"; ms: number };

const STEP: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant("acquire" as const),
    slot: fc.nat(12),
    shard: fc.nat(2),
    holder: fc.nat(2),
    kind: fc.constantFrom("request" as const, "socket" as const),
    lifeMs: fc.integer({ min: 1, max: 50 }),
  }),
  fc.record({ do: fc.constantFrom("release" as const, "extend" as const, "keep" as const), slot: fc.nat(12), holder: fc.nat(2) }),
  fc.record({ do: fc.constant("pass" as const), ms: fc.nat(30) }),
);

/** The plainest ledger there is: a list of slots, everything counted anew at every question. */
class ModelLedger {
  slots: { slotId: string; shardId: string; holder: string; kind: string; expiresAtMs: number | null }[] = [];

  hasRoom(shardId: string): boolean {
    const shard = SHARDS.find((candidate) => candidate.shardId === shardId);
    if (shard?.state !== "active") return false;
    const ofEndpoint = this.slots.filter(
      (slot) => SHARDS.find((other) => other.shardId === slot.shardId)?.endpointUrl === shard.endpointUrl,
    );
    return this.inUse(shardId) < shard.size && ofEndpoint.length < (CAPACITY.get(shard.endpointUrl) ?? 0);
  }

  inUse(shardId: string): number {
    return this.slots.filter((slot) => slot.shardId === shardId).length;
  }
}

/** Runs the steps on ledger and model and compares after each; throws at the first difference. */
function runAgainstModel(steps: readonly Step[], ledger: SlotLedger): void {
  const model = new ModelLedger();
  let nowMs = 0;
  for (const step of steps) {
    if (step.do === "pass") {
      nowMs += step.ms;
      ledger.expire(nowMs);
      model.slots = model.slots.filter(({ expiresAtMs }) => expiresAtMs === null || expiresAtMs > nowMs);
    } else applyStep(step, { ledger, model, nowMs });
    for (const { shardId, size } of SHARDS) {
      expect(ledger.inUse(shardId)).toBe(model.inUse(shardId));
      expect(ledger.hasRoom(shardId)).toBe(model.hasRoom(shardId));
      expect(ledger.inUse(shardId)).toBeLessThanOrEqual(size);
    }
    expect(ledger.slots.map(({ slotId }) => slotId).toSorted()).toEqual(model.slots.map(({ slotId }) => slotId).toSorted());
  }
}

function applyStep(
  step: Exclude<Step, { do: "pass" }>,
  { ledger, model, nowMs }: { ledger: SlotLedger; model: ModelLedger; nowMs: number },
): void {
  const [slotId, holder] = [`slot-${step.slot}`, `holder-${step.holder}`];
  const known = model.slots.find((slot) => slot.slotId === slotId);
  if (step.do === "acquire") {
    const shardId = SHARDS[step.shard]?.shardId ?? "";
    if (known !== undefined || !model.hasRoom(shardId)) return;
    const slot = { slotId, shardId, holder, kind: step.kind, expiresAtMs: nowMs + step.lifeMs };
    ledger.acquire({ ...slot, flow: "f", nowMs });
    model.slots.push(slot);
    return;
  }
  const isOwner = known?.holder === holder;
  if (step.do === "release") {
    expect(ledger.release(slotId, holder) !== undefined).toBe(isOwner);
    if (isOwner) model.slots.splice(model.slots.indexOf(known), 1);
  } else if (step.do === "extend") {
    expect(ledger.extend(slotId, holder, nowMs + 40) !== undefined).toBe(isOwner && known.expiresAtMs !== null);
    if (isOwner && known.expiresAtMs !== null) known.expiresAtMs = Math.max(known.expiresAtMs, nowMs + 40);
  } else {
    const isKept = isOwner && known.kind === "socket";
    expect(ledger.keep(slotId, holder, holder) !== undefined).toBe(isKept);
    if (isKept) known.expiresAtMs = null;
  }
}

/** Forgets that a release must come from the owner: the comparison has to notice. */
class BrokenLedger extends SlotLedger {
  override release(slotId: string): ReturnType<SlotLedger["release"]> {
    return super.release(slotId, this.slot(slotId)?.holder ?? "");
  }
}

describe("the ledger", () => {
  it("agrees with the plainest model after every step of any history", () => {
    fc.assert(
      fc.property(fc.array(STEP, { maxLength: 80 }), (steps) => runAgainstModel(steps, ledgerOf())),
      { numRuns: 1_000 },
    );
  });

  it("canary: the same comparison catches a ledger that lets anybody release", () => {
    const broken = (): SlotLedger => {
      const ledger = new BrokenLedger();
      ledger.configure(SHARDS, CAPACITY);
      return ledger;
    };
    expect(() =>
      fc.assert(
        fc.property(fc.array(STEP, { maxLength: 80 }), (steps) => runAgainstModel(steps, broken())),
        { numRuns: 1_000 },
      ),
    ).toThrow();
  });
});
