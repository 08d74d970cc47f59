// Plain sockets of a service whose endpoint speaks WebSocket-over-HTTP: a message is sent once, its answer comes back, and a request
// that fails ends the socket, because what comes after it would be out of order. Between messages the object sleeps.
import { GOING_AWAY, NO_STATUS } from "#shared/protocol/close-codes.ts";
import { readGrip } from "#shared/protocol/grip.ts";
import type { SocketEvent } from "#shared/protocol/websocket-events.ts";
import type { Payload } from "#shared/resume/frames.ts";
import { SECOND_MS } from "#shared/units.ts";
import { endOfTime, IDLE, NO_TERMS } from "./breach.ts";
import { isAbnormal, translateClose } from "./close-codes.ts";
import type { PostAnswer } from "./event-post.ts";
import { postOnce } from "./http-leg.ts";
import { isEnd, PlainInflow, type QueuedBytes } from "./plain-inflow.ts";
import { PlainLimits } from "./plain-limits.ts";
import { PlainOutflows } from "./plain-outflows.ts";
import type { HostShell } from "./host-shell.ts";
import type { PlainStore } from "./plain-store.ts";
import type { SessionRoute } from "./session-store.ts";
import { attach, attachmentOf, closeQuietly, type Close, type SocketAttachment } from "./socket-io.ts";
import type { TopicStore } from "./topic-store.ts";

/** From its row on until its device's socket is accepted: a call to the pool. */
const OPENING_MS_MAX = 15 * SECOND_MS;
const BAD_UPSTREAM = { code: 1014, reason: "endpoint went away" } as const;

interface Shell extends Pick<HostShell, "ctx" | "alarm" | "releaseSlot" | "news" | "pace" | "budget"> {
  readonly store: PlainStore;
  readonly topics: TopicStore;
  /** There is the first one, or none any more. */
  readonly onCount: (count: number) => void;
}

interface Plain {
  readonly socketId: string;
  readonly route: SessionRoute;
  readonly limits: PlainLimits;
  readonly inflow: PlainInflow;
}

export class PlainHost {
  readonly #shell: Shell;
  readonly #plain = new Map<string, Plain>();
  readonly #outflows: PlainOutflows;
  readonly #queued: QueuedBytes = { bytes: 0 };

  constructor(shell: Shell) {
    this.#shell = shell;
    this.#outflows = new PlainOutflows({ ...shell, socketOf: (socketId) => this.#socketOf(socketId) });
  }

  /** Its endpoint has agreed. On disk before its slot is taken over: should this instance die here, an alarm sees to both. */
  reserve(plainId: string, route: SessionRoute): void {
    this.#shell.store.add(plainId, { ...route, isOpening: true });
    this.#shell.alarm.wakeAt(Date.now() + OPENING_MS_MAX);
  }

  /** There was no slot for it. */
  forget(plainId: string): void {
    this.#shell.store.drop(plainId);
  }

