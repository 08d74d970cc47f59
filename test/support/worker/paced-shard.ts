// A Shard object whose sockets' flow has a quota, with endpoints of both kinds, for the tests of what that holds back. Most of such a test is
// waiting for the pool's word, so the tests of a file run at the same time: each has a service of its own, and nothing here is shared.
import { env } from "cloudflare:workers";
import { runInDurableObject } from "cloudflare:test";
import { vi } from "vitest";
import { poolName } from "#shared/protocol/pool-rpc.ts";
import {
  shardObjectName,
  SOCKET_ASSIGNMENT_HEADER,
  SOCKET_RESUMPTION_HEADER,
  type FlowPace,
  type SocketAssignment,
} from "#shared/protocol/shard-rpc.ts";
import type { FlowTelemetry } from "#shared/protocol/telemetry.ts";
import { encodeEvents, EventParser, type SocketEvent } from "#shared/protocol/websocket-events.ts";
import { parseResumeToken } from "#shared/resume/resume-token.ts";
import { applyServices, type TestService } from "./configuration.ts";

const FLOW = "acme/gold";
const EVENTS = { headers: { "content-type": "application/websocket-events" } };
const SILENCE_MS = 1_500;
const UNTIL_MS_MAX = 20_000;
/** Of the smallest bandwidths: what may go at once. */
export const BURST_BYTES = 32 * 1_024;

export interface PacedEndpoint {
  /** Texts of messages that it got, in order. */
  readonly got: string[];
  /** The types of what it was told, over HTTP; how its sockets were closed, else. */
  readonly events: string[];
  answer: (texts: readonly string[]) => readonly SocketEvent[];
  /** Before it answers messages over HTTP. */
  takes: () => Promise<unknown>;
  /** Requests with messages that are under way at it: now, the most at a time, and those that were broken off. */
  readonly requests: { now: number; most: number; aborted: number };
}

const endpoints = new Map<string, PacedEndpoint>();

/** In place of the network, which the test runner does not have: once for a file. */
export function stubEndpoints(): void {
  vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
    const { hostname } = new URL(input instanceof Request ? input.url : input);
    const endpoint = endpoints.get(hostname);
    if (endpoint === undefined) throw new Error(`Cannot reach ${hostname}: it is no test's endpoint`);
    return answerAs(endpoint, init ?? {});
  });
}

async function answerAs(endpoint: PacedEndpoint, { headers, body, signal }: RequestInit): Promise<Response> {
  if (new Headers(headers).get("upgrade") === "websocket") {
    const { 0: webSocket, 1: own } = new WebSocketPair();
    own.addEventListener("message", ({ data }) => {
      endpoint.got.push(String(data));
      for (const event of endpoint.answer([String(data)])) {
        if (event.type === "TEXT") own.send(event.text);
        if (event.type === "CLOSE") own.close(event.code ?? 1000, event.reason);
      }
    });
    own.addEventListener("close", () => void endpoint.events.push("CLOSE"));
    own.accept();
    return new Response(null, { status: 101, webSocket });
  }
  const events = new EventParser(2_000_000).push(body as Uint8Array);
  if ("ok" in events) throw new Error(events.detail);
  endpoint.events.push(...events.map(({ type }) => type));
  if (events[0]?.type === "OPEN") return new Response(encodeEvents([{ type: "OPEN" }]), EVENTS);
  const texts = events.flatMap((event) => (event.type === "TEXT" ? [event.text] : []));
  await takeWhole(endpoint, signal);
  const answered = endpoint.answer(texts);
  endpoint.got.push(...texts);
  return new Response(encodeEvents(answered), EVENTS);
}

async function takeWhole({ takes, requests }: PacedEndpoint, signal: AbortSignal | null | undefined): Promise<void> {
  const broken = Promise.withResolvers<never>();
  signal?.addEventListener("abort", () => broken.reject(new Error("broken off")));
  requests.now += 1;
  requests.most = Math.max(requests.most, requests.now);
  try {
    await Promise.race([takes(), broken.promise]);
  } catch (error) {
    requests.aborted += 1;
    throw error;
  } finally {
    requests.now -= 1;
  }
}

/** A configuration is applied whole: that of all tests of the file that have begun, one after the other. */
const services = new Map<string, TestService>();
let applied: Promise<unknown> = Promise.resolve();

async function applyService(service: TestService): Promise<number> {
  const version = applied.then(async () => {
    services.set(service.service, service);
    return applyServices([...services.values()]);
  });
  applied = version.catch(() => undefined);
  return version;
}

export interface PacedConnection {
  readonly socket: WebSocket;
  /** As they came. */
  readonly frames: string[];
  readonly closes: { readonly code: number; readonly reason: string }[];
}

