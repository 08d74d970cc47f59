import { env, exports } from "cloudflare:workers";
import { evictDurableObject, runDurableObjectAlarm } from "cloudflare:test";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { mintToken } from "#shared/identifier/token.ts";
import { encodeEvents, EventParser, type SocketEvent } from "#shared/protocol/websocket-events.ts";
import { poolName } from "#shared/protocol/pool-rpc.ts";
import { REGISTRY_NAME } from "#shared/protocol/registry-rpc.ts";
import { shardObjectName } from "#shared/protocol/shard-rpc.ts";
import { parseResumeToken } from "#shared/resume/resume-token.ts";
import { documentsOf } from "../../support/worker/configuration.ts";

/** The Worker itself, as the test runner hands it out. */
const { default: gateway } = exports as unknown as { readonly default: Fetcher };
let posted: SocketEvent[][] = [];

beforeEach(() => {
  posted = [];
  // The network's, not ours: the test runner has no endpoint to offer.
  vi.spyOn(globalThis, "fetch").mockImplementation(async (_input, init) => {
    const events = new EventParser(1_000_000).push(init?.body as Uint8Array);
    if ("ok" in events) throw new Error(events.detail);
    posted.push([...events]);
    const answers = events.flatMap((event): SocketEvent[] => (event.type === "TEXT" ? [{ type: "TEXT", text: `echo ${event.text}` }] : []));
    const body = encodeEvents(events[0]?.type === "OPEN" ? [{ type: "OPEN" }] : answers);
    return Promise.resolve(new Response(body, { headers: { "content-type": "application/websocket-events" } }));
  });
});
afterEach(() => vi.restoreAllMocks());

interface Connection {
  readonly socket: WebSocket;
  readonly frames: string[];
  readonly closes: { code: number; reason: string }[];
}

/** Each of so many shards with one slot. */
const SERVICES = { moving: 8, alone: 1, cancelled: 1, "kept-back": 2, handed: 1 } as const;
let version = 0;
let bearer = "";

