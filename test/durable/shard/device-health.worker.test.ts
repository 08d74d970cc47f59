// Devices' reports, in band and over HTTP, through the real gateway, Shard objects and pool: who is moved, what is drained, who is asked.
import { env, exports } from "cloudflare:workers";
import { runDurableObjectAlarm } from "cloudflare:test";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { SessionReports } from "#durable/shard/session-reports.ts";
import { Shard } from "#durable/shard/shard-object.ts";
import { mintToken } from "#shared/identifier/token.ts";
import { encodeEvents, EventParser, type SocketEvent } from "#shared/protocol/websocket-events.ts";
import { poolName } from "#shared/protocol/pool-rpc.ts";
import { REGISTRY_NAME } from "#shared/protocol/registry-rpc.ts";
import { shardObjectName } from "#shared/protocol/shard-rpc.ts";
import { parseResumeToken } from "#shared/resume/resume-token.ts";
import { SECOND_MS } from "#shared/units.ts";
import { documentsOf } from "../../support/worker/configuration.ts";

const { default: gateway } = exports as unknown as { readonly default: Fetcher };
const TENANTS = ["t-1", "t-2", "t-3", "t-4"];
const SERVICES = ["ill", "ill-shadow", "lone", "posted", "strange", "pushed", "deaf", "breaking"];
const ROUND_MS = 6 * SECOND_MS;
/** A shard tells its pool what it heard so long after the first of it. */
const NEWS_MS = 5 * SECOND_MS;
const SLOW_MS = 900;
const WELL_MS = 20;

const realNow = Date.now.bind(Date);
let offsetMs = 0;
/** In band. */
let reportsTaken = 0;
let version = 0;
let signer: CryptoKeyPair;

