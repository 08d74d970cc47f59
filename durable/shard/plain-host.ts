// Plain sockets of a service whose endpoint speaks WebSocket-over-HTTP: a message is sent once, its answer comes back, and a request
// that fails ends the socket, because what comes after it would be out of order. Between messages the object sleeps.
import { readGrip } from "#shared/protocol/grip.ts";
import type { SocketEvent } from "#shared/protocol/websocket-events.ts";
import { RESUME } from "#shared/resume/bounds.ts";
import type { Payload } from "#shared/resume/frames.ts";
import { MIB_BYTES, SECOND_MS } from "#shared/units.ts";
import { endOfTime, IDLE, NO_TERMS } from "./breach.ts";
import { isAbnormal, translateClose } from "./close-codes.ts";
import type { PostAnswer } from "./event-post.ts";
import { postOnce } from "./http-leg.ts";
import { PlainLane } from "./plain-lane.ts";
import { PlainLimits } from "./plain-limits.ts";
import { PlainMemory } from "./plain-memory.ts";
import { PlainOutflows } from "./plain-outflows.ts";
import type { HostShell } from "./host-shell.ts";
import type { PlainStore } from "./plain-store.ts";
import type { SessionRoute } from "./session-store.ts";
import { closeQuietly, type Close, type SocketAttachment } from "./socket-io.ts";
import type { TopicStore } from "./topic-store.ts";

/** Of messages that wait for the endpoint, of all plain sockets of a Shard object. */
const QUEUED_BYTES_MAX = 16 * MIB_BYTES;
const BATCH_COUNT_MAX = 64;
/** From its row on until its device's socket is accepted: a call to the pool. */
const OPENING_MS_MAX = 15 * SECOND_MS;
const GOING_AWAY = 1001;
const NO_STATUS = 1005;
const TRY_LATER = { code: 1013, reason: "endpoint-slow" } as const;
const BAD_UPSTREAM = { code: 1014, reason: "endpoint went away" } as const;

interface Shell extends Pick<HostShell, "ctx" | "releaseSlot" | "news" | "pace" | "budget"> {
  readonly store: PlainStore;
  readonly topics: TopicStore;
  /** There is the first one, or none any more. */
  readonly onCount: (count: number) => void;
  readonly wakeAt: (atMs: number) => void;
}

interface Plain {
  readonly socketId: string;
  readonly route: SessionRoute;
  readonly limits: PlainLimits;
  readonly memory: PlainMemory;
  /** What may not go to the endpoint yet … */
  readonly inflow: PlainLane;
  /** … and what may. */
  readonly queue: SocketEvent[];
  queuedBytes: number;
  isPosting: boolean;
  /** Its end is on the way to the endpoint: nothing more follows. */
  isOver: boolean;
}

export class PlainHost {
  readonly #shell: Shell;
  readonly #plain = new Map<string, Plain>();
  readonly #outflows: PlainOutflows;
  #queuedBytes = 0;

  constructor(shell: Shell) {
    this.#shell = shell;
    this.#outflows = new PlainOutflows({ ...shell, socketOf: (socketId) => this.#socketOf(socketId) });
  }

  /** Its endpoint has agreed. On disk before its slot is taken over: should this instance die here, an alarm sees to both. */
  reserve(plainId: string, route: SessionRoute): void {
    this.#shell.store.add(plainId, { ...route, isOpening: true });
    this.#shell.wakeAt(Date.now() + OPENING_MS_MAX);
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
    socket.serializeAttachment(attachment);
    this.#shell.store.settle(plainId, opening.route);
    this.#shell.onCount(this.#shell.store.count);
    this.#shell.wakeAt(Math.min(endOfTime(terms, acceptedAtMs)?.atMs ?? Infinity, acceptedAtMs + (terms.limits.idleMsMax ?? Infinity)));
    const close = this.#deliver({ socketId: plainId, route: opening.route }, opening.greeting);
    if (close !== null) this.#shell.ctx.waitUntil(this.#outflows.close(plainId, close));
  }