/** What a quota says to the sockets of a flow, as the edge reads it. */
function paceOf(version: number, quota: Readonly<Record<string, unknown>>): { pace: FlowPace } {
  const isTimed = quota["cpuSecondsPerSecond"] !== undefined;
  const bytes = quota["bandwidthBytesPerSecond"] === undefined ? null : quota["mode"] === "shadow" ? "counted" : "held";
  return { pace: { flow: FLOW, version, bytes, isTimed } };
}

export async function pacedShard(
  service: string,
  { quota, mode = "http" }: { readonly quota: Readonly<Record<string, unknown>>; readonly mode?: SocketAssignment["mode"] },
) {
  const endpoint: PacedEndpoint = {
    got: [],
    events: [],
    answer: () => [],
    takes: async () => Promise.resolve(),
    requests: { now: 0, most: 0, aborted: 0 },
  };
  endpoints.set(`${service}.example`, endpoint);
  const more = { shards: { sizeMin: 64, sizeMax: 64 }, sockets: { mode } };
  let current = quota;
  let version = await applyService({ service, capacity: 64, quota, more });
  const pool = env.POOL.get(env.POOL.idFromName(poolName(service)));
  const shardId = `${service}-1`;
  // One that was aborted needs another stub.
  const shard = (id = shardId) => env.SHARD.get(env.SHARD.idFromName(shardObjectName(service, id)));
  const connect = async (headers: Headers, to = shardId): Promise<PacedConnection> => {
    headers.set("upgrade", "websocket");
    const response = await shard(to).fetch("https://shard/", { headers });
    const socket = response.webSocket;
    if (socket === null) throw new Error(`status ${response.status}: ${JSON.stringify([...response.headers])}`);
    const [frames, closes]: [string[], PacedConnection["closes"]] = [[], []];
    socket.addEventListener("message", ({ data }) => void frames.push(String(data)));
    socket.addEventListener("close", ({ code, reason }) => void closes.push({ code, reason }));
    socket.accept();
    return { socket, frames, closes };
  };
  let opened = 0;
  const openPlain = async (isResumable = false, move: Partial<SocketAssignment> = {}): Promise<PacedConnection> => {
    const slotId = `${service}-${(opened += 1)}`;
    const asked = { urgency: 3, affinityKey: null, kind: "socket", waitMsMax: 1_000, configurationVersion: version } as const;
    const acquired = await pool.acquire({ slotId, holder: "edge", service, flow: FLOW, ...asked });
    if (!acquired.ok) throw new Error("no slot");
    const assignment: SocketAssignment = {
      service,
      tenant: "acme",
      device: `d-${opened}`,
      isResumable,
      mode,
      slotId,
      holder: "edge",
      flow: FLOW,
      shardId,
      upstreamUrl: `https://${service}.example/`,
      deadlineMs: 5_000,
      startedAtMs: Date.now(),
      ...paceOf(version, current),
      ...(acquired.slot.memoryBytes !== undefined && { memoryBytes: acquired.slot.memoryBytes }),
      ...move,
    };
    return connect(new Headers({ [SOCKET_ASSIGNMENT_HEADER]: JSON.stringify(assignment) }), assignment.shardId);
  };
  /** The session of the first socket comes to another shard with its token. */
  const move = async (token: string, hello: { attempt: number; received: number }): Promise<PacedConnection> => {
    const { sessionId = "", secret = "" } = parseResumeToken(token) ?? {};
    const movedFrom = { shardId, slotId: `${service}-1`, sessionId, secret };
    const connection = await openPlain(true, { device: "d-1", shardId: `${service}-2`, movedFrom });
    connection.socket.send(JSON.stringify({ type: "hello", ...hello }));
    await until(() => connection.frames[0]?.includes('"resumed"') === true);
    return connection;
  };
  /** A session that its device has confirmed. */
  const open = async (): Promise<PacedConnection> => {
    const connection = await openPlain(true);
    connection.socket.send('{"type":"hello","attempt":1,"received":0}');
    await until(() => connection.frames.length > 0);
    connection.socket.send(JSON.stringify({ type: "rotated", token: tokenOf(connection) }));
    return connection;
  };
  const resume = async (token: string, hello: { attempt: number; received: number }, device = "d-1"): Promise<PacedConnection> => {
    const { sessionId = "", secret = "" } = parseResumeToken(token) ?? {};
    const resumption = { service, tenant: "acme", device, sessionId, secret, ...paceOf(version, current) };
    const connection = await connect(new Headers({ [SOCKET_RESUMPTION_HEADER]: JSON.stringify(resumption) }));
    connection.socket.send(JSON.stringify({ type: "hello", ...hello }));
    await until(() => connection.frames[0]?.includes('"resumed"') === true);
    return connection;
  };
  const push = async (payload: string, device: string | null = null) =>
    shard().push({ tenant: "acme", device, topic: null, payload, pushId: crypto.randomUUID() });
  /** Applied, and known to the pool. */
  const limit = async (next: Readonly<Record<string, unknown>>): Promise<void> => {
    [current, version] = [next, await applyService({ service, capacity: 64, quota: next, more })];
    await pool.stats(service, version);
  };
  const stats = async () => pool.stats(service, version);
  const slots = async (): Promise<number> => (await stats()).endpoints.reduce((sum, { slotsInUse }) => sum + slotsInUse, 0);
  const die = async (): Promise<void> => {
    await runInDurableObject(shard(), (_instance, state) => state.abort("as a process that dies")).catch(() => undefined);
  };
  const bufferedBytes = async (stub: ReturnType<typeof shard>): Promise<number> =>
    runInDurableObject(stub, (instance) => instance.bufferedBytes);
  const renewAs = async (flow: FlowTelemetry | null) => {
    const named = { flow: FLOW, want: 0, running: 0, keep: 0, tokensWant: 0, tokensHeld: 0, tokensReturned: 0 };
    const lease = { holder: crypto.randomUUID(), sequence: 1, appliedSequence: 0, flows: [named], lanes: [], adopted: [] };
    const telemetry = { flows: flow === null ? [] : [flow], shards: [], edge: {} };
    return pool.renew({ service, configurationVersion: version, tableVersion: 0, lease, telemetry });
  };
  const nothing = { flow: FLOW, arrivals: 0, outcomes: {}, buckets: [], sumMs: 0, busyMs: 0 };
  /** As an isolate hears it. */
  const blockedMs = async (): Promise<number> => (await renewAs(null)).left[0]?.blockedMs ?? 0;
  /** As an isolate tells it. */
  const useTime = async (busyMs: number) => renewAs({ ...nothing, busyMs });
  /** What one request more would be counted for. */
  const shadowOf = async (kind: string): Promise<number> => {
    const before = (await stats()).counters.shadow[`${FLOW} ${kind}`] ?? 0;
    await renewAs({ ...nothing, arrivals: 1 });
    return ((await stats()).counters.shadow[`${FLOW} ${kind}`] ?? 0) - before;
  };
  const renewals = async (): Promise<number> => (await stats()).counters.renewCalls;
  /** Until what may go has gone: there is some of it, and nothing more of it when the pool has answered the object, and has been asked again. */
  const settled = async (count: () => number): Promise<void> => {
    let [last, since] = [-1, 0];
    await until(async () => {
      const asked = await renewals();
      if (count() !== last) [last, since] = [count(), asked];
      return last > 0 && asked - since > 1;
    });
  };
  return {
    endpoint,
    version: () => version,
    settled,
    renewals,
    blockedMs,
    useTime,
    shadowOf,
    shard,
    die,
    bufferedBytes,
    move,
    open,
    openPlain,
    resume,
    push,
    limit,
    stats,
    slots,
  };
}