beforeAll(async () => {
  const { privateKey, publicKey } = (await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"])) as CryptoKeyPair;
  const { kty, crv, x } = (await crypto.subtle.exportKey("jwk", publicKey)) as JsonWebKey;
  const services = Object.entries(SERVICES).map(([service, countMax]) => ({
    service,
    capacity: countMax,
    // The pool knows nothing of the drain here: without affinity another shard is likely, not certain.
    more: { shards: { sizeMin: 1, sizeMax: 1, countMin: 1, countMax }, affinity: "none", deadlineMs: 500 },
  }));
  const documents = documentsOf(services).map((file) =>
    file.file.startsWith("tenants/")
      ? { ...file, document: { ...(file.document as object), keys: { jwks: [{ kty, crv, x, alg: "EdDSA", kid: "own" }] } } }
      : file,
  );
  const applied = await env.REGISTRY.get(env.REGISTRY.idFromName(REGISTRY_NAME)).apply(documents);
  if (!applied.ok) throw new Error(JSON.stringify(applied.errors));
  ({ version } = applied);
  bearer = await mintToken({
    tenant: "acme",
    device: "d-1",
    services: Object.keys(SERVICES),
    className: "gold",
    urgencyFirst: 0,
    audience: env.GATEWAY_NAME,
    nowMs: Date.now(),
    lifetimeMs: 600_000,
    signer: { algorithm: "EdDSA", keyId: "own", key: privateKey },
  });
});

/** A device of a service before the whole gateway. */
function deviceOf(service: keyof typeof SERVICES) {
  const upgrade = async (resume?: string): Promise<Connection> => {
    const protocols = ["tidegate.v1", `tidegate.bearer.${bearer}`, ...(resume === undefined ? [] : [`tidegate.resume.${resume}`])];
    const headers = { upgrade: "websocket", "sec-websocket-protocol": protocols.join(", ") };
    const response = await gateway.fetch(`https://gateway.example/connect/${service}`, { headers });
    const socket = response.webSocket;
    if (socket === null) throw new Error(`status ${response.status}: ${await response.text()}`);
    const frames: string[] = [];
    const closes: { code: number; reason: string }[] = [];
    socket.addEventListener("message", ({ data }) => void frames.push(String(data)));
    socket.addEventListener("close", ({ code, reason }) => void closes.push({ code, reason }));
    socket.accept();
    return { socket, frames, closes };
  };
  const connect = async (hello: { attempt: number; received: number }, resume?: string): Promise<Connection> => {
    const connection = await upgrade(resume);
    connection.socket.send(JSON.stringify({ type: "hello", ...hello }));
    await expect.poll(() => connection.frames.length).toBeGreaterThan(0);
    return connection;
  };
  const shard = (shardId: string) => env.SHARD.get(env.SHARD.idFromName(shardObjectName(service, shardId)));
  const slots = async (): Promise<number> => {
    const stats = await env.POOL.get(env.POOL.idFromName(poolName(service))).stats(service, version);
    return stats.endpoints.reduce((sum, { slotsInUse }) => sum + slotsInUse, 0);
  };
  return { connect, upgrade, shard, slots };
}

const tokenOf = ({ frames }: Connection): string => (JSON.parse(frames[0] ?? "{}") as { token: string }).token;
const shardOf = (token: string): string => parseResumeToken(token)?.shardId ?? "";
const confirm = (connection: Connection): void => connection.socket.send(JSON.stringify({ type: "rotated", token: tokenOf(connection) }));

describe("a shard that is drained", () => {
  it("sends its device to another one, which goes on with every message, on a slot of its own", async () => {
    const { connect, shard, slots } = deviceOf("moving");
    const first = await connect({ attempt: 1, received: 0 });
    const from = shardOf(tokenOf(first));
    confirm(first);
    first.socket.send("m1:a");
    await expect.poll(() => first.frames.slice(1)).toEqual(["m1:echo a", "a1"]);
    expect(await shard(from).drain({ reason: "deploy", graceMs: 60_000 })).toEqual({
      isDraining: true,
      sessions: 1,
      connections: 1,
      plainSockets: 0,
    });
    await expect.poll(() => first.frames.slice(3)).toEqual(['{"type":"drain","reason":"deploy","graceMs":60000}']);
    expect(await slots()).toBe(1);

    let second = await connect({ attempt: 2, received: 0 }, tokenOf(first));
    for (let attempt = 3; attempt < 30 && shardOf(tokenOf(second)) === from; attempt += 1)
      second = await connect({ attempt, received: 0 }, tokenOf(first));
    const to = shardOf(tokenOf(second));
    expect(to).not.toBe(from);
    await expect.poll(() => second.frames.slice(1)).toEqual(["m1:echo a"]);
    expect(JSON.parse(second.frames[0] ?? "")).toMatchObject({ type: "resumed", received: 1 });
    await expect.poll(() => first.closes.length).toBe(1);
    await expect.poll(slots).toBe(1);
    second.socket.send("a1");
    second.socket.send("m2:b");
    await expect.poll(() => second.frames.slice(2)).toEqual(["m2:echo b", "a2"]);
    // The endpoint saw one connection.
    expect(posted.flat().filter(({ type }) => type !== "TEXT")).toEqual([{ type: "OPEN" }]);

    // Whoever did not hear of the new token is sent on by the old shard, also after that has slept.
    await evictDurableObject(shard(from));
    const third = await connect({ attempt: 30, received: 2 }, tokenOf(first));
    expect(shardOf(tokenOf(third))).toBe(to);
    third.socket.close(1000);
    await expect.poll(slots).toBe(0);
  });

  it("tells a connection that says hello when its session has moved to come back, not that there is none", async () => {
    const { connect, shard, upgrade } = deviceOf("kept-back");
    const first = await connect({ attempt: 1, received: 0 });
    const { shardId, sessionId, secret } = parseResumeToken(tokenOf(first)) ?? { shardId: "", sessionId: "", secret: "" };
    const late = await upgrade(tokenOf(first));
    const request = { service: "kept-back", tenant: "acme", device: "d-1", sessionId, secret, to: "kept-back-9" };
    const earlier = await shard(shardId).handOver(request);
    const handOver = await shard(shardId).handOver(request);
    // The call of an earlier move, which comes late, is of an older copy.
    expect(await shard(shardId).confirmMove(sessionId, "kept-back-9", earlier?.moveId ?? "")).toBe(false);
    expect(await shard(shardId).confirmMove(sessionId, "kept-back-9", handOver?.moveId ?? "")).toBe(true);
    // Whoever asks for it now is told that it has gone, not that there is none.
    const asked = shard(shardId).handOver({ ...request, to: "kept-back-8" });
    expect(await asked.then(() => "handed over", String)).toContain("it has gone already");
    late.socket.send('{"type":"hello","attempt":2,"received":0}');
    await expect.poll(() => late.closes).toEqual([{ code: 1012, reason: "moved" }]);
    expect(late.frames).toEqual([]);
    expect(first.closes).toEqual([{ code: 1012, reason: "moved" }]);
  });

  it("keeps a device for which there is no other, until its grace is over, and after it", async () => {
    const { connect, shard, slots } = deviceOf("alone");
    const first = await connect({ attempt: 1, received: 0 });
    confirm(first);
    const from = shardOf(tokenOf(first));
    await shard(from).drain({ reason: "move", graceMs: 0 });
    await runDurableObjectAlarm(shard(from));
    await expect.poll(() => first.closes).toEqual([{ code: 1012, reason: "move" }]);
    const second = await connect({ attempt: 2, received: 0 }, tokenOf(first));
    expect(JSON.parse(second.frames[0] ?? "")).toMatchObject({ type: "resumed" });
    expect(await slots()).toBe(1);
    second.socket.close(1000);
    await expect.poll(slots).toBe(0);
  });

  it("takes no new device, until the drain is cancelled", async () => {
    const { connect, shard } = deviceOf("cancelled");
    const first = await connect({ attempt: 1, received: 0 });
    const from = shardOf(tokenOf(first));
    first.socket.close(1000);
    await shard(from).drain({ reason: "move", graceMs: 60_000 });
    await expect(connect({ attempt: 1, received: 0 })).rejects.toThrow("drained");
    expect(await shard(from).drain(null)).toMatchObject({ isDraining: false });
    await expect
      .poll(async () =>
        connect({ attempt: 1, received: 0 }).then(
          ({ frames }) => frames.length,
          () => 0,
        ),
      )
      .toBe(1);
  });

  it("goes with the answers that have come and with what they answer, or with neither, whenever that is", async () => {
    const { connect, shard } = deviceOf("handed");
    let connection = await connect({ attempt: 1, received: 0 });
    confirm(connection);
    let received = 0;
    for (let trial = 0; trial < 24; trial += 1) {
      const token = tokenOf(connection);
      const { shardId, sessionId, secret } = parseResumeToken(token) ?? { shardId: "", sessionId: "", secret: "" };
      connection.socket.send(`m${received + 1}:x`);
      // Before the request, during it, before its answer is written, and after.
      await new Promise((resolve) => setTimeout(resolve, trial % 6));
      const request = { service: "handed", tenant: "acme", device: "d-1", sessionId, secret, to: "handed-9" };
      const handOver = await shard(shardId).handOver(request);
      ({ received } = JSON.parse(handOver?.facts ?? "{}") as { received: number });
      // One answer to each message, none of which the device has acknowledged.
      expect([trial, handOver?.messages.length]).toEqual([trial, received]);
      connection = await connect({ attempt: trial + 2, received: 0 }, token);
    }
    expect(received).toBeGreaterThan(0);
    connection.socket.close(1000);
  });

  it("gives a session to its own device only, and keeps it where it was needed meanwhile", async () => {
    const { connect, shard } = deviceOf("kept-back");
    const first = await connect({ attempt: 1, received: 0 });
    const { shardId, sessionId, secret } = parseResumeToken(tokenOf(first)) ?? { shardId: "", sessionId: "", secret: "" };
    const request = { service: "kept-back", tenant: "acme", device: "d-1", sessionId, secret, to: "kept-back-9" };
    expect(await shard(shardId).handOver({ ...request, device: "d-2" })).toBeNull();
    expect(await shard(shardId).handOver({ ...request, secret: `${secret}x` })).toBeNull();
    const handOver = await shard(shardId).handOver(request);
    expect(handOver).toMatchObject({ messages: [] });
    // Nobody may put a message into the copy that stays behind.
    const all = { tenant: "acme", device: null, topic: null, payload: "x" };
    expect(await shard(shardId).push({ ...all, pushId: "1" })).toEqual({ taken: 0, full: 1, sent: 0 });
    const second = await connect({ attempt: 2, received: 0 }, tokenOf(first));
    expect(await shard(shardId).confirmMove(sessionId, "kept-back-9", handOver?.moveId ?? "")).toBe(false);
    expect(await shard(shardId).push({ ...all, pushId: "2" })).toEqual({ taken: 1, full: 0, sent: 0 });
    await expect.poll(() => second.frames.slice(1)).toEqual(["m1:x"]);
  });
});
