// The shell around the pure sessions of one Shard object: it steps them, writes what changed, and does what they ask for.
import { writeOrAbort } from "#durable/lib/write-or-abort.ts";
import { POLICY } from "#shared/protocol/close-codes.ts";
import { RESUME } from "#shared/resume/bounds.ts";
import type { GripAnswer } from "#shared/protocol/grip.ts";
import { canPush, expiresAtMs, openSession, type GatewaySession } from "#shared/resume/gateway-session.ts";
import { stepGateway, type GatewayEffect, type GatewayInput } from "#shared/resume/step-gateway.ts";
import { BufferBudget } from "./buffer-budget.ts";
import { DeviceSide } from "./device-side.ts";
import { PushMemory } from "./push-memory.ts";
import { EndpointSide } from "./endpoint-side.ts";
import type { HostShell, Live } from "./host-shell.ts";
import type { Leg } from "./leg.ts";
import { SessionOutflow } from "./session-outflow.ts";
import { changesOf } from "./session-rows.ts";
import { isSameRow, type SessionRoute } from "./session-store.ts";
import { randomText, reject, socketOf, type SocketAttachment } from "./socket-io.ts";
import { Turn } from "./turn.ts";

export class SessionHost {
  readonly #shell: HostShell;
  readonly #live = new Map<string, Live>();
  /** Sessions that another Shard object has a copy of, and which. Whatever happens to one here ends that. */
  readonly moving = new Map<string, string>();
  /** What devices and endpoints say is taken together. */
  readonly turn = new Turn<Live>((live) => this.#save(live, Date.now()));
  readonly budget = new BufferBudget();
  readonly pushes = new PushMemory();
  readonly device: DeviceSide;
  readonly #endpoint: EndpointSide;
  readonly outflow: SessionOutflow;

  constructor(shell: HostShell) {
    this.#shell = shell;
    this.device = new DeviceSide(this, shell);
    this.#endpoint = new EndpointSide(this, shell);
    const { pace } = shell;
    this.outflow = new SessionOutflow({ pace, budget: this.budget, socketOf: (live, attempt) => this.#socketOf(live, attempt) });
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

  /** After a start: sessions whose connections are gone can be resumed from now on. */
  recover(): void {
    const { ctx, store, alarm } = this.#shell;
    // Connections outlive hibernation, all of them, and nothing else.
    if (ctx.getWebSockets().length > 0) for (const sessionId of store.attached("websocket")) this.wake(this.load(sessionId));
    else {
      for (const sessionId of [...store.attached("http"), ...store.attached("websocket")]) {
        const live = this.load(sessionId);
        if (live !== undefined) this.step(live, [{ kind: "restarted" }]);
        this.unload(sessionId);
      }
    }
    alarm.wakeAt(store.nextDueAtMs());
  }

  onAlarm(nowMs: number): void {
    for (const sessionId of this.#shell.store.due(nowMs)) {
      const live = this.load(sessionId);
      if (live === undefined || live.state.end !== null) this.forget(sessionId);
      else this.step(live, [{ kind: "tick" }]);
    }
    this.device.onAlarm(nowMs);
    this.#shell.alarm.wakeAt(this.#shell.store.nextDueAtMs());
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
      this.outflow.follow(live, before.attempt);
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
    this.#shell.alarm.wakeAt(dueAtMs);
  }

  #act(live: Live, effect: GatewayEffect, sender: WebSocket | undefined): void {
    switch (effect.kind) {
      case "transmit":
        return this.turn.afterSave(() => this.outflow.transmit(live, effect));
      case "disconnect":
        return this.turn.afterSave(() => this.outflow.disconnect(live, effect));
      case "reject":
        return this.turn.afterSave(() => reject(sender, effect));
      case "deliver":
        return live.leg.deliver(effect.message);
      case "over":
        return this.#shell.releaseSlot(live.route, {
          hasFailed: effect.end.why === "endpoint",
          after: this.outflow.stop(live, effect.end, this.turn),
        });
    }
  }

  /** Its device is there. An endpoint that has closed, and whose last messages are not acknowledged yet, is not connected again for that. */
  wake(live: Live | undefined): void {
    if (live?.state.closing === null) live.leg.wake();
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
}

/** Its device has gone, and nothing of its is on the way to the endpoint. */
function isAway({ attempt, detachedAtMs, pending }: GatewaySession): boolean {
  return attempt > 0 && detachedAtMs !== null && pending.length === 0;
}
