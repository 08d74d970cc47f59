import { DurableObject } from "cloudflare:workers";
import type { ObjectEnv } from "#durable/lib/env.ts";
import { migrateFirst } from "#durable/lib/migrate.ts";
import { refuse, type Refusal } from "#shared/errors/refusal.ts";
import { poolName } from "#shared/protocol/pool-rpc.ts";
import {
  SOCKET_ASSIGNMENT_HEADER,
  SOCKET_REFUSAL_HEADER,
  SOCKET_RESUMPTION_HEADER,
  type PushAnswer,
  type PushRequest,
  type ShardRpc,
  type SocketAssignment,
  type SocketResumption,
} from "#shared/protocol/shard-rpc.ts";
import { PING, PONG, SUBPROTOCOL, type Payload } from "#shared/resume/frames.ts";
import { HttpLeg, openOverHttp, payloadsOf } from "./http-leg.ts";
import { relay } from "./relay.ts";
import { SessionHost, type SocketAttachment } from "./session-host.ts";
import { SessionStore, SHARD_MIGRATIONS, type SessionRoute } from "./session-store.ts";
import { randomText } from "./socket-io.ts";
import { openUpstream } from "./upstream.ts";
import { WebSocketLeg } from "./websocket-leg.ts";

/** A release that does not arrive is repaired by the pool's reconciliation; trying again is only faster. */
const RELEASE_ATTEMPTS_MAX = 3;
/** Of connections that can be resumed, with those that wait for a hello. Below what the platform takes, 32,768. */
const SOCKET_COUNT_MAX = 20_000;

/** What ends a slot: the flow it counts for, and the pool. */
type SlotOwner = Pick<SocketAssignment, "slotId" | "flow" | "service">;

/**
 * Holds the device sockets of one shard and their slots in the pool's ledger: taken over when a socket opens, given back
 * on every way it can end. A device that speaks `tidegate.v1` has a session on disk, which outlives its connections and
 * this instance; a plain one is joined to a socket of the endpoint's.
 */
