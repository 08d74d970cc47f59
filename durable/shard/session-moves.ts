// How sessions leave a shard: their devices are sent away, and another Shard object takes over what those come back to.
import type { HandOver, HandOverRequest } from "#shared/protocol/shard-rpc.ts";
import { TOPICS, type TopicChange } from "#shared/protocol/topics.ts";
import { RESUME } from "#shared/resume/bounds.ts";
import { useToken } from "#shared/resume/resume-token.ts";
import type { HostShell, Live } from "./host-shell.ts";
import type { SessionHost } from "./session-host.ts";
import { sessionFromRows } from "./session-rows.ts";
import type { SessionRoute } from "./session-store.ts";
import { closeQuietly, MOVED, socketOf, type SocketAttachment } from "./socket-io.ts";

const RESTART = 1012;

export class SessionMoves {
  readonly #host: SessionHost;
  readonly #shell: HostShell;

  constructor(host: SessionHost, shell: HostShell) {
    this.#host = host;
    this.#shell = shell;
  }

  /** Tells every device to leave in time. */
  announceDrain(reason: string, graceMs: number): void {
    for (const [live] of this.#connected()) this.#host.step(live, [{ kind: "drain", reason, graceMs }]);
  }

  /** Closes what is still connected; the sessions wait for their devices as ever. */
  disconnectAll(reason: string): void {
    for (const [live, socket] of this.#connected()) {
      this.#host.step(live, [{ kind: "dropped", attempt: live.state.attempt, isFinal: false }]);
      closeQuietly(socket, { code: RESTART, reason });
    }
  }

  /**
   * A session as another Shard object takes it over: from here on nothing happens to it, unless its device comes back here. Throws
   * where that has happened meanwhile.
   */
  async handOver(request: HandOverRequest): Promise<HandOver | null> {
    const { sessionId, secret, to } = request;
    // An answer that has come is taken with what it answers; else that would be asked, and answered, again.
    this.#host.turn.takeAll();
    const live = this.#host.belongsTo(sessionId, request) ? this.#host.load(sessionId) : undefined;
    if (live === undefined || live.state.end !== null || useToken(live.state.tokens, secret) === null) return null;
    const socket = socketOf(this.#shell.ctx, sessionId, live.state.attempt);
    // What its endpoint has answered is taken before nothing is waited for any more.
    this.#host.turn.takeAll();
    this.#host.step(live, [{ kind: "restarted" }]);
    if (socket !== undefined) closeQuietly(socket, MOVED);
    const leaving = live.leg.leave();
    if (leaving !== null) await leaving;
    // What the endpoint said last is in the turn that is under way.
    this.#host.turn.takeAll();
    // A session whose device is away leaves memory: its newest connection tells whether it was here again.
    const now = this.#host.load(sessionId)?.state;
    if (now === undefined || now.attempt !== live.state.attempt || now.detachedAtMs === null || now.end !== null)
      throw new Error("Cannot hand a session over: it was needed meanwhile");
    live.leg.abandon();
    this.#host.unload(sessionId);
    this.#host.moving.set(sessionId, to);
    const exported = this.#shell.store.export(sessionId);
    return exported === null ? null : { ...exported, pushIds: this.#host.pushes.of(sessionId, Date.now()) };
  }

  confirmMove(sessionId: string, to: string): boolean {
    const { store, releaseSlot } = this.#shell;
    if (store.movedTo(sessionId) === to) return true;
    const stored = this.#host.moving.get(sessionId) === to ? store.load(sessionId) : undefined;
    if (stored === undefined) return false;
    this.#host.moving.delete(sessionId);
    this.#host.unload(sessionId);
    const dueAtMs = Date.now() + RESUME.graveMsMax;
    store.pointTo(sessionId, { to, dueAtMs });
    this.#host.wakeAt(dueAtMs);
    releaseSlot(stored.route, false);
    return true;
  }

  /** Takes a session over, on disk, tentatively until `settle`. */
  adopt(sessionId: string, route: SessionRoute, { facts, messages, topics, messagePrefix, pushIds }: HandOver): void {
    const { store, releaseSlot } = this.#shell;
    if (store.topics.count + topics.length > TOPICS.perShardMax)
      throw new Error("Cannot take a session over: the shard has as many subscriptions as it can");
    // A copy of a move before whose end nobody knows has a slot of its own.
    const before = store.load(sessionId)?.route;
    if (before !== undefined && before.slotId !== route.slotId) releaseSlot(before, false);
    this.#host.forget(sessionId);
    const state = { ...sessionFromRows(facts, messages), shardId: route.shardId };
    const tentative = { ...route, messagePrefix, isTentative: true };
    this.#host.add(sessionId, tentative, state);
    const subscriptions = topics.map((topic): TopicChange => ({ kind: "subscribe", topic }));
    store.topics.apply({ socketId: sessionId, tenant: route.tenant }, subscriptions);
    for (const pushId of pushIds) this.#host.pushes.note(pushId, sessionId, Date.now());
  }

  /** The session is here and nowhere else. */
  settle(sessionId: string): void {
    const stored = this.#shell.store.load(sessionId);
    if (stored?.route.isTentative !== true) return;
    const { isTentative: _, ...route } = stored.route;
    this.#shell.store.saveRoute(sessionId, route);
    this.#host.unload(sessionId);
  }

  /** The session stayed where it was. */
  discard(sessionId: string): void {
    this.#host.forget(sessionId);
  }

  *#connected(): Generator<readonly [live: Live, socket: WebSocket]> {
    for (const socket of this.#shell.ctx.getWebSockets()) {
      const { sessionId, attempt } = socket.deserializeAttachment() as SocketAttachment;
      const live = attempt === null ? undefined : this.#host.load(sessionId);
      if (live?.state.attempt === attempt && live.state.detachedAtMs === null) yield [live, socket];
    }
  }
}