export const SLOW = { bandwidthBytesPerSecond: 1_024 };
export const KIB = 1_024;
/** For what must not happen: longer than what lingers lingers. */
export async function silence(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, SILENCE_MS));
}

/** Unlike `expect.poll` it may be called from anywhere while tests run at the same time. */
async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  await vi.waitUntil(isSo, { timeout: UNTIL_MS_MAX, interval: 50 });
}

/** Of `SLOW`: so much may have gone since it was called. */
export function bytesMostSince(): () => number {
  const atMs = Date.now();
  // Clocks of whole milliseconds, at the pool and here.
  return () => BURST_BYTES + 1.024 * (Date.now() - atMs + 5);
}

/** A message of a KiB that has a name. */
export const kib = (name: number): string => `${name} `.padEnd(KIB, "x");
export const namesOf = (texts: readonly string[]): number[] => texts.map((text) => Number.parseInt(text, 10));

export const tokenOf = ({ frames }: PacedConnection): string => (JSON.parse(frames[0] ?? "{}") as { token: string }).token;

/** Of `tidegate.v1`: the numbers of the messages that came, in order. */
export const numbersOf = ({ frames }: PacedConnection): number[] =>
  frames.flatMap((frame) => (/^m\d/.test(frame) ? [Number(frame.slice(1, frame.indexOf(":")))] : []));

export const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

/** The last that was acknowledged. */
export const acknowledgedOf = ({ frames }: PacedConnection): number =>
  Math.max(0, ...frames.flatMap((frame) => (/^a\d+$/.test(frame) ? [Number(frame.slice(1))] : [])));
