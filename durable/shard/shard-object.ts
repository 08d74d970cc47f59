import { DurableObject } from "cloudflare:workers";
import type { ObjectEnv } from "#durable/lib/env.ts";
import { migrateFirst } from "#durable/lib/migrate.ts";
import { refuse } from "#shared/errors/refusal.ts";
import {
  SOCKET_ASSIGNMENT_HEADER,
  SOCKET_RESUMPTION_HEADER,
  type DrainProgress,
  type DrainRequest,
  type GoneTo,
  type HandOver,
  type HandOverRequest,
  type MovedFrom,
  type PushAnswer,
  type PushRequest,
  type ShardRpc,
  type SocketAssignment,
  type SocketResumption,
} from "#shared/protocol/shard-rpc.ts";
import type { TopicAnswer, TopicRequest } from "#shared/protocol/topics.ts";
import { PING, PONG, SUBPROTOCOL } from "#shared/resume/frames.ts";
import { RetryBudget } from "#shared/retry-budget.ts";
import { NO_TERMS } from "./breach.ts";
import { postOnce } from "./http-leg.ts";
import { Legs } from "./legs.ts";
import { endpointHeaders, openEndpoint, openPlain, routeOf } from "./open-endpoint.ts";
import { PlainHost } from "./plain-host.ts";
import { PlainStore } from "./plain-store.ts";
import { ShardPace } from "./shard-pace.ts";
import { pullSession } from "./pull-session.ts";
import { relay } from "./relay.ts";
import { answerHeaders, DRAINING, elsewhere, FULL, MOVING, NO_SLOT, refusal, refuseOpened } from "./shard-answers.ts";
import type { HostShell } from "./host-shell.ts";
import { SessionHost } from "./session-host.ts";
import { Relays, type Relayed } from "./relays.ts";
import { ShardNews } from "./shard-news.ts";
import { ShardPush } from "./shard-push.ts";
import { SessionMoves } from "./session-moves.ts";
import { SessionStore, SHARD_MIGRATIONS } from "./session-store.ts";
import { ShardDrain } from "./shard-drain.ts";
import { openSlotKeeper } from "./slot-debt-store.ts";
import { LoneMoves } from "./lone-moves.ts";
import { isPlain, randomText, type SocketAttachment } from "./socket-io.ts";
import { SocketRoom } from "./socket-room.ts";
import { openUpstream } from "./upstream.ts";

const AUTO_PONG = new WebSocketRequestResponsePair(PING, PONG);

/**
 * Holds the device sockets of one shard and their slots in the pool's ledger: taken over when a socket opens, given back
 * on every way it can end. A device that speaks `tidegate.v1` has a session on disk, which outlives its connections and
 * this instance; a plain one is joined to a socket of the endpoint's.
 */