  /** The slot is its own. From here on the object may sleep. */
  begin(
    socket: WebSocket,
    attachment: SocketAttachment,
    opening: { readonly route: SessionRoute; readonly greeting: readonly SocketEvent[] },
  ): void {
    const { plainId = "", acceptedAtMs, terms = NO_TERMS } = attachment;
    this.#shell.ctx.acceptWebSocket(socket, [tagOf(plainId)]);
    attach(socket, attachment);
    this.#shell.store.settle(plainId, opening.route);
    this.#shell.onCount(this.#shell.store.count);
    this.#shell.alarm.wakeAt(
      Math.min(endOfTime(terms, acceptedAtMs)?.atMs ?? Infinity, acceptedAtMs + (terms.limits.idleMsMax ?? Infinity)),
    );
    const close = this.#deliver({ socketId: plainId, route: opening.route }, opening.greeting);
    const plain = close === null ? null : this.#load(attachment);
    if (plain !== null && close !== null) this.#shell.ctx.waitUntil(this.#close(plain, close, { hasFailed: false }));
  }

  /** A message of its service's own accord: at most once. False: there is no such socket any more, or too much waits for it. */
  push(socketId: string, payload: Payload): boolean {
    const { pace, store } = this.#shell;
    const plain = this.#plain.get(socketId);
    if (pace().isOff) return this.#outflows.send(socketId, plain?.route ?? UNKNOWN, payload);
    // Behind its close, or once its device has gone, what waits would never leave.
    if (plain?.inflow.isOver === true || this.#socketOf(socketId)?.readyState !== WebSocket.OPEN) return false;
    const owner = plain?.route ?? store.load(socketId);
    return owner !== null && this.#outflows.send(socketId, owner, payload);
  }

  onMessage(socket: WebSocket, data: string | ArrayBuffer): void {
    const attachment = attachmentOf(socket);
    const plain = this.#load(attachment);
    if (plain === null) return closeQuietly(socket, BAD_UPSTREAM);
    if (plain.inflow.isOver) return;
    const breach = plain.limits.breachOf(data);
    if (breach !== null) return this.#expel(plain.socketId, breach);
    attach(socket, { ...attachment, activeAtMs: Date.now() });
    const tooMuch = plain.inflow.send(data);
    if (tooMuch !== null) this.#expel(plain.socketId, tooMuch);
  }

  onClose(socket: WebSocket, { code, reason }: { readonly code: number; readonly reason: string }): void {
    const plain = this.#load(attachmentOf(socket));
    if (plain !== null) {
      const close = { type: "CLOSE", code: code === NO_STATUS ? null : code, reason } as const;
      plain.inflow.finish(isAbnormal(code) ? { type: "DISCONNECT" } : close);
      this.#outflows.forget(plain.socketId);
    }
    // A close from the peer is answered; workerd leaves that to us.
    if (!isAbnormal(code)) closeQuietly(socket, { code, reason: "" });
  }

  /** After a start: sockets outlive hibernation, all of them, and nothing else. */
  recover(): void {
    const { ctx, store, onCount } = this.#shell;
    const ids = store.all();
    if (ids.length === 0) return;
    const haveSurvived = ctx.getWebSockets().length > 0;
    if (haveSurvived) onCount(ids.length);
    for (const socketId of ids) {
      const route = store.load(socketId);
      // One that was being opened had no socket yet.
      const isGone = route !== null && (!haveSurvived || route.isOpening === true);
      if (isGone) ctx.waitUntil(this.#end({ socketId, route }, { last: [{ type: "DISCONNECT" }] }));
    }
  }

  onAlarm(nowMs: number): number {
    let nextAtMs = Infinity;
    for (const socket of this.#shell.ctx.getWebSockets()) {
      const { plainId, terms = NO_TERMS, acceptedAtMs, activeAtMs = acceptedAtMs } = attachmentOf(socket);
      if (plainId === undefined) continue;
      const end = endOfTime(terms, acceptedAtMs);
      const idleAtMs = activeAtMs + (terms.limits.idleMsMax ?? Infinity);
      if (end !== null && nowMs >= end.atMs) this.#expel(plainId, end.breach);
      else if (nowMs >= idleAtMs) this.#expel(plainId, IDLE);
      else nextAtMs = Math.min(nextAtMs, end?.atMs ?? Infinity, idleAtMs);
    }
    return nextAtMs;
  }

  closeAll(code: number, reason: string): void {
    for (const socketId of this.#shell.store.all()) {
      if (this.#socketOf(socketId) !== undefined) this.#expel(socketId, { code, reason });
    }
  }

  /** Ends both sides for a reason of ours. */
  #expel(socketId: string, { code, reason }: { readonly code: number; readonly reason: string }): void {
    const plain = this.#plain.get(socketId) ?? this.#loadById(socketId);
    closeQuietly(this.#socketOf(socketId), { code, reason });
    this.#outflows.forget(socketId);
    // What is queued then is its end.
    if (plain?.inflow.isOver === false) plain.inflow.cut({ type: "CLOSE", code: GOING_AWAY, reason });
  }

  /** Null: the connection goes on. */
  #onAnswer(plain: Plain, answer: PostAnswer): Promise<void> | null {
    if (!answer.ok) return this.#close(plain, { ...BAD_UPSTREAM, reason: answer.detail }, { hasFailed: true });
    const close = this.#deliver(plain, answer.events);
    return close === null ? null : this.#close(plain, close, { hasFailed: false });
  }

  /** How the endpoint has ended the connection; null: it has not. */
  #deliver({ socketId, route }: Pick<Plain, "socketId" | "route">, events: readonly SocketEvent[]): Close | null {
    const end = events.find(isEnd);
    const said = readGrip(end === undefined ? events : events.slice(0, events.indexOf(end)), route.messagePrefix ?? null);
    for (const payload of said.payloads) {
      const breach = this.#outflows.send(socketId, route, payload) ? null : this.#outflows.breachOf(socketId);
      if (breach === null) continue;
      this.#expel(socketId, breach);
      break;
    }
    const refused = this.#shell.topics.apply({ socketId, tenant: route.tenant }, said.changes);
    this.#shell.news().countGripFaults(route, said.faults, refused);
    if (end === undefined) return null;
    const close = end.type === "CLOSE" ? { code: end.code ?? NO_STATUS, reason: end.reason } : BAD_UPSTREAM;
    const { code = NO_STATUS, reason } = translateClose("endpoint", close);
    return { code, reason };
  }

  /** The endpoint has ended it, or cannot be reached. In order: what waits for the device goes before. */
  async #close(plain: Plain, close: Close, { hasFailed }: { readonly hasFailed: boolean }): Promise<void> {
    plain.inflow.stop();
    await this.#outflows.close(plain.socketId, close);
    return this.#end(plain, { last: hasFailed ? [{ type: "DISCONNECT" }] : [], hasFailed });
  }

  /** Nothing is left of it when the endpoint was told, or could not be. */
  async #end(
    { socketId, route }: Pick<Plain, "socketId" | "route">,
    { last, hasFailed = false }: { readonly last: readonly SocketEvent[]; readonly hasFailed?: boolean },
  ): Promise<void> {
    const { store, releaseSlot, onCount } = this.#shell;
    if (last.length > 0) await this.#post({ socketId, route }, last);
    this.#plain.get(socketId)?.inflow.clear();
    this.#plain.delete(socketId);
    this.#outflows.forget(socketId);
    if (store.load(socketId) === null) return;
    store.drop(socketId);
    this.#shell.topics.drop(socketId);
    onCount(store.count);
    releaseSlot(route, { hasFailed });
  }

  async #post({ socketId, route }: Pick<Plain, "socketId" | "route">, events: readonly SocketEvent[]): Promise<PostAnswer> {
    return postOnce(route, socketId, { events, spend: this.#shell.pace().spend });
  }

  #load({ plainId = "", terms = NO_TERMS }: SocketAttachment): Plain | null {
    return this.#plain.get(plainId) ?? this.#loadById(plainId, new PlainLimits(terms.limits));
  }

  #loadById(socketId: string, limits = new PlainLimits(NO_TERMS.limits)): Plain | null {
    const route = this.#shell.store.load(socketId);
    if (route === null) return null;
    const { ctx, pace, budget } = this.#shell;
    const inflow = new PlainInflow(route, {
      ctx,
      pace,
      budget,
      queued: this.#queued,
      post: async (events) => this.#post({ socketId, route }, events),
      onAnswer: (answer) => this.#onAnswer(plain, answer),
      onLast: async (last) => this.#end(plain, { last }),
    });
    const plain: Plain = { socketId, route, limits, inflow };
    this.#plain.set(socketId, plain);
    return plain;
  }

  #socketOf(socketId: string): WebSocket | undefined {
    return this.#shell.ctx.getWebSockets(tagOf(socketId))[0];
  }
}

/** What it is limited to need not be read: nothing is. */
const UNKNOWN = { service: "", flow: "" };

/** No session's id begins so. */
function tagOf(plainId: string): string {
  return `plain ${plainId}`;
}
