// The shell around the pure sessions of one Shard object: it steps them, writes what changed, and does what they ask for.
import { writeOrAbort } from "#durable/lib/write-or-abort.ts";
import { RESUME } from "#shared/resume/bounds.ts";
import type { GripAnswer } from "#shared/protocol/grip.ts";
import { decodeDeviceFrame, type DeviceFrame, type FrameFault } from "#shared/resume/frames.ts";
import {
  canPush,
  expiresAtMs,
  isTokenOld,
  openSession,
  stepGateway,
  type GatewayEffect,
  type GatewayInput,
  type GatewaySession,
} from "#shared/resume/gateway-session.ts";
import { isAbnormal } from "./close-codes.ts";
import { TOO_LARGE } from "./breach.ts";
import { BUSY, BufferBudget } from "./buffer-budget.ts";
import { PushMemory } from "./push-memory.ts";
import { EndpointSide } from "./endpoint-side.ts";
import type { HostShell, Live } from "./host-shell.ts";
import type { Leg } from "./leg.ts";
import { SessionOutflow } from "./session-outflow.ts";
import { changesOf } from "./session-rows.ts";
import { SessionLimits } from "./session-limits.ts";
import { SessionReports } from "./session-reports.ts";
import { isSameRow, type SessionRoute } from "./session-store.ts";
import { closeQuietly, closeUnheard, randomText, reject, socketOf, turnAway, type SocketAttachment } from "./socket-io.ts";
import { Turn } from "./turn.ts";

/** A connection without a hello is closed after that. */
const HELLO_MS_MAX = RESUME.unconfirmedMsMax;
const POLICY = 1008;
const PROTOCOL_ERROR = 1002;
const NORMAL = 1000;

