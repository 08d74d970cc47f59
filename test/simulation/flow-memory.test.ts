// What a tenant and class keeps in the gateway, requests that wait and messages of sockets together, against its memory: the pool and the
// sessions as they run, from a seed, with slots that come back late, pools that start anew and a limit that changes, checked after every event.
import { expect, it } from "vitest";
import { WAITING_BYTES_MAX } from "#durable/pool/flow-quotas.ts";
import { configurationOf } from "#durable/pool/pool-configuration.ts";
import { Pool } from "#durable/pool/pool.ts";
import { validateConfiguration } from "#shared/config/validate.ts";
import { RESUME } from "#shared/resume/bounds.ts";
import { canPush, openSession, type GatewaySession } from "#shared/resume/gateway-session.ts";
import { stepGateway, type GatewayInput } from "#shared/resume/step-gateway.ts";
import { KIB_BYTES } from "#shared/units.ts";
import { kernels } from "#test/support/kernels.ts";
import { seededRandom } from "#test/wasm/seeded-random.ts";

const KEY = { kty: "OKP", crv: "Ed25519", alg: "EdDSA", kid: "k", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" };
const FLOW = "t/gold";
/** Who holds the slots of sockets. */
const OBJECT = "object";
const SEEDS = process.env["TIDEGATE_LONG"] === "1" ? 2_000 : 100;
const EVENTS = 400;

/** What is broken in a canary. */
type Fault = "windows" | "slots" | "waiting";

interface Socket {
  readonly slotId: string;
  state: GatewaySession;
}

function configured(version: number, memoryBytesMax: number, slots: number) {
  const gold = { memoryBytesMax, slots };
  const validated = validateConfiguration([
    { file: "classes.yaml", document: { classes: { gold: { weight: 1, reserve: 0 } } } },
    { file: "services/svc.yaml", document: { service: "svc", endpoints: [{ url: "https://e.example", capacity: 24 }] } },
    { file: "tenants/t.yaml", document: { tenant: "t", keys: { jwks: [KEY] }, services: { svc: { gold } } } },
  ]);
  if (!validated.ok) throw new Error(JSON.stringify(validated.errors));
  return configurationOf("svc", version, validated.configuration);
}

/** How full it was at the most; throws where more is kept than may be. */
function run(seed: number, fault: Fault | null): { readonly most: number; readonly refused: number; readonly sockets: number } {
  const random = seededRandom(seed);
  const any = <T>(from: Iterable<T>): T | undefined => [...from][random.below(Math.max(1, [...from].length))];
  const slots = 2 + random.below(40);
  let memoryMax = (100 + random.below(2_000)) * KIB_BYTES;
  let [nowMs, version, named] = [1_000, 1, 0];
  let pool = new Pool(kernels({ memoryBytes: 2 * 2 ** 20 }), nowMs);
  pool.configure(configured(version, memoryMax, slots), { nextNumber: 1, nowMs });
  /** More than the limit only where that was made smaller, and then never growing. */
  let bound = memoryMax;
  const waiting = new Map<string, "request" | "socket">();
  const running = new Set<string>();
  const sockets = new Map<string, Socket>();
  const late = new Set<string>();
  const total = { most: 0, refused: 0, sockets: 0 };

  const granted = (slotId: string, kind: "request" | "socket", memoryBytes: number | undefined): void => {
    if (kind === "request") return void running.add(slotId);
    total.sockets += 1;
    if (memoryBytes === undefined) throw new Error("a socket was given no part of the memory");
    pool.ledger.keep(slotId, "h", OBJECT);
    const windowBytes = fault === "windows" ? RESUME.windowBytesMax : Math.floor(memoryBytes / 4);
    const opened = { ...openSession({ sessionId: slotId, shardId: "s", random: "r" }, nowMs), windowBytes };
    const hello = { type: "hello", attempt: 1, received: 0 } as const;
    sockets.set(slotId, { slotId, state: stepGateway(opened, { kind: "hello", secret: "r", hello, random: "" }, nowMs).state });
  };
  const decide = (): void => {
    for (const { slotId, verdict } of [...pool.takeDisplaced(nowMs), ...pool.decide(nowMs)]) {
      const kind = waiting.get(slotId);
      waiting.delete(slotId);
      if (kind === undefined) continue;
      if (verdict.ok) granted(slotId, kind, verdict.slot.memoryBytes);
      else total.refused += 1;
    }
  };
  const ask = (kind: "request" | "socket"): void => {
    const slotId = `r${(named += 1)}`;
    const request = { slotId, holder: "h", service: "svc", flow: FLOW, urgency: 3, affinityKey: null, device: slotId } as const;
    const verdict = pool.acquire({ ...request, kind, waitMsMax: 5_000, configurationVersion: version }, nowMs);
    if (verdict === null) waiting.set(slotId, kind);
    else if (verdict.ok) granted(slotId, kind, verdict.slot.memoryBytes);
    else total.refused += 1;
  };
  const step = (socket: Socket | undefined, input: (state: GatewaySession) => GatewayInput | null): void => {
    const given = socket === undefined ? null : input(socket.state);
    if (socket !== undefined && given !== null) socket.state = stepGateway(socket.state, given, nowMs).state;
  };
  const payload = (): string => "x".repeat(1 + random.below(random.below(4) === 0 ? 40_000 : 4_000));
  const end = (): void => {
    const socket = any(sockets.values());
    if (socket === undefined) return;
    // Its slot comes back with what it keeps, or later; never before.
    if (fault === "slots") pool.ledger.release(socket.slotId, OBJECT);
    else sockets.delete(socket.slotId);
    if (random.below(3) === 0) late.add(socket.slotId);
    else pool.ledger.release(socket.slotId, OBJECT);
  };
  const restart = (): void => {
    const rows = structuredClone(pool.ledger.toRows());
    const { configuration, shards } = pool;
    pool = new Pool(kernels({ memoryBytes: 2 * 2 ** 20 }), nowMs);
    pool.load({ configuration, shards, rows, tableVersion: 1, limits: {} }, nowMs);
    for (const [slotId, kind] of waiting) if (fault !== "waiting" || kind === "socket") waiting.delete(slotId);
    running.clear();
  };
  const limit = (): void => {
    memoryMax = (100 + random.below(2_000)) * KIB_BYTES;
    pool.configure(configured((version += 1), memoryMax, slots), { nextNumber: 1, nowMs });
  };
  const actions: readonly (readonly [weight: number, act: () => void])[] = [
    [12, () => ask("socket")],
    [12, () => ask("request")],
    [40, () => step(any(sockets.values()), (state) => push(state, payload()))],
    [40, () => step(any(sockets.values()), (state) => said(state, payload()))],
    [8, () => step(any(sockets.values()), (state) => ({ kind: "delivered", upTo: state.received + state.pending.length }))],
    [4, () => step(any(sockets.values()), acked)],
    [6, end],
    [8, () => void pool.giveBack(take(running, any(running)), "h", nowMs)],
    [3, () => late.forEach((slotId) => late.delete(slotId) && pool.ledger.release(slotId, OBJECT))],
    [1, restart],
    [1, limit],
  ];
  const weights = actions.reduce((sum, [weight]) => sum + weight, 0);
  for (let event = 0; event < EVENTS; event += 1) {
    nowMs += random.below(400);
    let at = random.below(weights);
    actions.find(([weight]) => (at -= weight) < 0)?.[1]();
    decide();
    const kept = [...sockets.values()].reduce((sum, { state }) => sum + keptBy(state), 0) + waiting.size * WAITING_BYTES_MAX;
    const counted = pool.gate.memoryUsed(FLOW, pool.ledger);
    bound = Math.max(memoryMax, Math.min(bound, counted));
    if (kept > counted) throw new Error(`seed ${seed}, event ${event}: ${kept} bytes are kept, ${counted} are counted`);
    if (counted > bound) throw new Error(`seed ${seed}, event ${event}: ${counted} bytes are counted, ${bound} may be`);
    total.most = Math.max(total.most, kept / memoryMax);
  }
  return total;
}

const keptBy = ({ outbound, pending }: GatewaySession): number => outbound.keptBytes + pending.reduce((sum, bytes) => sum + bytes, 0);

const push = (state: GatewaySession, payload: string): GatewayInput | null =>
  canPush(state, payload.length) ? { kind: "push", payload } : null;

/** By a device that knows of no window; where it is put off it comes back at once. */
function said({ received, pending, attempt, detachedAtMs }: GatewaySession, payload: string): GatewayInput {
  const hello = { type: "hello", attempt: attempt + 1, received: 0 } as const;
  if (detachedAtMs !== null) return { kind: "hello", secret: "r", hello, random: "r" };
  return { kind: "frame", attempt, frame: { type: "message", sequence: received + pending.length + 1, payload }, random: "" };
}

const acked = ({ outbound, attempt }: GatewaySession): GatewayInput => ({
  kind: "frame",
  attempt,
  frame: { type: "ack", sequence: outbound.sent },
  random: "",
});

function take(from: Set<string>, one: string | undefined): readonly string[] {
  return one !== undefined && from.delete(one) ? [one] : [];
}

it(`what is kept is counted, and what is counted is within the limit, for ${SEEDS} seeds`, { timeout: 600_000 }, () => {
  const results = Array.from({ length: SEEDS }, (_, seed) => run(seed + 1, null));
  // It meets what it is for.
  expect(Math.max(...results.map(({ most }) => most))).toBeGreaterThan(0.8);
  for (const of of ["refused", "sockets"] as const) expect(results.reduce((sum, result) => sum + result[of], 0)).toBeGreaterThan(5 * SEEDS);
});

it.for([
  { name: "sessions take whole windows", fault: "windows" },
  { name: "a slot comes back before what it stands for is gone", fault: "slots" },
  { name: "requests wait on that a pool which has started anew knows nothing of", fault: "waiting" },
] as const)("canary: the simulation finds that $name", ({ fault }) => {
  expect(() => Array.from({ length: SEEDS }, (_, seed) => run(seed + 1, fault))).toThrow(/bytes are kept/);
});
