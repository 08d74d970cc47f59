import { DurableObject } from "cloudflare:workers";
import type { ObjectEnv } from "#durable/lib/env.ts";
import { migrateFirst } from "#durable/lib/migrate.ts";
import { NextAlarm } from "#durable/lib/next-alarm.ts";
import { refuse } from "#shared/errors/refusal.ts";
import { ABNORMAL } from "#shared/protocol/close-codes.ts";
import {
  SOCKET_ASSIGNMENT_HEADER,
  SOCKET_RESUMPTION_HEADER,
  type DrainProgress,
  type DrainRequest,
  type GoneTo,
  type HandOver,
  type HandOverRequest,
  type PushAnswer,
  type PushRequest,
  type ShardRpc,
  type SocketAssignment,
  type SocketResumption,
} from "#shared/protocol/shard-rpc.ts";
import type { TopicAnswer, TopicRequest } from "#shared/protocol/topics.ts";
import { PING, PONG } from "#shared/resume/frames.ts";
import { RetryBudget } from "#shared/retry-budget.ts";
import { Legs } from "./legs.ts";
import { openSocket, type OpeningShard } from "./open-socket.ts";
import { PlainHost } from "./plain-host.ts";
import { PlainStore } from "./plain-store.ts";
import { ShardPace } from "./shard-pace.ts";
import { DRAINING, refusal } from "./shard-answers.ts";
import type { HostShell } from "./host-shell.ts";
import { SessionHost } from "./session-host.ts";
import { moveHere, resumeSession, type ReturnShard } from "./resume-session.ts";
import { Relays } from "./relays.ts";
import { ShardNews } from "./shard-news.ts";
import { ShardPush } from "./shard-push.ts";
import { SessionMoves } from "./session-moves.ts";
import { SessionStore, SHARD_MIGRATIONS } from "./session-store.ts";
import { ShardDrain } from "./shard-drain.ts";
import { openSlotKeeper } from "./slot-debt-store.ts";
import { LoneMoves } from "./lone-moves.ts";
import { isPlain } from "./socket-io.ts";
import { SocketRoom } from "./socket-room.ts";

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
    wakeAt: (atMs) => this.#alarm.wakeAt(atMs),
  });
  readonly #relays = new Relays();
  readonly #store = new SessionStore(this.ctx.storage.sql);
  readonly #alarm = new NextAlarm(this.ctx.storage);
  readonly #inTurn = (act: () => void): void => this.#host.turn.run(act);
  readonly #pace = new ShardPace({ env: this.env, ctx: this.ctx, inTurn: this.#inTurn });
  readonly #legs = new Legs({ pace: this.#pace, inTurn: this.#inTurn, budget: () => this.#host.budget });
  readonly #shell: HostShell = {
    ctx: this.ctx,
    store: this.#store,
    alarm: this.#alarm,
    makeLeg: (sessionId, route, events) => this.#legs.make(sessionId, route, events),
    releaseSlot: (slot, end) => this.ctx.waitUntil(this.#slots.release(slot, end)),
    news: () => this.#news,
    pace: () => this.#pace,
    budget: () => this.#host.budget,
  };
  readonly #news = new ShardNews({ pools: this.env.POOL, ctx: this.ctx, moves: () => this.#lone, alarm: this.#alarm });
  readonly #host = new SessionHost(this.#shell);
  readonly #moves = new SessionMoves(this.#host, this.#shell);
  readonly #lone = new LoneMoves({ ctx: this.ctx, store: this.#store, host: this.#host, alarm: this.#alarm });
  readonly #plainStore = new PlainStore(this.ctx.storage.sql);
  readonly #plainHost = new PlainHost({
    ...this.#shell,
    store: this.#plainStore,
    topics: this.#store.topics,
    // A plain device's "ping" is its application's: it is answered for nobody while there is one.
    onCount: (count) => this.ctx.setWebSocketAutoResponse(count === 0 ? AUTO_PONG : undefined),
  });
  readonly #drain = new ShardDrain({
    ctx: this.ctx,
    store: this.#store,
    alarm: this.#alarm,
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
  /** What sockets open with. */
  readonly #parts: OpeningShard & ReturnShard;

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
    const [shell, slots, moves, legs, lone, drain] = [this.#shell, this.#slots, this.#moves, this.#legs, this.#lone, this.#drain];
    const [room, retries] = [new SocketRoom(ctx), new RetryBudget()];
    this.#parts = { shards: env.SHARD, shell, slots, room, legs, host, moves, lone, drain, plainHost, relays, retries };
    migrateFirst(ctx, SHARD_MIGRATIONS, async () => {
      this.#alarm.know(await ctx.storage.getAlarm());
      this.#pace.load();
      this.#host.recover();
      this.#plainHost.recover();
      this.#drain.recover();
      ctx.waitUntil(this.#slots.look().then((atMs) => this.#alarm.wakeAt(atMs)));
    });
  }

  /** The upgrade request of an admitted device, or of one that resumes, handed over by the edge. */
  override async fetch(request: Request): Promise<Response> {
    const resumption = headerOf<SocketResumption>(request, SOCKET_RESUMPTION_HEADER);
    if (resumption !== null) {
      this.#pace.note(resumption);
      return resumeSession(this.#parts, request, resumption);
    }
    const assignment = headerOf<SocketAssignment>(request, SOCKET_ASSIGNMENT_HEADER);
    if (assignment === null) return refusal(refuse("internal", "The Shard object was called without an assignment."));
    this.#pace.note(assignment);
    const { movedFrom: from } = assignment;
    if (from !== undefined) return moveHere(this.#parts, request, { assignment, from });
    return this.#drain.isOn ? refusal(DRAINING) : openSocket(this.#parts, request, assignment);
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
    this.#alarm.ring();
    const nowMs = Date.now();
    this.#host.onAlarm(nowMs);
    this.#alarm.wakeAt(Math.min(this.#plainHost.onAlarm(nowMs), this.#news.onAlarm(nowMs), this.#lone.onAlarm(nowMs)));
    this.#drain.onAlarm(nowMs);
    this.#alarm.wakeAt(await this.#slots.look());
  }

  override webSocketMessage(socket: WebSocket, data: string | ArrayBuffer): void {
    if (isPlain(socket)) this.#plainHost.onMessage(socket, data);
    else this.#host.turn.soon(() => this.#host.device.onMessage(socket, data), "device");
  }

  override webSocketClose(socket: WebSocket, code: number, reason: string): void {
    if (isPlain(socket)) return this.#plainHost.onClose(socket, { code, reason });
    this.#host.turn.soon(() => this.#host.device.onClose(socket, code));
  }

  override webSocketError(socket: WebSocket, error: unknown): void {
    if (isPlain(socket)) return this.#plainHost.onClose(socket, { code: ABNORMAL, reason: "" });
    const { device } = this.#host;
    // The runtime takes 32 MiB, closes with 1009 by itself, and says so here in words only.
    const isTooLarge = String(error).includes("statusCode = 1009");
    this.#host.turn.soon(() => (isTooLarge ? device.onTooLarge(socket) : device.onClose(socket, ABNORMAL)));
  }
}

/** As the edge says it; null: it does not. */
function headerOf<T>(request: Request, name: string): T | null {
  return JSON.parse(request.headers.get(name) ?? "null") as T | null;
}