export class Shard extends DurableObject<ObjectEnv> implements ShardRpc {
  /** Slots of living plain sockets. Lost with the instance, as the sockets are. */
  readonly #held = new Set<string>();
  readonly #store = new SessionStore(this.ctx.storage.sql);
  /** The endpoint's sockets of sessions that are about to begin. */
  readonly #opened = new Map<string, WebSocket>();
  readonly #host = new SessionHost({
    ctx: this.ctx,
    store: this.#store,
    makeLeg: (sessionId, route, events) => {
      const input = { sessionId, route, events };
      if (route.mode === "http") return new HttpLeg(input);
      const socket = this.#opened.get(sessionId) ?? null;
      this.#opened.delete(sessionId);
      return new WebSocketLeg(input, socket);
    },
    releaseSlot: (route, hasFailed) => this.ctx.waitUntil(this.#release(route, this.#owner, hasFailed)),
  });

  constructor(ctx: DurableObjectState, env: ObjectEnv) {
    super(ctx, env);
    // Answered by the runtime: neither wakes the object nor is billed.
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(PING, PONG));
    migrateFirst(ctx, SHARD_MIGRATIONS, () => this.#host.recover());
  }

  /** The upgrade request of an admitted device, or of one that resumes, handed over by the edge. */
  override async fetch(request: Request): Promise<Response> {
    const resumption = JSON.parse(request.headers.get(SOCKET_RESUMPTION_HEADER) ?? "null") as SocketResumption | null;
    if (resumption !== null) return this.#resume(request, resumption);
    const assignment = JSON.parse(request.headers.get(SOCKET_ASSIGNMENT_HEADER) ?? "null") as SocketAssignment | null;
    if (assignment === null) return refusal(refuse("internal", "The Shard object was called without an assignment."));
    return assignment.isResumable ? this.#begin(request, assignment) : this.#relay(request, assignment);
  }

  held(slotIds: readonly string[]): readonly string[] {
    return slotIds.filter((slotId) => this.#held.has(slotId) || this.#store.holdsSlot(slotId));
  }

  push(request: PushRequest): PushAnswer {
    return this.#host.push(request);
  }

  override alarm(): void {
    this.#host.onAlarm(Date.now());
  }

  override webSocketMessage(socket: WebSocket, data: string | ArrayBuffer): void {
    this.#host.onMessage(socket, data);
  }

  override webSocketClose(socket: WebSocket, code: number): void {
    this.#host.onClose(socket, code);
  }

  override webSocketError(socket: WebSocket): void {
    this.#host.onClose(socket, 1006);
  }

  get #owner(): string {
    return this.ctx.id.toString();
  }

  async #relay(request: Request, assignment: SocketAssignment): Promise<Response> {
    const headers = endpointHeaders(request);
    const opened = await openUpstream({ ...assignment, headers, untilMs: assignment.startedAtMs + assignment.deadlineMs });
    if (!opened.ok) return refusal(opened);
    const { socket: endpoint, protocol } = opened;
    if (!(await this.#takeOver(assignment))) return refuseOpened(endpoint);
    const { 0: client, 1: device } = new WebSocketPair();
    relay({
      device,
      endpoint,
      onEnd: ({ endedBy, isAbnormal }) => {
        this.#held.delete(assignment.slotId);
        this.ctx.waitUntil(this.#release(assignment, this.#owner, isAbnormal && endedBy === "endpoint"));
      },
    });
    return new Response(null, { status: 101, webSocket: client, headers: answerHeaders(request, protocol) });
  }

  /** The endpoint has agreed and the slot is the session's before its device hears of it. */
  async #begin(request: Request, assignment: SocketAssignment): Promise<Response> {
    if (this.#isFull()) return refusal(FULL);
    const sessionId = randomText();
    const route = routeOf(request, assignment);
    const opened = await openEndpoint(sessionId, route, assignment.startedAtMs);
    if (!opened.ok) return refusal(opened);
    if (!(await this.#takeOver(assignment))) {
      if (opened.socket !== null) return refuseOpened(opened.socket);
      new HttpLeg({ sessionId, route, events: this.#nobody }).stop({ why: "policy", code: 1008, reason: "" });
      return refusal(NO_SLOT);
    }
    if (opened.socket !== null) this.#opened.set(sessionId, opened.socket);
    const attachment = this.#host.begin({ sessionId, route, greeting: opened.greeting });
    // From here on the session holds it, on disk.
    this.#held.delete(assignment.slotId);
    return this.#accept(request, attachment);
  }

  #resume(request: Request, resumption: SocketResumption): Response {
    if (this.#isFull()) return refusal(FULL);
    // A device that names another's session is told what one is told that names none.
    const sessionId = this.#host.belongsTo(resumption.sessionId, resumption) ? resumption.sessionId : "";
    return this.#accept(request, { sessionId, secret: resumption.secret, attempt: null, acceptedAtMs: Date.now() });
  }

  #accept(request: Request, attachment: SocketAttachment): Response {
    const { 0: client, 1: device } = new WebSocketPair();
    this.ctx.acceptWebSocket(device, attachment.sessionId === "" ? [] : [attachment.sessionId]);
    device.serializeAttachment(attachment);
    this.#host.expectHello(attachment.acceptedAtMs);
    return new Response(null, { status: 101, webSocket: client, headers: answerHeaders(request, SUBPROTOCOL) });
  }

  #isFull(): boolean {
    return this.ctx.getWebSockets().length >= SOCKET_COUNT_MAX;
  }

  /** For a leg without a session: nothing can happen to it but its end. */
  get #nobody() {
    const nothing = (): void => {};
    const waitUntil = (promise: Promise<unknown>): void => this.ctx.waitUntil(promise);
    return { delivered: nothing, push: nothing, closed: nothing, failed: nothing, received: () => 0, waitUntil };
  }

  /** Known as held before the pool is told: it may ask at once which sockets live. */
  async #takeOver(assignment: SocketAssignment): Promise<boolean> {
    this.#held.add(assignment.slotId);
    const isKept = await this.#keep(assignment);
    if (!isKept) this.#held.delete(assignment.slotId);
    return isKept;
  }

  /** Without an answer the slot may be ours and may not: it is given back, and the socket is refused. */
  async #keep(assignment: SocketAssignment): Promise<boolean> {
    try {
      return await this.#pool(assignment).keep(assignment.slotId, assignment.holder, this.#owner);
    } catch {
      await this.#release(assignment, this.#owner, false);
      return false;
    }
  }

  async #release({ slotId, flow, service }: SlotOwner, holder: string, hasFailed: boolean): Promise<void> {
    for (let attempt = 1; attempt <= RELEASE_ATTEMPTS_MAX; attempt += 1) {
      try {
        await this.#pool({ service }).release({ slotId, holder, flow, outcome: hasFailed ? "upstream-failed" : "admitted-queued" });
        return;
      } catch (error) {
        if (attempt === RELEASE_ATTEMPTS_MAX)
          console.warn(JSON.stringify({ level: "warn", event: "release-failed", slotId, error: String(error) }));
      }
    }
  }

  #pool({ service }: Pick<SocketAssignment, "service">) {
    return this.env.POOL.get(this.env.POOL.idFromName(poolName(service)));
  }
}