export class Shard extends DurableObject<ObjectEnv> implements ShardRpc {
  readonly #slots = openSlotKeeper({
    ctx: this.ctx,
    env: this.env,
    isHeldOnDisk: (slotId) => this.#store.holdsSlot(slotId) || this.#plainStore.holdsSlot(slotId),
    wakeAt: (atMs) => this.#host.wakeAt(atMs),
  });
  readonly #relays = new Relays();
  readonly #store = new SessionStore(this.ctx.storage.sql);
  readonly #room = new SocketRoom(this.ctx);
  readonly #inTurn = (act: () => void): void => this.#host.turn.run(act);
  readonly #pace = new ShardPace({ env: this.env, ctx: this.ctx, inTurn: this.#inTurn });
  readonly #legs = new Legs({ pace: this.#pace, inTurn: this.#inTurn, budget: () => this.#host.budget });
  readonly #shell: HostShell = {
    ctx: this.ctx,
    store: this.#store,
    makeLeg: (sessionId, route, events) => this.#legs.make(sessionId, route, events),
    releaseSlot: (route, hasFailed, after = null) => this.ctx.waitUntil(this.#slots.release(route, { hasFailed, after })),
    news: () => this.#news,
    pace: () => this.#pace,
    budget: () => this.#host.budget,
  };
  readonly #news = new ShardNews({ pools: this.env.POOL, ctx: this.ctx, moves: () => this.#lone });
  readonly #host = new SessionHost(this.#shell);
  readonly #moves = new SessionMoves(this.#host, this.#shell);
  readonly #lone = new LoneMoves({ ctx: this.ctx, store: this.#store, host: this.#host });
  readonly #plainStore = new PlainStore(this.ctx.storage.sql);
  readonly #plainHost = new PlainHost({
    ...this.#shell,
    store: this.#plainStore,
    topics: this.#store.topics,
    wakeAt: (atMs) => this.#host.wakeAt(atMs),
    // A plain device's "ping" is its application's: it is answered for nobody while there is one.
    onCount: (count) => this.ctx.setWebSocketAutoResponse(count === 0 ? AUTO_PONG : undefined),
  });
  readonly #retries = new RetryBudget();
  readonly #drain = new ShardDrain({
    ctx: this.ctx,
    store: this.#store,
    host: this.#host,
    moves: this.#moves,
    plain: {
      count: () => this.#relays.count + this.#plainStore.count,
      closeAll: (code, reason) => {
        this.#relays.closeAll(code, reason);
        this.#plainHost.closeAll(code, reason);
      },
    },
  });
  readonly #push: ShardPush;

  /** Of sessions' messages, in memory. */
  get bufferedBytes(): number {
    return this.#host.budget.bytes;
  }

  constructor(ctx: DurableObjectState, env: ObjectEnv) {
    super(ctx, env);
    // Answered by the runtime: neither wakes the object nor is billed.
    ctx.setWebSocketAutoResponse(AUTO_PONG);
    const [host, store, plainHost, plainStore, relays] = [this.#host, this.#store, this.#plainHost, this.#plainStore, this.#relays];
    this.#push = new ShardPush({ host, store, plainHost, plainStore, relays });
    migrateFirst(ctx, SHARD_MIGRATIONS, async () => {
      this.#host.knowAlarm(await ctx.storage.getAlarm());
      this.#pace.load();
      this.#host.recover();
      this.#plainHost.recover();
      this.#drain.recover();
      ctx.waitUntil(this.#slots.look().then((atMs) => this.#host.wakeAt(atMs)));
    });
  }

  /** The upgrade request of an admitted device, or of one that resumes, handed over by the edge. */
  override async fetch(request: Request): Promise<Response> {
    const resumption = JSON.parse(request.headers.get(SOCKET_RESUMPTION_HEADER) ?? "null") as SocketResumption | null;
    if (resumption !== null) this.#pace.note(resumption);
    if (resumption !== null) return this.#resume(request, resumption);
    const assignment = JSON.parse(request.headers.get(SOCKET_ASSIGNMENT_HEADER) ?? "null") as SocketAssignment | null;
    if (assignment === null) return refusal(refuse("internal", "The Shard object was called without an assignment."));
    this.#pace.note(assignment);
    if (assignment.movedFrom !== undefined) return this.#moveHere(request, assignment, assignment.movedFrom);
    if (this.#drain.isOn) return refusal(DRAINING);
    if (assignment.isResumable) return this.#begin(request, assignment);
    return assignment.mode === "http" ? this.#beginPlain(request, assignment) : this.#relay(request, assignment);
  }

  held(slotIds: readonly string[]): readonly string[] {
    return slotIds.filter((slotId) => this.#slots.holds(slotId));
  }

  push(request: PushRequest): PushAnswer & GoneTo {
    return { ...this.#push.push(request), ...this.#lone.goneTo() };
  }

  subscribe(request: TopicRequest): TopicAnswer & GoneTo {
    return { ...this.#push.subscribe(request), ...this.#lone.goneTo() };
  }

  drain(request: DrainRequest | null): DrainProgress {
    return this.#drain.order(request);
  }

  drainProgress(): DrainProgress {
    return this.#drain.progress();
  }

  async handOver(request: HandOverRequest): Promise<HandOver | null> {
    return this.#moves.handOver(request);
  }

  confirmMove(sessionId: string, to: string, moveId: string): boolean {
    return this.#moves.confirmMove(sessionId, to, moveId);
  }

  override async alarm(): Promise<void> {
    const nowMs = Date.now();
    this.#host.onAlarm(nowMs);
    this.#host.wakeAt(Math.min(this.#plainHost.onAlarm(nowMs), this.#news.onAlarm(nowMs), this.#lone.onAlarm(nowMs)));
    this.#drain.onAlarm(nowMs);
    this.#host.wakeAt(await this.#slots.look());
  }

  override webSocketMessage(socket: WebSocket, data: string | ArrayBuffer): void {
    if (isPlain(socket)) this.#plainHost.onMessage(socket, data);
    else this.#host.turn.soon(() => this.#host.onMessage(socket, data), "device");
  }

  override webSocketClose(socket: WebSocket, code: number, reason: string): void {
    if (isPlain(socket)) return this.#plainHost.onClose(socket, { code, reason });
    this.#host.turn.soon(() => this.#host.onClose(socket, code));
  }

  override webSocketError(socket: WebSocket, error: unknown): void {
    if (isPlain(socket)) return this.#plainHost.onClose(socket, { code: 1006, reason: "" });
    // The runtime takes 32 MiB, closes with 1009 by itself, and says so here in words only.
    const isTooLarge = String(error).includes("statusCode = 1009");
    this.#host.turn.soon(() => (isTooLarge ? this.#host.onTooLarge(socket) : this.#host.onClose(socket, 1006)));
  }

  /** A plain device of a service whose endpoint speaks WebSocket-over-HTTP: each message at most once, and the object may sleep. */
  async #beginPlain(request: Request, assignment: SocketAssignment): Promise<Response> {
    if (this.#room.isFull()) return refusal(FULL);
    const plainId = randomText();
    const asked = routeOf(request, assignment);
    const opened = await openPlain(plainId, asked, { ...assignment, budget: this.#retries, spend: this.#pace.spend });
    if (!opened.ok) return refusal(opened);
    const route = { ...asked, messagePrefix: opened.messagePrefix };
    this.#plainHost.reserve(plainId, route);
    if (!(await this.#slots.takeOver(assignment, { isOnDisk: true }))) {
      this.#plainHost.forget(plainId);
      this.ctx.waitUntil(postOnce(route, plainId, { events: [{ type: "DISCONNECT" }], spend: this.#pace.spend }));
      return refusal(NO_SLOT);
    }
    const { 0: client, 1: device } = new WebSocketPair();
    const attachment = { sessionId: "", secret: "", attempt: 0, acceptedAtMs: Date.now(), terms: assignment.terms, plainId };
    this.#plainHost.begin(device, attachment, { route: { ...route, region: undefined }, greeting: opened.greeting });
    this.#slots.settle(assignment.slotId);
    return new Response(null, { status: 101, webSocket: client, headers: answerHeaders(request, opened.protocol) });
  }

  async #relay(request: Request, assignment: SocketAssignment): Promise<Response> {
    const headers = endpointHeaders(request);
    const opened = await openUpstream({ ...assignment, headers, untilMs: assignment.startedAtMs + assignment.deadlineMs });
    if (!opened.ok) return refusal(opened);
    if (!(await this.#slots.takeOver(assignment))) return refuseOpened(opened.socket);
    const { 0: client, 1: device } = new WebSocketPair();
    const relayed: Relayed = relay({
      device,
      endpoint: opened.socket,
      owner: assignment,
      terms: assignment.terms ?? NO_TERMS,
      shell: this.#shell,
      onEnd: ({ endedBy, isAbnormal, emptied: after }) => {
        this.#relays.drop(relayed);
        this.#shell.releaseSlot({ ...assignment, region: undefined }, isAbnormal && endedBy === "endpoint", after);
      },
    });
    this.#relays.add(relayed);
    return new Response(null, { status: 101, webSocket: client, headers: answerHeaders(request, opened.protocol) });
  }

  /** The endpoint has agreed and the slot is the session's before its device hears of it. */
  async #begin(request: Request, assignment: SocketAssignment): Promise<Response> {
    if (this.#room.isFull()) return refusal(FULL);
    const sessionId = randomText();
    const asked = routeOf(request, assignment);
    const opened = await openEndpoint(sessionId, asked, { ...assignment, budget: this.#retries, spend: this.#pace.spend });
    if (!opened.ok) return refusal(opened);
    const route = { ...asked, messagePrefix: opened.messagePrefix };
    if (opened.socket !== null) this.#legs.expect(sessionId, opened.socket);
    // On disk first: should this instance die here, its alarm ends the session that nobody was told of, and gives the slot back.
    const attachment = this.#host.begin({ sessionId, route, greeting: opened.greeting });
    if (!(await this.#slots.takeOver(assignment, { isOnDisk: true }))) {
      this.#host.takeBack(sessionId);
      return refusal(NO_SLOT);
    }
    if (route.region !== undefined) this.#moves.reroute(sessionId, { ...route, region: undefined });
    this.#slots.settle(assignment.slotId);
    return this.#accept(request, { ...attachment, terms: assignment.terms });
  }

  #resume(request: Request, resumption: SocketResumption): Response {
    if (this.#room.isFull()) return refusal(FULL);
    const pointer = this.#moves.whereabouts(resumption);
    // A device that names another's session is told what one is told that names none.
    const isHere = pointer === null && this.#host.belongsTo(resumption.sessionId, resumption);
    if (pointer !== null) return elsewhere(pointer);
    const leaving = isHere ? this.#lone.leaving(resumption, this.#drain.isOn) : undefined;
    if (leaving !== undefined) return elsewhere({ shardId: null, slotId: leaving.route.slotId });
    return this.#acceptResumed(request, { ...resumption, sessionId: isHere ? resumption.sessionId : "" });
  }

  #acceptResumed(request: Request, { sessionId, secret, terms }: Pick<SocketResumption, "sessionId" | "secret" | "terms">): Response {
    if (sessionId !== "") this.#moves.settle(sessionId);
    return this.#accept(request, { sessionId, secret, attempt: null, acceptedAtMs: Date.now(), terms });
  }

  /** A session of another shard, on a new slot of this one. It is here as soon as the other Shard object agrees. */
  async #moveHere(request: Request, assignment: SocketAssignment, { shardId, sessionId, secret }: MovedFrom): Promise<Response> {
    const { service, tenant, device, slotId, holder, terms = NO_TERMS } = assignment;
    const resumption = { service, tenant, device, sessionId, secret, terms };
    if (shardId === assignment.shardId) {
      // No other shard has room: it stays, with the slot that it has, unless another connection of its device has moved it meanwhile.
      await this.#slots.release(assignment, { holder });
      if (this.#moves.whereabouts(resumption) !== null) return refusal(MOVING);
      return this.#acceptResumed(request, { ...resumption, sessionId: this.#host.belongsTo(sessionId, resumption) ? sessionId : "" });
    }
    if (this.#room.isFull() || !(await this.#slots.takeOver(assignment))) return refusal(NO_SLOT);
    const moved = await pullSession({ shards: this.env.SHARD, moves: this.#moves }, routeOf(request, assignment), {
      ...resumption,
      from: shardId,
    });
    if (moved === "here" || moved === "unsure") this.#slots.settle(slotId);
    if (moved === "here") return this.#acceptResumed(request, resumption);
    if (moved === "unsure") return refusal(MOVING);
    await this.#slots.release(assignment);
    return moved === "stays" ? refusal(MOVING) : this.#acceptResumed(request, { ...resumption, sessionId: "" });
  }

  #accept(request: Request, attachment: SocketAttachment): Response {
    const { 0: client, 1: device } = new WebSocketPair();
    this.ctx.acceptWebSocket(device, attachment.sessionId === "" ? [] : [attachment.sessionId]);
    device.serializeAttachment(attachment);
    this.#host.expect(attachment);
    return new Response(null, { status: 101, webSocket: client, headers: answerHeaders(request, SUBPROTOCOL) });
  }
}