  /** A message of its service's own accord: at most once. False: there is no such socket any more, or too much waits for it. */
  push(socketId: string, payload: Payload): boolean {
    const { pace, store } = this.#shell;
    const plain = this.#plain.get(socketId);
    if (pace().isOff) return this.#outflows.send(socketId, plain?.route ?? UNKNOWN, payload);
    // Behind its close, or once its device has gone, what waits would never leave.
    if (plain?.isOver === true || this.#socketOf(socketId)?.readyState !== WebSocket.OPEN) return false;
    const owner = plain?.route ?? store.load(socketId);
    return owner !== null && this.#outflows.send(socketId, owner, payload);
  }

  onMessage(socket: WebSocket, data: string | ArrayBuffer): void {
    const attachment = socket.deserializeAttachment() as SocketAttachment;
    const plain = this.#load(attachment);
    if (plain === null) return closeQuietly(socket, BAD_UPSTREAM);
    if (plain.isOver) return;
    const breach = plain.limits.breachOf(data);
    if (breach !== null) return this.#expel(plain.socketId, breach);
    socket.serializeAttachment({ ...attachment, activeAtMs: Date.now() } satisfies SocketAttachment);
    const event: SocketEvent = typeof data === "string" ? { type: "TEXT", text: data } : { type: "BINARY", content: new Uint8Array(data) };
    const bytes = typeof data === "string" ? data.length : data.byteLength;
    const isFull = plain.queue.length >= RESUME.windowCountMax || plain.queuedBytes + bytes > RESUME.windowBytesMax;
    if (isFull || this.#queuedBytes + bytes > QUEUED_BYTES_MAX) return this.#expel(plain.socketId, TRY_LATER);
    const tooMuch = plain.memory.take(event);
    if (tooMuch !== null) return this.#expel(plain.socketId, tooMuch);
    const enters = plain.inflow.send(data, () => this.#enqueue(plain, event));
    if (!enters) this.#expel(plain.socketId, plain.inflow.breach);
  }

  onClose(socket: WebSocket, { code, reason }: { readonly code: number; readonly reason: string }): void {
    const plain = this.#load(socket.deserializeAttachment() as SocketAttachment);
    if (plain !== null) {
      const close = { type: "CLOSE", code: code === NO_STATUS ? null : code, reason } as const;
      void plain.inflow.finish(() => this.#enqueue(plain, isAbnormal(code) ? { type: "DISCONNECT" } : close));
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
      if (isGone) ctx.waitUntil(this.#end({ socketId, route }, [{ type: "DISCONNECT" }]));
    }
  }

  onAlarm(nowMs: number): number {
    let nextAtMs = Infinity;
    for (const socket of this.#shell.ctx.getWebSockets()) {
      const { plainId, terms = NO_TERMS, acceptedAtMs, activeAtMs = acceptedAtMs } = socket.deserializeAttachment() as SocketAttachment;
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
    if (plain === null || plain.isOver) return;
    plain.inflow.clear();
    this.#clear(plain);
    this.#enqueue(plain, { type: "CLOSE", code: GOING_AWAY, reason });
  }

  #enqueue(plain: Plain, event: SocketEvent): void {
    if (plain.isOver) return;
    plain.isOver = isEnd(event);
    const bytes = bytesOf(event);
    plain.queue.push(event);
    plain.queuedBytes += bytes;
    this.#queuedBytes += bytes;
    if (!plain.isPosting) this.#shell.ctx.waitUntil(this.#postAll(plain));
  }

  async #postAll(plain: Plain): Promise<void> {
    plain.isPosting = true;
    while (plain.queue.length > 0) {
      const batch = plain.queue.splice(0, BATCH_COUNT_MAX);
      const bytes = batch.reduce((sum, event) => sum + bytesOf(event), 0);
      plain.queuedBytes -= bytes;
      if (batch.some(isEnd)) {
        await this.#end(plain, batch);
        this.#queuedBytes -= bytes;
        return;
      }
      const answer = await this.#post(plain, batch);
      this.#queuedBytes -= bytes;
      plain.memory.free(batch);
      if (!answer.ok) {
        await this.#close(plain, { ...BAD_UPSTREAM, reason: answer.detail });
        return this.#end(plain, [{ type: "DISCONNECT" }], true);
      }
      const close = this.#deliver(plain, answer.events);
      if (close !== null) {
        await this.#close(plain, close);
        return this.#end(plain, []);
      }
    }
    plain.isPosting = false;
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

  /** In order: what waits for the device goes before. */
  async #close(plain: Plain, close: Close): Promise<void> {
    plain.isOver = true;
    plain.inflow.clear();
    await this.#outflows.close(plain.socketId, close);
  }

  /** Nothing is left of it when the endpoint was told, or could not be. */
  async #end({ socketId, route }: Pick<Plain, "socketId" | "route">, last: readonly SocketEvent[], hasFailed = false): Promise<void> {
    const { store, releaseSlot, onCount } = this.#shell;
    if (last.length > 0) await this.#post({ socketId, route }, last);
    const known = this.#plain.get(socketId);
    if (known !== undefined) this.#clear(known);
    this.#plain.delete(socketId);
    this.#outflows.forget(socketId);
    if (store.load(socketId) === null) return;
    store.drop(socketId);
    this.#shell.topics.drop(socketId);
    onCount(store.count);
    releaseSlot(route, hasFailed);
  }

  async #post({ socketId, route }: Pick<Plain, "socketId" | "route">, events: readonly SocketEvent[]): Promise<PostAnswer> {
    return postOnce(route, socketId, { events, spend: this.#shell.pace().spend });
  }

  #clear(plain: Plain): void {
    this.#queuedBytes -= plain.queuedBytes;
    plain.queuedBytes = 0;
    plain.queue.length = 0;
  }

  #load({ plainId = "", terms = NO_TERMS }: SocketAttachment): Plain | null {
    return this.#plain.get(plainId) ?? this.#loadById(plainId, new PlainLimits(terms.limits));
  }

  #loadById(socketId: string, limits = new PlainLimits(NO_TERMS.limits)): Plain | null {
    const route = this.#shell.store.load(socketId);
    if (route === null) return null;
    const inflow = new PlainLane(route, "endpoint", this.#shell);
    const memory = new PlainMemory(route);
    const plain: Plain = { socketId, route, limits, memory, inflow, queue: [], queuedBytes: 0, isPosting: false, isOver: false };
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

function isEnd({ type }: SocketEvent): boolean {
  return type === "CLOSE" || type === "DISCONNECT";
}

function bytesOf(event: SocketEvent): number {
  return event.type === "TEXT" ? event.text.length : event.type === "BINARY" ? event.content.length : 0;
}