const FULL = refuse("rejected-capacity", "The shard holds as many connections as it can.");
const NO_SLOT = refuse("rejected-capacity", "The slot was gone before the endpoint had answered the upgrade.");

type OpenedEndpoint = { readonly ok: true; readonly socket: WebSocket | null; readonly greeting: readonly Payload[] } | Refusal;

async function openEndpoint(sessionId: string, route: SessionRoute, startedAtMs: number): Promise<OpenedEndpoint> {
  if (route.mode === "http") {
    const answer = await openOverHttp(sessionId, route);
    if (answer.ok) return { ok: true, socket: null, greeting: payloadsOf(answer.events) };
    return refuse("upstream-failed", `The endpoint did not take the socket: ${answer.detail}.`, { proxyError: "http_upgrade_failed" });
  }
  const { upstreamUrl, deadlineMs } = route;
  const headers = new Headers(route.headers.map(([name, value]): [string, string] => [name, value]));
  const opened = await openUpstream({ upstreamUrl, headers, untilMs: startedAtMs + deadlineMs, deadlineMs });
  return opened.ok ? { ok: true, socket: opened.socket, greeting: [] } : opened;
}

function routeOf(request: Request, assignment: SocketAssignment): SessionRoute {
  const { service, tenant, device, shardId, slotId, flow, mode, upstreamUrl, deadlineMs } = assignment;
  const headers = [...endpointHeaders(request)];
  return { service, tenant, device, shardId, slotId, flow, mode, upstreamUrl, deadlineMs, headers };
}

function endpointHeaders(request: Request): Headers {
  const headers = new Headers(request.headers);
  headers.delete(SOCKET_ASSIGNMENT_HEADER);
  return headers;
}

function refuseOpened(endpoint: WebSocket): Response {
  endpoint.accept();
  endpoint.close(1001, "no slot");
  return refusal(NO_SLOT);
}

/** What was applied, as on every answer, and the subprotocol that was chosen. */
function answerHeaders(request: Request, protocol: string | null): Headers {
  const headers = new Headers();
  for (const name of ["connection-identifier", "priority"]) headers.set(name, request.headers.get(name) ?? "");
  if (protocol !== null) headers.set("sec-websocket-protocol", protocol);
  return headers;
}

function refusal(reason: Refusal): Response {
  return new Response(null, { status: 503, headers: { [SOCKET_REFUSAL_HEADER]: JSON.stringify(reason) } });
}