beforeAll(async () => {
  signer = (await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"])) as CryptoKeyPair;
  const { kty, crv, x } = (await crypto.subtle.exportKey("jwk", signer.publicKey)) as JsonWebKey;
  const services = SERVICES.map((service) => ({
    service,
    capacity: 60,
    more: {
      shards: { sizeMin: 20, sizeMax: 20, countMin: 1, countMax: 3 },
      sockets: { health: service === "ill-shadow" ? "shadow" : "act" },
    },
  }));
  const entitlements = Object.fromEntries(SERVICES.map((service) => [service, { gold: {} }]));
  const keys = { jwks: [{ kty, crv, x, alg: "EdDSA", kid: "own" }] };
  const documents = [
    ...documentsOf(services).filter(({ file }) => !file.startsWith("tenants/")),
    ...TENANTS.map((tenant) => ({ file: `tenants/${tenant}.yaml`, document: { tenant, keys, services: entitlements } })),
  ];
  const applied = await env.REGISTRY.get(env.REGISTRY.idFromName(REGISTRY_NAME)).apply(documents);
  if (!applied.ok) throw new Error(JSON.stringify(applied.errors));
  ({ version } = applied);
});

beforeEach(() => {
  const { take } = SessionReports.prototype;
  vi.spyOn(SessionReports.prototype, "take").mockImplementation(function (this: SessionReports, ...input) {
    take.apply(this, input);
    reportsTaken += 1;
  });
  vi.spyOn(Date, "now").mockImplementation(() => realNow() + offsetMs);
  // The network's, not ours: the test runner has no endpoint to offer.
  vi.spyOn(globalThis, "fetch").mockImplementation(async (_input, init) => {
    const events = new EventParser(1_000_000).push(init?.body as Uint8Array);
    if ("ok" in events) throw new Error(events.detail);
    const answers = events.flatMap((event): SocketEvent[] => (event.type === "TEXT" ? [{ type: "TEXT", text: `echo ${event.text}` }] : []));
    const body = encodeEvents(events[0]?.type === "OPEN" ? [{ type: "OPEN" }] : answers);
    return Promise.resolve(new Response(body, { headers: { "content-type": "application/websocket-events" } }));
  });
});
afterEach(() => vi.restoreAllMocks());

async function tokenFor(claims: { tenant: string; device: string; services: string[]; role?: "service" }): Promise<string> {
  const key = { algorithm: "EdDSA", keyId: "own", key: signer.privateKey } as const;
  const lifetime = { nowMs: Date.now(), lifetimeMs: 3_600_000 };
  return mintToken({ className: "gold", urgencyFirst: 0, audience: env.GATEWAY_NAME, ...lifetime, ...claims, signer: key });
}

class Device {
  readonly service: string;
  readonly tenant: string;
  readonly device: string;
  token = "";
  frames: string[] = [];
  closes: { code: number; reason: string }[] = [];
  #bearer = "";
  #attempt = 0;
  #socket: WebSocket | null = null;

  constructor(service: string, tenant: string, device: string) {
    this.service = service;
    this.tenant = tenant;
    this.device = device;
  }

  get shardId(): string {
    return parseResumeToken(this.token)?.shardId ?? "";
  }

  get told(): readonly string[] {
    return this.frames.filter((frame) => frame.includes('"drain"'));
  }

  async connect(): Promise<this> {
    const { service, tenant, device } = this;
    const claims = { tenant, device, services: [service] };
    this.#bearer = await tokenFor(claims);
    const resume = this.token === "" ? [] : [`tidegate.resume.${this.token}`];
    const protocols = ["tidegate.v1", `tidegate.bearer.${this.#bearer}`, ...resume];
    const response = await gateway.fetch(`https://gateway.example/connect/${service}`, {
      headers: { upgrade: "websocket", "sec-websocket-protocol": protocols.join(", ") },
    });
    const socket = response.webSocket;
    if (socket === null) throw new Error(`status ${response.status}: ${await response.text()}`);
    this.#socket = socket;
    const frames: string[] = (this.frames = []);
    socket.addEventListener("message", ({ data }) => void frames.push(String(data)));
    const closes: { code: number; reason: string }[] = (this.closes = []);
    socket.addEventListener("close", ({ code, reason }) => void closes.push({ code, reason }));
    const welcomed = new Promise((resolve) => socket.addEventListener("message", resolve, { once: true }));
    socket.accept();
    this.#attempt += 1;
    socket.send(JSON.stringify({ type: "hello", attempt: this.#attempt, received: 0 }));
    await welcomed;
    this.token = (JSON.parse(frames[0] ?? "{}") as { token: string }).token;
    socket.send(JSON.stringify({ type: "rotated", token: this.token }));
    return this;
  }

  #reportOf(latencyMs: number, drops: number) {
    const counts = { messagesSent: 3, messagesReceived: 3, bytesSent: 3, bytesReceived: 3, drops };
    return { durationMs: ROUND_MS, ...counts, latenciesMs: [latencyMs, latencyMs, latencyMs] };
  }

  report(latencyMs: number, drops: number): void {
    this.#socket?.send(JSON.stringify({ type: "report", ...this.#reportOf(latencyMs, drops) }));
  }

  async post(latencyMs: number, shard = this.shardId): Promise<number> {
    const body = JSON.stringify({ service: this.service, shard, ...this.#reportOf(latencyMs, 0) });
    const headers = { authorization: `Bearer ${this.#bearer}` };
    return (await gateway.fetch("https://gateway.example/v1/report", { method: "POST", body, headers })).status;
  }

  send(text: string): void {
    this.#socket?.send(text);
  }
}

async function worldOf(service: string) {
  const pool = env.POOL.get(env.POOL.idFromName(poolName(service)));
  const stats = async () => pool.stats(service, version);
  const shard = (shardId: string) => env.SHARD.get(env.SHARD.idFromName(shardObjectName(service, shardId)));
  const devices: Device[] = [];
  for (const tenant of TENANTS)
    for (let index = 0; index < 9; index += 1) devices.push(await new Device(service, tenant, `${tenant}-${index}`).connect());
  const reported = async (): Promise<number> => (await stats()).devices?.reduce((sum, { reports }) => sum + reports, 0) ?? 0;
  /** Every device reports in band, and every shard tells its pool. */
  const round = async (latencyMsOf: (device: Device) => number, dropsOf: (device: Device) => number = () => 0): Promise<void> => {
    offsetMs += ROUND_MS;
    const before = await reported();
    reportsTaken = 0;
    for (const device of devices) device.report(latencyMsOf(device), dropsOf(device));
    // The clock stands still until every shard has what it is told: how long that takes is the machine's.
    await expect.poll(() => reportsTaken, { interval: 2 }).toBe(devices.length);
    offsetMs += NEWS_MS;
    for (const shardId of new Set(devices.map((device) => device.shardId))) await runDurableObjectAlarm(shard(shardId));
    await expect.poll(reported).toBe(before + devices.length);
  };
  return { pool, stats, shard, devices, round };
}

const isOn = (shardId: string) => (device: Device) => device.shardId === shardId;

describe("a shard that several tenants' devices say is slow", () => {
  it("gets no new sockets, is drained, and its devices go on elsewhere", { timeout: 60_000 }, async () => {
    const { pool, stats, devices, round } = await worldOf("ill");
    const [slow] = devices.map(({ shardId }) => shardId);
    const ofSlow = isOn(slow ?? "");
    for (const tenant of TENANTS) expect(devices.filter((device) => device.tenant === tenant && ofSlow(device)).length).toBeGreaterThan(0);
    const warn = vi.spyOn(console, "warn").mockReturnValue();
    await round(() => WELL_MS);
    expect((await stats()).deviceHealth).toMatchObject({ suspect: null, shardsDrained: 0, devicesMoved: 0 });
    await round((device) => (ofSlow(device) ? SLOW_MS : WELL_MS));
    expect((await stats()).deviceHealth).toMatchObject({ suspect: null, shardsDrained: 0, devicesMoved: 0 });
    await round((device) => (ofSlow(device) ? SLOW_MS : WELL_MS));
    expect((await stats()).deviceHealth).toMatchObject({ shardsDrained: 1, devicesMoved: 0 });
    const events = warn.mock.calls.map(([line]) => JSON.parse(String(line)) as { event: string; shardId: string });
    expect(events.map(({ event, shardId }) => [event, shardId])).toEqual([
      ["shard-suspect", slow],
      ["shard-unhealthy", slow],
    ]);
    await runDurableObjectAlarm(pool);
    expect((await stats()).shards.find(({ shardId }) => shardId === slow)?.state).toBe("draining");
    for (const device of devices.filter(ofSlow))
      await expect.poll(() => device.told).toEqual(['{"type":"drain","reason":"unhealthy","graceMs":30000}']);
    expect(devices.filter((device) => !ofSlow(device)).flatMap(({ told }) => told)).toEqual([]);
    for (const device of devices.filter(ofSlow)) {
      await device.connect();
      expect(device.shardId).not.toBe(slow);
      expect(JSON.parse(device.frames[0] ?? "")).toMatchObject({ type: "resumed" });
    }
  });

  it("is only shown where the service wants it so", { timeout: 60_000 }, async () => {
    const { stats, devices, round } = await worldOf("ill-shadow");
    const [slow] = devices.map(({ shardId }) => shardId);
    for (let count = 0; count < 4; count += 1) await round((device) => (isOn(slow ?? "")(device) ? SLOW_MS : WELL_MS));
    expect((await stats()).deviceHealth).toMatchObject({ suspect: { shardId: slow }, shardsDrained: 0, devicesMoved: 0 });
    expect((await stats()).shards.every(({ state }) => state === "active")).toBe(true);
    expect(devices.flatMap(({ told }) => told)).toEqual([]);
  });
});

describe("a device that alone says that its shard is slow", () => {
  it("goes to another one with its session, once, and nobody else does", { timeout: 60_000 }, async () => {
    const { pool, stats, devices, round } = await worldOf("lone");
    const [liar] = devices;
    if (liar === undefined) throw new Error("no device");
    const from = liar.shardId;
    liar.send("m1:a");
    await expect.poll(() => liar.frames).toContain("a1");
    const worst = (device: Device): number => (device === liar ? 600_000 : WELL_MS);
    await round(() => WELL_MS);
    for (let count = 0; count < 3; count += 1) await round(worst);
    await expect.poll(() => liar.told).toEqual(['{"type":"drain","reason":"unhealthy","graceMs":5000}']);
    const used = (await stats()).endpoints[0]?.slotsOut;
    await liar.connect();
    expect(liar.shardId).not.toBe(from);
    expect(JSON.parse(liar.frames[0] ?? "")).toMatchObject({ type: "resumed", received: 1 });
    liar.send("a1");
    liar.send("m2:b");
    await expect.poll(() => liar.frames).toContain("m2:echo b");
    await expect.poll(async () => (await stats()).endpoints[0]?.slotsOut).toBe(used);
    for (let count = 0; count < 4; count += 1) await round(worst);
    await runDurableObjectAlarm(pool);
    expect((await stats()).deviceHealth).toMatchObject({ suspect: null, shardsDrained: 0, devicesMoved: 1 });
    expect([...devices.flatMap(({ told }) => told), ...(await stats()).shards.filter(({ state }) => state !== "active")]).toEqual([]);
  });
});

describe("a device that is told to leave", () => {
  it("and stays has its connection closed with 1012, and goes when it comes back", { timeout: 60_000 }, async () => {
    const { shard, devices, round } = await worldOf("deaf");
    const [deaf] = devices;
    if (deaf === undefined) throw new Error("no device");
    const from = deaf.shardId;
    for (let count = 0; count < 4; count += 1) await round((device) => (device === deaf ? SLOW_MS : WELL_MS));
    await expect.poll(() => deaf.told.length).toBe(1);
    offsetMs += 6 * SECOND_MS;
    await runDurableObjectAlarm(shard(from));
    await expect.poll(() => deaf.closes).toEqual([{ code: 1012, reason: "unhealthy" }]);
    expect(devices.flatMap(({ closes }) => closes).length).toBe(1);
    await deaf.connect();
    expect(deaf.shardId).not.toBe(from);
    expect(JSON.parse(deaf.frames[0] ?? "")).toMatchObject({ type: "resumed" });
  });

  it("has not only said that its connections break: they did", { timeout: 60_000 }, async () => {
    const { stats, devices, round } = await worldOf("breaking");
    const [liar] = devices;
    const drops = (device: Device): number => (device === liar ? 1 : 0);
    for (let count = 0; count < 5; count += 1) await round(() => WELL_MS, drops);
    expect((await stats()).deviceHealth?.devicesMoved).toBe(0);
    for (let count = 0; count < 4; count += 1) {
      await liar?.connect();
      await round(() => WELL_MS, drops);
    }
    expect((await stats()).deviceHealth?.devicesMoved).toBe(1);
  });
});

describe("a push", () => {
  it("that is under way while a device goes to another shard reaches it, once", { timeout: 60_000 }, async () => {
    const { devices, round } = await worldOf("pushed");
    const [mover] = devices;
    if (mover === undefined) throw new Error("no device");
    const from = mover.shardId;
    for (let count = 0; count < 4; count += 1) await round((device) => (device === mover ? SLOW_MS : WELL_MS));
    await expect.poll(() => mover.told.length).toBe(1);
    const id = env.SHARD.idFromName(shardObjectName("pushed", from));
    const push = Shard.prototype.push;
    let others = 0;
    const othersAreAsked = Promise.withResolvers<void>();
    // Its shard is asked last, when the device has left for one that was asked before.
    vi.spyOn(Shard.prototype, "push").mockImplementation(function (this: Shard, request) {
      const { ctx } = this as unknown as { ctx: DurableObjectState };
      const ask = () => push.call(this, request);
      if (ctx.id.equals(id)) return othersAreAsked.promise.then(async () => mover.connect()).then(ask) as never;
      others += 1;
      if (others === 2) othersAreAsked.resolve();
      return ask();
    });
    const bearer = await tokenFor({ tenant: mover.tenant, device: "backend", services: ["pushed"], role: "service" });
    const answer = await gateway.fetch("https://gateway.example/v1/push", {
      method: "POST",
      body: JSON.stringify({ service: "pushed", text: "news" }),
      headers: { authorization: `Bearer ${bearer}` },
    });
    const own = devices.filter(({ tenant }) => tenant === mover.tenant);
    expect(await answer.json()).toEqual({ taken: own.length, full: 0, sent: 0 });
    expect(mover.shardId).not.toBe(from);
    for (const device of own) await expect.poll(() => device.frames.filter((frame) => frame.endsWith(":news")).length).toBe(1);
  });
});

describe("reports over HTTP", () => {
  it("find a slow shard too, and ask no Shard object for it", { timeout: 60_000 }, async () => {
    const { pool, stats, devices } = await worldOf("posted");
    const [slow] = devices.map(({ shardId }) => shardId);
    const calls = (["fetch", "alarm", "held", "drain", "drainProgress", "push"] as const).map((name) => vi.spyOn(Shard.prototype, name));
    for (let count = 0; count < 3; count += 1) {
      offsetMs += ROUND_MS;
      for (const device of devices) expect(await device.post(isOn(slow ?? "")(device) ? SLOW_MS : WELL_MS)).toBe(204);
    }
    expect((await stats()).deviceHealth).toMatchObject({ shardsDrained: 1, devicesMoved: 0 });
    expect(calls.map((spy) => spy.mock.calls.length)).toEqual([0, 0, 0, 0, 0, 0]);
    // What was found is carried out, and seen by who looks here.
    await runDurableObjectAlarm(pool);
    expect(calls[3]?.mock.calls.length).toBe(1);
  });

  it("are no word on a shard that the device has no socket on", { timeout: 60_000 }, async () => {
    const { stats, devices } = await worldOf("strange");
    const [slow] = devices.map(({ shardId }) => shardId);
    const strangers = devices.filter((device) => !isOn(slow ?? "")(device));
    for (let count = 0; count < 4; count += 1) {
      offsetMs += ROUND_MS;
      // Every other one tells the truth of its own shard: something to hold the lies against.
      for (const [index, device] of strangers.entries())
        expect(await (index % 2 === 0 ? device.post(WELL_MS) : device.post(600_000, slow))).toBe(204);
    }
    expect((await stats()).deviceHealth).toMatchObject({ suspect: null, shardsDrained: 0 });
    expect((await stats()).deviceHealth?.shards.filter(({ worse }) => worse > 0)).toEqual([]);
  });
});
