// How a session goes from one Shard object to another, each step over a death of either: what both sides do, without what they are made
// of, so that test/simulation/ runs it between any two events.
import type { HandOver, HandOverRequest, SessionPointer, ShardRpc, SocketResumption } from "#shared/protocol/shard-rpc.ts";
import { TOPICS, type TopicChange } from "#shared/protocol/topics.ts";
import { RESUME } from "#shared/resume/bounds.ts";
import type { GatewaySession } from "#shared/resume/gateway-session.ts";
import type { GatewayInput } from "#shared/resume/step-gateway.ts";
import { useToken } from "#shared/resume/resume-token.ts";
import { sessionFromRows } from "./session-rows.ts";

interface Route {
  readonly tenant: string;
  readonly shardId: string;
  readonly slotId: string;
  readonly messagePrefix?: string | null;
  readonly isTentative?: boolean;
  /** Of a tentative copy: the shard that may have the session still, … */
  readonly cameFrom?: string;
  /** … and of which move it is. */
  readonly moveId?: string;
}

interface Movable<R> {
  readonly route: R;
  readonly state: GatewaySession;
  readonly leg: { leave(): Promise<void> | null; abandon(): void };
}

export interface HandoverHost<R, L extends Movable<R>> {
  /** Sessions that another Shard object has a copy of: which, and of which move. Whatever happens to one here ends that. */
  readonly moving: Map<string, string>;
  readonly turn: { takeAll(): void };
  readonly pushes: {
    of(sessionId: string, nowMs: number): readonly string[];
    note(pushId: string, sessionId: string, nowMs: number): void;
  };
  belongsTo(sessionId: string, owner: Pick<SocketResumption, "tenant" | "device" | "service">): boolean;
  load(sessionId: string): L | undefined;
  unload(sessionId: string): void;
  add(sessionId: string, route: R, state: GatewaySession): unknown;
  forget(sessionId: string): void;
  step(live: L, inputs: readonly GatewayInput[]): void;
}

export interface HandoverShell<R, L extends Movable<R>> {
  readonly store: {
    load(sessionId: string): { readonly route: R } | undefined;
    movedTo(sessionId: string): SessionPointer | null;
    pointTo(sessionId: string, where: SessionPointer & { dueAtMs: number }): void;
    saveRoute(sessionId: string, route: R): void;
    export(sessionId: string): Omit<HandOver, "pushIds" | "moveId"> | null;
    readonly topics: {
      readonly count: number;
      apply(owner: { socketId: string; tenant: string }, changes: readonly TopicChange[]): unknown;
    };
  };
  readonly alarm: { wakeAt(atMs: number): void };
  readonly releaseSlot: (route: R) => void;
  /** Its device's connection ends, to come back elsewhere. Before the session knows. */
  readonly connectionOf: (live: L) => { close(): void };
}

export class SessionHandover<R extends Route, L extends Movable<R>> {
  readonly #host: HandoverHost<R, L>;
  readonly #shell: HandoverShell<R, L>;
  /** Sessions that are being taken over: of two calls for one, the one that fails would throw away what the other has. */
  readonly #pulling = new Set<string>();

  constructor(host: HandoverHost<R, L>, shell: HandoverShell<R, L>) {
    this.#host = host;
    this.#shell = shell;
  }

