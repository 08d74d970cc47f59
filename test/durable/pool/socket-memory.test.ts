// What sockets and waiting requests of a tenant and class keep between them is never more than its memory.
import { describe, expect, it } from "vitest";
import { flowStatsOf } from "#durable/pool/flow-stats.ts";
import { flowLimitsOf, FlowQuotas, PACED_BYTES_MAX, WAITING_BYTES_MAX } from "#durable/pool/flow-quotas.ts";
import { configurationOf } from "#durable/pool/pool-configuration.ts";
import { Pool } from "#durable/pool/pool.ts";
import { SOCKET_BYTES_MIN, socketBytesOf } from "#durable/pool/socket-memory.ts";
import { validateConfiguration } from "#shared/config/validate.ts";
import type { AcquireRequest } from "#shared/protocol/pool-rpc.ts";
import { RESUME } from "#shared/resume/bounds.ts";
import { MIB_BYTES } from "#shared/units.ts";
import { kernels } from "#test/support/kernels.ts";

const KEY = { kty: "OKP", crv: "Ed25519", alg: "EdDSA", kid: "k", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" };
const FLOW = "t/gold";

function configured(version: number, gold: object, { capacity = 10, ...more }: { capacity?: number; sockets?: object; shards?: object }) {
  const validated = validateConfiguration([
    { file: "classes.yaml", document: { classes: { gold: { weight: 1, reserve: 0 } } } },
    { file: "services/svc.yaml", document: { service: "svc", endpoints: [{ url: "https://e.example", capacity }], ...more } },
    { file: "tenants/t.yaml", document: { tenant: "t", keys: { jwks: [KEY] }, services: { svc: { gold } } } },
  ]);
  if (!validated.ok) throw new Error(JSON.stringify(validated.errors));
  return configurationOf("svc", version, validated.configuration);
}

function poolOf(gold: object, more: { capacity?: number; sockets?: object; shards?: object } = {}) {
  let version = 1;
  let count = 0;
  const pool = new Pool(kernels({ memoryBytes: 2 * 2 ** 20 }), 0);
  pool.configure(configured(version, gold, more), { nextNumber: 1, nowMs: 0 });
  const ask = (of: Pick<AcquireRequest, "kind"> & Partial<AcquireRequest>, into = pool) => {
    const named = { slotId: `r${(count += 1)}`, holder: "h", service: "svc", flow: FLOW, affinityKey: null } as const;
    const request = { ...named, urgency: 3, device: `d${count}`, waitMsMax: 1_000, configurationVersion: version, ...of };
    const verdict = into.acquire(request, 0);
    const decided = into.decide(0).find(({ slotId }) => slotId === request.slotId)?.verdict;
    return { slotId: request.slotId, verdict: verdict ?? decided ?? null };
  };
  const limit = (next: object): void => {
    version += 1;
    pool.configure(configured(version, next, more), { nextNumber: 1, nowMs: 0 });
  };
  const bytes = (): number | null =>
    flowStatsOf(pool, { latency: { [FLOW]: { counts: [], sumMs: 0 } } as never, outcomes: {} }).find(({ flow }) => flow === FLOW)
      ?.memoryBytes ?? null;
  return { pool, ask, limit, bytes, socket: (of: Partial<AcquireRequest> = {}) => ask({ kind: "socket", ...of }) };
}

describe("a socket is given", () => {
  const free = { messageBytesMax: RESUME.messageBytesMax, perTenantMax: null };
  it.for([
    ["nothing where there is no limit", { slots: 5 }, free, null],
    ["its part of half the memory", { slots: 8, memoryBytesMax: 16 * MIB_BYTES }, free, MIB_BYTES],
    ["more where fewer may be open", { slots: 8, memoryBytesMax: 16 * MIB_BYTES }, { ...free, perTenantMax: 4 }, 2 * MIB_BYTES],
    ["two whole windows at most", { slots: 1, memoryBytesMax: 1_024 * MIB_BYTES }, free, 2 * RESUME.windowBytesMax],
    ["a little at least, so that thousands fit", { slots: 10_000, memoryBytesMax: 256 * MIB_BYTES }, free, SOCKET_BYTES_MIN],
    ["a part for a thousand where nothing says how many", { memoryBytesMax: 1_024 * MIB_BYTES }, free, MIB_BYTES / 2],
    ["a message at least, of those that may be", { memoryBytesMax: MIB_BYTES }, { ...free, messageBytesMax: 100_000 }, 400_000],
    [
      "of a flow whose bodies are paced, what they do not take",
      { memoryBytesMax: 32 * MIB_BYTES, bandwidthBytesPerSecond: 9_999 },
      free,
      65_536,
    ],
  ] as const)("%s", ([, quota, limits, want]) => {
    expect(socketBytesOf(flowLimitsOf({ weight: 1, mode: "enforce", ...quota }), limits)).toBe(want);
  });
});

it.for([1, 2, 3, 7])(
  "the memory of a tenant and class is divided among %i regions, to the byte that their queues may keep",
  (poolCount) => {
    for (const memoryBytesMax of [0, 100_000, 1_000_000, 77_777_777]) {
      const partOf = (isHome: boolean) => {
        const quotas = new FlowQuotas();
        quotas.configure({ [FLOW]: { weight: 1, mode: "enforce", memoryBytesMax, queueLengthMax: 500 } }, { poolCount, isHome });
        const limits = quotas.limitsOf(FLOW);
        expect(limits.queueLengthMax * WAITING_BYTES_MAX).toBeLessThanOrEqual(limits.memory?.sharedBytes ?? 0);
        return limits.memory?.sharedBytes ?? 0;
      };
      expect(partOf(true) + (poolCount - 1) * partOf(false)).toBe(memoryBytesMax);
    }
  },
);

describe("the memory of a tenant and class", () => {
  const memoryBytesMax = 4 * SOCKET_BYTES_MIN;

  it("holds so many sockets, refuses one more by its name and number, and takes it when one has ended", () => {
    const { pool, socket, bytes } = poolOf({ memoryBytesMax });
    const opened = [1, 2, 3, 4].map(() => socket());
    expect(opened.map(({ verdict }) => verdict)).toMatchObject(opened.map(() => ({ ok: true, slot: { memoryBytes: SOCKET_BYTES_MIN } })));
    expect(bytes()).toBe(memoryBytesMax);
    const violated = [{ kind: "memory", quota: memoryBytesMax, remaining: 0 }];
    const detail = `A socket of your tenant and class takes 65536 of its ${memoryBytesMax} bytes of memory, and 0 are left for it.`;
    expect(socket().verdict).toMatchObject({ ok: false, outcome: "rejected-quota", retryAfterMs: 5_000, violated, detail });
    pool.ledger.release(opened[0]?.slotId ?? "", "h");
    expect(socket().verdict).toMatchObject({ ok: true });
  });

  it("that holds none refuses every one", () => {
    const { verdict } = poolOf({ memoryBytesMax: SOCKET_BYTES_MIN - 1 }).socket();
    expect(verdict).toMatchObject({ ok: false, outcome: "rejected-quota" });
    // There is nothing to wait for.
    expect(verdict).not.toHaveProperty("retryAfterMs");
  });

  it("is shared with requests that wait: each takes from the other", () => {
    const { ask, socket, bytes } = poolOf({ memoryBytesMax }, { capacity: 3 });
    for (const verdict of [socket(), socket(), socket()]) expect(verdict).toMatchObject({ verdict: { ok: true } });
    // A socket's worth is left, which is one request that waits, not the seven of a flow without sockets.
    expect(ask({ kind: "request" }).verdict).toBeNull();
    expect(bytes()).toBe(3 * SOCKET_BYTES_MIN + WAITING_BYTES_MAX);
    const violated = [{ kind: "memory", quota: memoryBytesMax, remaining: 0 }];
    expect(ask({ kind: "request" }).verdict).toMatchObject({ ok: false, outcome: "rejected-queue-full", violated });
    // And what waits leaves no room for another socket.
    expect(socket().verdict).toMatchObject({ ok: false, violated: [{ kind: "memory", remaining: SOCKET_BYTES_MIN - WAITING_BYTES_MAX }] });
  });

  it("is looked at again when a socket that waited gets its slot", () => {
    const { pool, ask, socket } = poolOf({ memoryBytesMax: 120 * 1_024 }, { capacity: 2 });
    const before = [ask({ kind: "request" }), ask({ kind: "request" })];
    const [first, second] = [socket(), socket()];
    expect([first.verdict, second.verdict]).toEqual([null, null]);
    const slotIds = before.map(({ slotId }) => slotId);
    pool.giveBack(slotIds, "h", 0);
    const became = new Map(pool.decide(0).map(({ slotId, verdict }) => [slotId, verdict]));
    expect(became.get(first.slotId)).toMatchObject({ ok: true, slot: { memoryBytes: SOCKET_BYTES_MIN } });
    expect(became.get(second.slotId)).toMatchObject({ ok: false, violated: [{ kind: "memory", remaining: 56 * 1_024 }] });
  });

  it("is what it was after a restart", () => {
    const { pool, ask, socket, bytes } = poolOf({ memoryBytesMax });
    for (const _ of [1, 2, 3]) socket();
    const again = new Pool(kernels({ memoryBytes: 2 * 2 ** 20 }), 0);
    const { configuration, shards } = pool;
    again.load({ configuration, shards, rows: structuredClone(pool.ledger.toRows()), tableVersion: 1, limits: {} }, 0);
    expect(again.gate.memoryUsed(FLOW, again.ledger)).toBe(bytes());
    expect(ask({ kind: "socket" }, again).verdict).toMatchObject({ ok: true });
    expect(ask({ kind: "socket" }, again).verdict).toMatchObject({ ok: false });
  });

  it("that is made smaller leaves open sockets what they have, and grants nothing until there is room", () => {
    const { pool, socket, limit } = poolOf({ memoryBytesMax });
    const opened = [1, 2, 3, 4].map(() => socket().slotId);
    limit({ memoryBytesMax: 2 * SOCKET_BYTES_MIN });
    const open = () => pool.ledger.named.map(({ memoryBytes }) => memoryBytes);
    expect(open()).toEqual(opened.map(() => SOCKET_BYTES_MIN));
    for (const slotId of opened.slice(0, 3)) {
      expect(socket().verdict).toMatchObject({ ok: false });
      pool.ledger.release(slotId, "h");
    }
    expect(socket().verdict).toMatchObject({ ok: true });
  });

  it("that is given to a flow with open sockets counts them as new ones, and does not bind them", () => {
    const { socket, limit, bytes } = poolOf({});
    const before = [socket(), socket()];
    expect(before.map(({ verdict }) => verdict)).toMatchObject([{ ok: true }, { ok: true }]);
    for (const { verdict } of before) expect((verdict as { slot: object }).slot).not.toHaveProperty("memoryBytes");
    limit({ memoryBytesMax: 3 * SOCKET_BYTES_MIN });
    expect(bytes()).toBe(2 * SOCKET_BYTES_MIN);
    expect([socket(), socket()]).toMatchObject([{ verdict: { ok: true } }, { verdict: { ok: false } }]);
    // One that moves is as free as it was.
    expect(socket({ isMove: true, inPlaceOf: before[0]?.slotId }).verdict).not.toHaveProperty("slot.memoryBytes");
    limit({});
    expect(socket().verdict).toMatchObject({ ok: true });
  });

  it("counts a session that moves once, with what it was opened with, also where that is less now and nothing is left", () => {
    const { pool, socket, limit, bytes } = poolOf({ memoryBytesMax: 2 * SOCKET_BYTES_MIN }, { shards: { sizeMin: 5, sizeMax: 5 } });
    const [first] = [socket(), socket()];
    pool.ledger.keep(first.slotId, "h", "object");
    limit({ memoryBytesMax: SOCKET_BYTES_MIN });
    const moved = socket({ isMove: true, inPlaceOf: first.slotId, device: pool.ledger.slot(first.slotId)?.device ?? "" });
    expect(moved.verdict).toMatchObject({ ok: true, slot: { memoryBytes: SOCKET_BYTES_MIN } });
    expect(bytes()).toBe(2 * SOCKET_BYTES_MIN);
    pool.ledger.release(first.slotId, "object");
    expect(bytes()).toBe(2 * SOCKET_BYTES_MIN);
    pool.ledger.release(moved.slotId, "h");
    expect(bytes()).toBe(SOCKET_BYTES_MIN);
  });

  it("in shadow refuses nobody, and counts who would have been", () => {
    const { pool, socket, bytes } = poolOf({ memoryBytesMax, mode: "shadow" });
    for (const _ of [1, 2, 3, 4]) expect(socket().verdict).not.toHaveProperty("slot.memoryBytes");
    expect(pool.gate.takeShadow()).toEqual({});
    expect(bytes()).toBe(memoryBytesMax);
    expect(socket().verdict).toMatchObject({ ok: true });
    expect(pool.gate.takeShadow()).toEqual({ [`${FLOW} memory`]: 1 });
  });

  it("counts beside what paced bodies take", () => {
    const { socket, bytes } = poolOf({ memoryBytesMax: 16 * PACED_BYTES_MAX, bandwidthBytesPerSecond: 1_000_000 });
    expect(socket().verdict).toMatchObject({ ok: true, slot: { memoryBytes: SOCKET_BYTES_MIN } });
    expect(bytes()).toBe(SOCKET_BYTES_MIN + PACED_BYTES_MAX);
  });
});