export class SessionHost {
  readonly #shell: HostShell;
  readonly #live = new Map<string, Live>();
  /** Sessions that another Shard object has a copy of, and which. Whatever happens to one here ends that. */
  readonly moving = new Map<string, string>();
  /** What devices and endpoints say is taken together. */
  readonly turn = new Turn<Live>((live) => this.#save(live, Date.now()));
  readonly budget = new BufferBudget();
  readonly pushes = new PushMemory();
  readonly #limits = new SessionLimits(this);
  readonly #reports: SessionReports;
  readonly #endpoint: EndpointSide;
  readonly #outflow: SessionOutflow;
  #alarmAtMs = Infinity;

  constructor(shell: HostShell) {
    this.#shell = shell;
    this.#endpoint = new EndpointSide(this, shell);
    this.#reports = new SessionReports(shell, this.#limits);
    const { pace } = shell;
    this.#outflow = new SessionOutflow({ pace, budget: this.budget, socketOf: (live, attempt) => this.#socketOf(live, attempt) });
  }

  /** A new session, whose slot is its own and whose endpoint has agreed. Returns what its device's socket carries. */
  begin(input: { sessionId: string; route: SessionRoute; greeting: GripAnswer }): Omit<SocketAttachment, "terms"> {
    const { sessionId, route, greeting } = input;
    const secret = randomText();
    const nowMs = Date.now();
    const state = openSession({ sessionId, shardId: route.shardId, random: secret }, nowMs);
    const live = this.add(sessionId, route, state);
    this.#endpoint.greet(live, greeting);
    return { sessionId, secret, attempt: null, acceptedAtMs: nowMs };
  }

  /** A session that nobody was told of but its endpoint: it was no use beginning it. */
  takeBack(sessionId: string): void {
    this.load(sessionId)?.leg.stop({ why: "policy", code: POLICY, reason: "no slot" });
    this.forget(sessionId);
  }

  /** Whether a device that brings this session is the one it belongs to. */
  belongsTo(sessionId: string, owner: Pick<SessionRoute, "tenant" | "device" | "service">): boolean {
    const route = this.load(sessionId)?.route;
    return route?.tenant === owner.tenant && route.device === owner.device && route.service === owner.service;
  }

  onMessage(socket: WebSocket, data: string | ArrayBuffer): void {
    const attachment = socket.deserializeAttachment() as SocketAttachment;
    const frame = decodeDeviceFrame(data);
    if (attachment.attempt === null) return this.#onHello(socket, attachment, frame);
    const live = this.load(attachment.sessionId);
    if (live === undefined) return turnAway(socket, this.#shell.store.movedTo(attachment.sessionId) !== null);
    const breach = this.#limits.breachOf(live, frame, attachment);
    if (breach !== null) return this.step(live, [{ kind: "fail", why: "policy", ...breach }], socket);
    if (frame.type === "report") return this.#reports.take(live, frame, socket);
    if (frame.type === "message" && !this.budget.hasRoom(frame.payload.length)) return this.#putOff(live, socket);
    const random = isTokenOld(live.state, Date.now()) ? randomText() : "";
    this.step(live, [{ kind: "frame", attempt: attachment.attempt, frame, random }], socket);
  }

  /** The device has the message still, and sends it again with its next connection. */
  #putOff(live: Live, socket: WebSocket): void {
    this.step(live, [{ kind: "dropped", attempt: live.state.attempt, isFinal: false }]);
    closeQuietly(socket, BUSY);
  }

  onClose(socket: WebSocket, code: number): void {
    const { sessionId, attempt } = socket.deserializeAttachment() as SocketAttachment;
    const live = this.load(sessionId);
    // What came before the close is the endpoint's before the session may be over.
    live?.leg.flush();
    if (live !== undefined && attempt !== null) {
      this.step(live, [{ kind: "dropped", attempt, isFinal: code === NORMAL }]);
      this.#outflow.leave(live, attempt);
    } else if (live !== undefined) this.#endUnheard(live);
    // A close from the peer is answered; workerd leaves that to us.
    if (!isAbnormal(code)) closeQuietly(socket, { code, reason: "" });
  }

  onTooLarge(socket: WebSocket): void {
    const live = this.load((socket.deserializeAttachment() as SocketAttachment).sessionId);
    if (live !== undefined) this.step(live, [{ kind: "fail", why: "policy", ...TOO_LARGE }]);
  }

  /** After a start: sessions whose connections are gone can be resumed from now on. */
  recover(): void {
    const { ctx, store } = this.#shell;
    // Connections outlive hibernation, all of them, and nothing else.
    if (ctx.getWebSockets().length > 0) for (const sessionId of store.attached("websocket")) this.load(sessionId)?.leg.wake();
    else {
      for (const sessionId of [...store.attached("http"), ...store.attached("websocket")]) {
        const live = this.load(sessionId);
        if (live !== undefined) this.step(live, [{ kind: "restarted" }]);
        this.unload(sessionId);
      }
    }
    this.wakeAt(store.nextDueAtMs());
  }

  /** After a start: the alarm that is set. Another one that is set in its place must not be a later one. */
  knowAlarm(atMs: number | null): void {
    this.#alarmAtMs = atMs ?? Infinity;
  }

  onAlarm(nowMs: number): void {
    this.#alarmAtMs = Infinity;
    for (const sessionId of this.#shell.store.due(nowMs)) {
      const live = this.load(sessionId);
      if (live === undefined || live.state.end !== null) this.forget(sessionId);
      else this.step(live, [{ kind: "tick" }]);
    }
    const sockets = this.#shell.ctx.getWebSockets();
    this.wakeAt(closeUnheard(sockets, { nowMs, helloMsMax: HELLO_MS_MAX }));
    this.wakeAt(this.#limits.onAlarm(sockets, nowMs));
    this.wakeAt(this.#shell.store.nextDueAtMs());
  }

  /** A socket was accepted: an alarm sees whether it says hello, and when its time is up. */
  expect(attachment: SocketAttachment): void {
    this.wakeAt(Math.min(attachment.acceptedAtMs + HELLO_MS_MAX, this.#limits.firstLookAtMs(attachment)));
  }

  #onHello(socket: WebSocket, attachment: SocketAttachment, frame: DeviceFrame | FrameFault): void {
    const live = this.load(attachment.sessionId);
    if (frame.type !== "hello") {
      if (live !== undefined) this.#endUnheard(live);
      return closeQuietly(socket, { code: PROTOCOL_ERROR, reason: "the first frame is no hello" });
    }
    // It was here when the connection was let in: it may have gone, and have come back as what may be a copy only.
    const isTentative = live?.route.isTentative === true;
    if (live === undefined || isTentative) return turnAway(socket, isTentative || this.#shell.store.movedTo(attachment.sessionId) !== null);
    // Before the step: its effects are for this socket. Not where it cannot become the session's, whose socket is another.
    const mayAttach = frame.attempt > live.state.attempt;
    if (mayAttach) socket.serializeAttachment({ ...attachment, attempt: frame.attempt } satisfies SocketAttachment);
    const terms = mayAttach ? this.#limits.begin(live, attachment) : {};
    this.step(live, [{ kind: "hello", secret: attachment.secret, hello: frame, random: randomText(), terms }], socket);
    if (mayAttach && live.state.attempt !== frame.attempt) socket.serializeAttachment(attachment);
    if (live.state.detachedAtMs === null) live.leg.wake();
  }

  /** A new session whose only connection brought no hello: nobody was told of it, so nobody can resume it. */
  #endUnheard(live: Live): void {
    if (live.state.attempt === 0) this.step(live, [{ kind: "fail", why: "policy", code: POLICY, reason: "no hello" }]);
  }

  /** Does what the inputs ask for; what they change is on disk before any of it leaves. `sender`: the socket that brought them. */
  step(live: Live, inputs: readonly GatewayInput[], sender?: WebSocket): void {
    const nowMs = Date.now();
    const before = live.state;
    this.turn.run(() => {
      this.turn.touch(live);
      const effects: GatewayEffect[] = [];
      for (const input of inputs) {
        const step = stepGateway(live.state, input, nowMs);
        live.state = step.state;
        effects.push(...step.effects);
      }
      this.budget.note(live);
      this.#outflow.follow(live, before.attempt);
      if (live.state !== before) this.moving.delete(before.sessionId);
      for (const effect of effects) this.#act(live, effect, sender);
    });
  }

  /** Memory has changed already: if the disk does not follow, this instance must not go on. */
  #save(live: Live, nowMs: number): void {
    const { state, route } = live;
    const changes = changesOf(live.saved, state);
    live.saved = state;
    // Nothing that runs needs it: what waits on disk for a device that is away takes no memory.
    if (route.mode === "http" && isAway(state)) this.unload(state.sessionId);
    if (changes.facts === null && changes.appended.length === 0 && changes.trimmedTo === null) return;
    const dueAtMs = state.end === null ? expiresAtMs(state) : nowMs + RESUME.graveMsMax;
    const row = { isAttached: state.end === null && state.detachedAtMs === null, isOver: state.end !== null, dueAtMs };
    const isRowSaved = isSameRow(live.savedRow, row);
    live.savedRow = row;
    writeOrAbort(this.#shell.ctx, "a session", () => this.#shell.store.save(state.sessionId, changes, isRowSaved ? null : row));
    this.wakeAt(dueAtMs);
  }

  #act(live: Live, effect: GatewayEffect, sender: WebSocket | undefined): void {
    switch (effect.kind) {
      case "transmit":
        return this.turn.afterSave(() => this.#outflow.transmit(live, effect));
      case "disconnect":
        return this.turn.afterSave(() => this.#outflow.disconnect(live, effect));
      case "reject":
        return this.turn.afterSave(() => reject(sender, effect));
      case "deliver":
        return live.leg.deliver(effect.message);
      case "over":
        return this.#shell.releaseSlot(live.route, effect.end.why === "endpoint", this.#outflow.stop(live, effect.end, this.turn));
    }
  }

  /** Whether a message of so many bytes may be kept for the device. */
  canPush(live: Live, bytes: number): boolean {
    return canPush(live.state, bytes) && this.budget.hasRoom(bytes);
  }

  #socketOf(live: Live, attempt: number): WebSocket | undefined {
    const known = live.connection;
    if (known?.attempt === attempt && known.socket.readyState === WebSocket.OPEN) return known.socket;
    const socket = socketOf(this.#shell.ctx, live.state.sessionId, attempt);
    if (socket !== undefined) live.connection = { attempt, socket };
    return socket;
  }

  /** From memory, or from disk; undefined: not here. */
  load(sessionId: string): Live | undefined {
    const known = this.#live.get(sessionId);
    if (known !== undefined) return known;
    const stored = this.#shell.store.load(sessionId);
    if (stored === undefined) return undefined;
    const { route, state } = stored;
    const live: Live = { route, state, saved: state, leg: this.#legOf(sessionId, route) };
    this.#live.set(sessionId, live);
    this.budget.note(live);
    return live;
  }

  #legOf(sessionId: string, route: SessionRoute): Leg {
    return this.#shell.makeLeg(sessionId, route, this.#endpoint.eventsOf(sessionId));
  }

  /** Out of memory; its disk stays. */
  unload(sessionId: string): void {
    this.budget.forget(this.#live.get(sessionId));
    this.#live.delete(sessionId);
  }

  /** A session that is new here: in memory and on disk. */
  add(sessionId: string, route: SessionRoute, state: GatewaySession): Live {
    const { memoryBytes } = route;
    const held = memoryBytes === undefined ? state : { ...state, windowBytes: Math.floor(memoryBytes / 4) };
    const live: Live = { route, state: held, saved: null, leg: this.#legOf(sessionId, route) };
    this.#live.set(sessionId, live);
    this.#shell.store.begin(sessionId, route);
    this.#save(live, Date.now());
    return live;
  }

  /** Not even that it was is known from here on. */
  forget(sessionId: string): void {
    this.unload(sessionId);
    this.#shell.store.drop(sessionId);
  }

  /** An alarm comes then, or before; null, Infinity: none is needed. */
  wakeAt(atMs: number | null): void {
    if (atMs === null || this.#alarmAtMs <= atMs) return;
    this.#alarmAtMs = atMs;
    void this.#shell.ctx.storage.setAlarm(atMs);
  }
}

/** Its device has gone, and nothing of its is on the way to the endpoint. */
function isAway({ attempt, detachedAtMs, pending }: GatewaySession): boolean {
  return attempt > 0 && detachedAtMs !== null && pending.length === 0;
}