  /**
   * A session as another Shard object takes it over: from here on nothing happens to it, unless its device comes back here. Throws
   * where that has happened meanwhile.
   */
  async handOver(request: HandOverRequest): Promise<HandOver | null> {
    const { sessionId, secret, to } = request;
    // Asked for twice, by a device that came again: it finds where it went.
    if (this.#shell.store.movedTo(sessionId) !== null) throw new Error("Cannot hand a session over: it has gone already");
    // An answer that has come is taken with what it answers; else that would be asked, and answered, again.
    this.#host.turn.takeAll();
    const live = this.#host.belongsTo(sessionId, request) ? this.#host.load(sessionId) : undefined;
    // Whether it is here is not known here.
    if (live?.route.isTentative === true) throw new Error("Cannot hand a session over: it may not be here");
    if (live === undefined || live.state.end !== null || useToken(live.state.tokens, secret) === null) return null;
    const connection = this.#shell.connectionOf(live);
    // What its endpoint has answered is taken before nothing is waited for any more.
    this.#host.turn.takeAll();
    this.#host.step(live, [{ kind: "restarted" }]);
    connection.close();
    const leaving = live.leg.leave();
    if (leaving !== null) await leaving;
    // What the endpoint said last is in the turn that is under way.
    this.#host.turn.takeAll();
    // A session whose device is away leaves memory: its newest connection tells whether it was here again.
    const again = this.#host.load(sessionId);
    const now = again?.state;
    // Gone and back: a copy, which may not be here, has the same connection.
    const isSame = again !== undefined && again.route.isTentative !== true && again.route.moveId === live.route.moveId;
    if (!isSame || now === undefined || now.attempt !== live.state.attempt || now.detachedAtMs === null || now.end !== null)
      throw new Error("Cannot hand a session over: it was needed meanwhile");
    live.leg.abandon();
    this.#host.unload(sessionId);
    const moveId = crypto.randomUUID();
    this.#host.moving.set(sessionId, `${to} ${moveId}`);
    const exported = this.#shell.store.export(sessionId);
    return exported === null ? null : { ...exported, moveId, pushIds: this.#host.pushes.of(sessionId, Date.now()) };
  }

  /** Of this one move: a call of one before, which comes late, is of an older copy. */
  confirmMove(sessionId: string, to: string, moveId: string): boolean {
    const { store, releaseSlot } = this.#shell;
    if (store.movedTo(sessionId)?.shardId === to) return true;
    const stored = this.#host.moving.get(sessionId) === `${to} ${moveId}` ? store.load(sessionId) : undefined;
    if (stored === undefined) return false;
    this.#host.moving.delete(sessionId);
    this.#host.unload(sessionId);
    this.#pointTo(sessionId, { shardId: to, moveId });
    releaseSlot(stored.route);
    return true;
  }

  /** Whoever comes with an older token is sent there for as long as one may. */
  #pointTo(sessionId: string, pointer: SessionPointer): void {
    const dueAtMs = Date.now() + RESUME.graveMsMax;
    this.#shell.store.pointTo(sessionId, { ...pointer, dueAtMs });
    this.#shell.alarm.wakeAt(dueAtMs);
  }

  /** Another shard that is to be asked for a session first; null: there is none. */
  whereabouts({ sessionId, sentFrom }: Pick<SocketResumption, "sessionId" | "sentFrom">): SessionPointer | null {
    const { store } = this.#shell;
    const movedTo = store.movedTo(sessionId);
    if (movedTo !== null) return movedTo;
    // A copy of a move before whose end nobody knows: an older token may lead here, though the session never left where it was.
    const { isTentative, cameFrom, moveId } = store.load(sessionId)?.route ?? {};
    if (isTentative !== true || cameFrom === undefined) return null;
    // Who was sent on by an earlier move knows nothing of this one.
    const isConfirmed = sentFrom?.shardId === cameFrom && sentFrom.moveId === (moveId ?? "");
    return isConfirmed ? null : { shardId: cameFrom, moveId: "" };
  }

  /** Takes a session over, on disk, tentatively until `settle`. */
  adopt(sessionId: string, route: R, { facts, messages, topics, messagePrefix, pushIds, moveId }: HandOver): void {
    const { store, releaseSlot } = this.#shell;
    if (store.topics.count + topics.length > TOPICS.perShardMax)
      throw new Error("Cannot take a session over: the shard has as many subscriptions as it can");
    // A copy of a move before whose end nobody knows has a slot of its own.
    const before = store.load(sessionId)?.route;
    if (before !== undefined && before.slotId !== route.slotId) releaseSlot(before);
    this.#host.forget(sessionId);
    const state = { ...sessionFromRows(facts, messages), shardId: route.shardId };
    this.#host.add(sessionId, { ...route, messagePrefix, isTentative: true, moveId }, state);
    const subscriptions = topics.map((topic): TopicChange => ({ kind: "subscribe", topic }));
    store.topics.apply({ socketId: sessionId, tenant: route.tenant }, subscriptions);
    for (const pushId of pushIds) this.#host.pushes.note(pushId, sessionId, Date.now());
  }

  /** The session is here and nowhere else. */
  settle(sessionId: string): void {
    const stored = this.#shell.store.load(sessionId);
    if (stored?.route.isTentative !== true) return;
    this.#shell.store.saveRoute(sessionId, { ...stored.route, isTentative: false });
    this.#host.unload(sessionId);
  }

  /** The session stayed where it was; it may have been here before, and its device may have a token of that time. */
  discard(sessionId: string): void {
    const cameFrom = this.#shell.store.load(sessionId)?.route.cameFrom;
    if (cameFrom === undefined) return this.#host.forget(sessionId);
    this.#host.unload(sessionId);
    this.#pointTo(sessionId, { shardId: cameFrom, moveId: "" });
  }

  /**
   * Takes a session over from the Shard object that has it. `unsure`: it may be here now and may not; `unknown`: there is none to take
   * over, or not with this token.
   */
  async pull(
    other: Pick<ShardRpc, "handOver" | "confirmMove">,
    route: R,
    resumption: SocketResumption,
  ): Promise<"here" | "stays" | "unsure" | "unknown"> {
    const { sessionId } = resumption;
    if (this.#pulling.has(sessionId)) return "stays";
    this.#pulling.add(sessionId);
    const moved = await this.#pull(other, route, resumption);
    this.#pulling.delete(sessionId);
    return moved;
  }

  /** Never throws. */
  async #pull(
    other: Pick<ShardRpc, "handOver" | "confirmMove">,
    route: R,
    resumption: SocketResumption,
  ): Promise<"here" | "stays" | "unsure" | "unknown"> {
    const { sessionId } = resumption;
    let moveId = "";
    try {
      const handOver = await other.handOver({ ...resumption, to: route.shardId });
      if (handOver === null) return "unknown";
      this.adopt(sessionId, route, handOver);
      ({ moveId } = handOver);
    } catch {
      return "stays";
    }
    try {
      if (await other.confirmMove(sessionId, route.shardId, moveId)) return "here";
      this.discard(sessionId);
      return "stays";
    } catch {
      // It may be here now and may not: its device comes here only if the other Shard object sends it.
      return "unsure";
    }
  }
}
