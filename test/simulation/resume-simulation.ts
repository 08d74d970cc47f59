// One device, the gateway and its endpoint, with a network that drops, delays and reorders connections, and processes
// that start anew with what is on disk: from one seed, in virtual time, checked after every event. The oracle is what each
// application sent: the other one must have seen exactly a beginning of it.
import { handleOnce, NOTHING_HANDLED, type DedupeState } from "#client/message-dedupe.ts";
import { SessionHandover, type HandoverHost } from "#durable/shard/session-handover.ts";
import { changesOf, sessionFromRows } from "#durable/shard/session-rows.ts";
import { RESUME } from "#shared/resume/bounds.ts";
import { canSend, NEW_DEVICE_SESSION, nextTickAtMs, type DeviceSession } from "#shared/resume/device-session.ts";
import { stepDevice, type DeviceEffect, type DeviceInput, type SessionEnd } from "#shared/resume/step-device.ts";
import { decodeDeviceFrame, decodeGatewayFrame, encodeFrame, type Hello, type Message, type Payload } from "#shared/resume/frames.ts";
import { canPush, expiresAtMs, openSession, type GatewaySession } from "#shared/resume/gateway-session.ts";
import { stepGateway, UNKNOWN_END, type GatewayEffect, type GatewayInput, type GatewayStep } from "#shared/resume/step-gateway.ts";
import { SESSION_HOPS_MAX, type HandOver, type SessionPointer, type ShardRpc } from "#shared/protocol/shard-rpc.ts";
import { parseResumeToken, type ResumeToken } from "#shared/resume/resume-token.ts";
import { seededRandom, type SeededRandom } from "#test/wasm/seeded-random.ts";

export type EndpointMode = "http" | "websocket";

/** What is under test; a canary's is broken. */
export interface Machines {
  readonly stepGateway: typeof stepGateway;
  readonly stepDevice: typeof stepDevice;
  /** False: what a step changed is on disk only some time after its effects left. */
  readonly isOnDiskFirst: boolean;
  readonly handleOnce: typeof handleOnce;
  /** What moves do without. */
  readonly movesWithout: MoveRule | null;
}

/**
 * confirming: a session is let in where its copy is, whatever the shard says that it comes from. use: what happens to a session that is
 * handed over does not end that. turns: two calls for one session take it over at a time. asking: a copy that may be none is not doubted.
 * pointing: who asks a shard for a session that has gone on is told that there is none. naming: any call confirms a
 * move. returning: of a copy that came to nothing no
 * pointer is left.
 */
export type MoveRule = "confirming" | "use" | "turns" | "asking" | "pointing" | "naming" | "returning";

export const MACHINES: Machines = { stepGateway, stepDevice, isOnDiskFirst: true, handleOnce, movesWithout: null };

export interface SimulationOptions {
  readonly mode: EndpointMode;
  readonly machines?: Machines;
  readonly shardCount?: number;
  /** Of each session, where its flow's memory is limited. */
  readonly windowBytes?: number;
}

export interface SimulationResult {
  readonly events: number;
  readonly sent: number;
  readonly pushed: number;
  readonly connections: number;
  readonly sessions: number;
  readonly repeatedAtEndpoint: number;
  readonly lostAtEndpoint: number;
  /** Sessions that came to another shard, and moves that ended otherwise, by how. */
  readonly moves: Readonly<Record<string, number>>;
  /** How often a device was told that its session is over, by reason. */
  readonly ends: Readonly<Record<string, number>>;
}

interface Connection {
  readonly token: string | null;
  readonly attempt: number;
  isCut: boolean;
  /** Where its upgrade came to; null: it is on its way. */
  shard: SimulatedShard | null;
  /** Its session's, once its hello was taken. */
  sessionId: string | null;
  isGreeted: boolean;
  readonly arrivesAtMs: { device: number; gateway: number };
}

/** What is known of one session outside the machines: the oracle's side. */
interface Truth {
  readonly mode: EndpointMode;
  /** Everything that was pushed for the device, in order. */
  readonly pushed: string[];
  /** What the endpoint's application saw; in http mode through the helper. */
  readonly seen: string[];
  /** What arrived at the endpoint, repeated or not. */
  arrived: number;
  dedupe: DedupeState;
  /** What is sent on a connection that was lost arrives late, or never. */
  upstream: { isCut: boolean; arrivesAtMs: number; last: number };
  end: GatewaySession["end"];
}

interface Route {
  readonly tenant: string;
  readonly shardId: string;
  readonly slotId: string;
  readonly isTentative?: boolean;
  readonly cameFrom?: string;
  readonly moveId?: string;
}

interface Disk {
  facts: string;
  messages: Map<number, Payload>;
  route: Route;
  movedTo: SessionPointer | null;
}

/** The Shard object's memory. */
interface Live {
  readonly shard: SimulatedShard;
  readonly route: Route;
  readonly leg: { leave(): Promise<void> | null; abandon(): void };
  state: GatewaySession;
  saved: GatewaySession | null;
  /** Messages for the endpoint, of which the first `inFlight` are in the request under way. */
  queue: Message[];
  inFlight: number;
}

/** One Shard object: what it has on disk, what in memory, and the process that it is. */
interface SimulatedShard {
  readonly shardId: string;
  readonly disk: Map<string, Disk>;
  readonly live: Map<string, Live>;
  readonly moving: Map<string, string>;
  /** Of the process. */
  handover: SessionHandover<Route, Live>;
  /** On disk: its sessions are to leave. */
  isDraining: boolean;
  /** Single sessions that are to leave. */
  readonly told: Set<string>;
  generation: number;
  /** Calls of others that end with this process. */
  readonly calls: Set<() => void>;
}

type Pulled = Awaited<ReturnType<SessionHandover<Route, Live>["pull"]>>;

const OWNER = { tenant: "acme", device: "d-1", service: "echo" };
const GRACE_MS = 3_000;
const CALM_MS = 400_000;
const START_MS = 1_000_000_000;

export class ResumeSimulation {
  readonly #random: SeededRandom;
  readonly #machines: Machines;
  readonly #mode: EndpointMode;
  readonly #windowBytes: number | undefined;
  readonly #queue: { atMs: number; order: number; run: () => void }[] = [];
  #order = 0;
  #nowMs = START_MS;
  #isCalm = false;
  #secretCount = 0;
  readonly #shards: readonly SimulatedShard[];
  /** Promises may have been settled: what waits for them runs before the next event. */
  #isSettling = false;

  #device: DeviceSession = NEW_DEVICE_SESSION;
  /** What the application sent and saw in the session at hand. */
  #sent: string[] = [];
  #log: string[] = [];
  #deviceEpoch = 0;
  #messageCount = 0;

  #connections: Connection[] = [];
  readonly #truth = new Map<string, Truth>();
  readonly #totals = {
    events: 0,
    sent: 0,
    pushed: 0,
    connections: 0,
    sessions: 0,
    repeatedAtEndpoint: 0,
    lostAtEndpoint: 0,
    moves: {} as Record<string, number>,
    ends: {} as Record<string, number>,
  };

  /** `shardCount`: more than one, and sessions move between them. */
  constructor(seed: number, { mode, machines = MACHINES, shardCount = 1, windowBytes }: SimulationOptions) {
    this.#windowBytes = windowBytes;
    this.#random = seededRandom(seed);
    this.#mode = mode;
    this.#machines = machines;
    this.#shards = Array.from({ length: shardCount }, (_, index) => this.#newShard(`echo-${index + 1}`));
  }

  async run({ stormMs }: { stormMs: number }): Promise<SimulationResult> {
    this.#every(
      () => 40 + this.#random.below(400),
      () => this.#deviceSends(),
    );
    this.#every(
      () => 60 + this.#random.below(600),
      () => this.#endpointPushes(),
    );
    this.#every(
      () => 50 + this.#random.below(1_500),
      () => this.#reconnect(),
    );
    this.#every(
      () => 250,
      () => this.#tick(),
    );
    this.#every(
      () => 300 + this.#random.below(1_500),
      () => this.#fault(),
    );
    await this.#until(START_MS + stormMs);
    this.#isCalm = true;
    for (const shard of this.#shards) shard.isDraining = false;
    await this.#until(this.#nowMs + CALM_MS);
    this.#checkCalm();
    return this.#totals;
  }

  async #until(endMs: number): Promise<void> {
    for (;;) {
      const event = this.#queue[0];
      if (event === undefined || event.atMs > endMs) break;
      this.#queue.shift();
      this.#nowMs = Math.max(this.#nowMs, event.atMs);
      event.run();
      if (this.#isSettling) await this.#settle();
      this.#totals.events += 1;
      this.#check();
    }
    this.#nowMs = endMs;
  }

  /** No more steps than a move has between two calls. */
  async #settle(): Promise<void> {
    this.#isSettling = false;
    for (let step = 0; step < 16; step += 1) await Promise.resolve();
  }

  #after(delayMs: number, run: () => void): void {
    const event = { atMs: this.#nowMs + Math.round(delayMs), order: (this.#order += 1), run };
    let at = this.#queue.length;
    while (at > 0 && (this.#queue[at - 1]?.atMs ?? 0) > event.atMs) at -= 1;
    this.#queue.splice(at, 0, event);
  }

  /** In the calm a second apart, so that it is cheap. */
  #every(periodMs: () => number, run: () => void): void {
    this.#after(this.#isCalm ? 1_000 : periodMs(), () => {
      run();
      this.#every(periodMs, run);
    });
  }

  /** Mostly quick; sometimes a connection hangs for seconds and the next one overtakes it. */
  #delayMs(): number {
    if (this.#isCalm) return 5;
    return this.#random.below(15) === 0 ? this.#random.below(8_000) : 1 + this.#random.below(80);
  }

  #chance(oneIn: number): boolean {
    return !this.#isCalm && this.#random.below(oneIn) === 0;
  }

  #secret(): string {
    this.#secretCount += 1;
    return String(this.#secretCount).padStart(22, "s");
  }

  // The device

  #stepDevice(input: DeviceInput): void {
    const { state, effects } = this.#machines.stepDevice(this.#device, input, this.#nowMs);
    // Its application keeps what it was given together with the session's state.
    this.#device = state;
    for (const effect of effects) if (effect.kind === "deliver") this.#log.push(String(effect.message.payload));
    // It stops between its disk and the network.
    if (this.#chance(300)) return this.#restartDevice();
    for (const effect of effects) this.#deviceEffect(effect);
  }

  #deviceEffect(effect: DeviceEffect): void {
    switch (effect.kind) {
      case "transmit": {
        const connection = this.#connections.find(({ attempt, isCut }) => attempt === effect.attempt && !isCut);
        if (connection !== undefined) this.#carry(connection, "gateway", encodeFrame(effect.frame));
        return;
      }
      case "disconnect":
        return this.#cut(effect.attempt);
      case "over":
        return this.#deviceOver(effect.end);
      case "drain":
        // It comes back at a moment of its own choice; the simulation closes before it opens.
        return this.#after(this.#random.below(effect.graceMs), () => this.#cut(this.#device.attempt));
      case "deliver":
      case "attached":
      case "room":
    }
  }

  #restartDevice(): void {
    for (const { attempt } of this.#connections) this.#cut(attempt);
    const { state } = this.#machines.stepDevice(this.#device, { kind: "restarted" }, this.#nowMs);
    this.#device = state;
    if (state.phase === "over") this.#newDeviceSession();
  }

  #deviceSends(): void {
    if (this.#isCalm || !canSend(this.#device, 20, this.#nowMs)) return;
    this.#messageCount += 1;
    const sent = `d${this.#messageCount}`;
    this.#sent.push(sent);
    this.#totals.sent += 1;
    this.#stepDevice({ kind: "send", payload: this.#random.below(2) === 0 ? sent : new TextEncoder().encode(sent) });
  }

  #reconnect(): void {
    if (this.#device.phase === "over") this.#newDeviceSession();
    const isImpatient = this.#device.phase === "connecting" && this.#chance(3);
    if (this.#device.phase !== "offline" && !isImpatient) return;
    const before = this.#device;
    this.#stepDevice({ kind: "connect" });
    const { attempt, token, phase } = this.#device;
    if (phase !== "connecting" || attempt === before.attempt) return;
    const connection: Connection = {
      token,
      attempt,
      isCut: false,
      shard: null,
      sessionId: null,
      isGreeted: false,
      arrivesAtMs: { device: 0, gateway: 0 },
    };
    this.#connections.push(connection);
    this.#totals.connections += 1;
    this.#after(this.#delayMs(), () => this.#upgrade(connection));
  }

  /** The application is told; then it starts over. */
  #deviceOver(end: SessionEnd): void {
    const { session } = this.#device;
    const truth = session === null ? undefined : this.#truth.get(session);
    if (truth === undefined) throw new Error("the device was told of the end of a session that never was");
    if (truth.end === null) throw new Error(`the device was told ${end.why}, but its session lives`);
    this.#totals.ends[end.why] = (this.#totals.ends[end.why] ?? 0) + 1;
    const certain = this.#sent.length - end.unacknowledged.length;
    this.#expect(
      truth.mode === "websocket" || truth.seen.length >= certain,
      `told that ${certain} messages arrived, the endpoint saw ${truth.seen.length}`,
    );
    const missed = truth.pushed.length - this.#log.length;
    const told = end.missed === null ? 0 : (end.missed.last ?? Infinity) - end.missed.first + 1;
    this.#expect(told === Infinity ? end.why === "unknown" : told === missed, `told that ${told} messages are missed, ${missed} are`);
    this.#newDeviceSession();
  }

  #newDeviceSession(): void {
    this.#device = { ...NEW_DEVICE_SESSION, attempt: this.#device.attempt };
    this.#deviceEpoch += 1;
    this.#sent = [];
    this.#log = [];
  }

  // The network

  #carry(connection: Connection, to: "device" | "gateway", data: string | Uint8Array<ArrayBuffer>): void {
    // In order within one connection and direction.
    const atMs = Math.max(connection.arrivesAtMs[to], this.#nowMs + this.#delayMs());
    connection.arrivesAtMs[to] = atMs;
    const wire = typeof data === "string" ? data : data.buffer;
    this.#after(atMs - this.#nowMs, () => {
      if (connection.isCut) return;
      if (to === "gateway") this.#gatewayHears(connection, wire);
      else this.#stepDevice({ kind: "frame", attempt: connection.attempt, frame: decodeGatewayFrame(wire) });
    });
  }

  /** What is under way is lost; each side hears of it in its own time. */
  #cut(attempt: number): void {
    const connection = this.#connections.find((candidate) => candidate.attempt === attempt);
    if (connection === undefined || connection.isCut) return;
    connection.isCut = true;
    this.#connections = this.#connections.filter((candidate) => candidate !== connection);
    const epoch = this.#deviceEpoch;
    this.#after(this.#delayMs(), () => {
      if (epoch === this.#deviceEpoch) this.#stepDevice({ kind: "dropped", attempt });
    });
    const { shard } = connection;
    const generation = shard?.generation;
    this.#after(this.#delayMs(), () => {
      const { sessionId } = connection;
      if (shard !== null && sessionId !== null && generation === shard.generation)
        this.#stepSession(shard, sessionId, [{ kind: "dropped", attempt, isFinal: false }]);
    });
  }

  // The gateway

  #gatewayHears(connection: Connection, wire: string | ArrayBuffer): void {
    const frame = decodeDeviceFrame(wire);
    const { attempt, token, sessionId, shard } = connection;
    if (shard === null) throw new Error("the device spoke before its upgrade was answered");
    if (connection.isGreeted) {
      if (sessionId !== null) this.#stepSession(shard, sessionId, [{ kind: "frame", attempt, frame, random: this.#secret() }]);
      return;
    }
    if (frame.type !== "hello") throw new Error(`the device began with ${frame.type}`);
    connection.isGreeted = true;
    if (token === null) return this.#open(connection, shard, frame);
    const parsed = parseResumeToken(token);
    // Its session went on between its upgrade and its hello.
    if (parsed !== null && (shard.disk.get(parsed.sessionId)?.movedTo ?? null) !== null) return this.#cut(attempt);
    const live = parsed === null ? undefined : this.#load(shard, parsed.sessionId);
    if (parsed === null || live === undefined)
      return this.#reject(connection, { kind: "reject", frame: UNKNOWN_END, code: 1008, reason: "" });
    connection.sessionId = parsed.sessionId;
    const input: GatewayInput = { kind: "hello", secret: parsed.secret, hello: frame, random: this.#secret() };
    this.#stepLive(live, [input], connection);
  }

  #open(connection: Connection, shard: SimulatedShard, hello: Hello): void {
    this.#totals.sessions += 1;
    const sessionId = `session-${String(this.#totals.sessions).padStart(12, "0")}`;
    connection.sessionId = sessionId;
    this.#truth.set(sessionId, {
      mode: this.#mode,
      pushed: [],
      seen: [],
      arrived: 0,
      dedupe: NOTHING_HANDLED,
      upstream: newUpstream(),
      end: null,
    });
    const secret = this.#secret();
    const held = this.#windowBytes === undefined ? {} : { windowBytes: this.#windowBytes };
    const state = { ...openSession({ sessionId, shardId: shard.shardId, random: secret }, this.#nowMs), ...held };
    const live = this.#newLive(shard, this.#routeTo(shard), { state, saved: null });
    shard.live.set(sessionId, live);
    this.#stepLive(live, [{ kind: "hello", secret, hello, random: this.#secret() }], connection);
  }

  #load(shard: SimulatedShard, sessionId: string): Live | undefined {
    const known = shard.live.get(sessionId);
    const disk = shard.disk.get(sessionId);
    if (known !== undefined || disk === undefined || disk.movedTo !== null) return known;
    const messages = [...disk.messages].map(([sequence, payload]) => ({ sequence, payload }));
    const state = sessionFromRows(disk.facts, messages);
    const live = this.#newLive(shard, disk.route, { state, saved: state });
    shard.live.set(sessionId, live);
    return live;
  }

  #newLive(shard: SimulatedShard, route: Route, { state, saved }: Pick<Live, "state" | "saved">): Live {
    const { sessionId } = state;
    const leg = { leave: () => this.#leaveUpstream(shard, sessionId), abandon: () => undefined };
    return { shard, route, leg, state, saved, queue: [], inFlight: 0 };
  }

  #stepSession(shard: SimulatedShard, sessionId: string, inputs: readonly GatewayInput[]): void {
    const live = this.#load(shard, sessionId);
    if (live !== undefined) this.#stepLive(live, inputs);
  }

  #stepLive(live: Live, inputs: readonly GatewayInput[], sender?: Connection): void {
    const before = live.state;
    const effects: GatewayEffect[] = [];
    for (const input of inputs) {
      const step: GatewayStep = this.#machines.stepGateway(live.state, input, this.#nowMs);
      live.state = step.state;
      effects.push(...step.effects);
    }
    if (live.state !== before && this.#machines.movesWithout !== "use") live.shard.moving.delete(before.sessionId);
    this.#commit(live, effects, sender);
  }

  #commit(live: Live, effects: readonly GatewayEffect[], sender: Connection | undefined): void {
    const { state, route } = live;
    const truth = this.#truth.get(state.sessionId);
    // The end of a copy is nobody's.
    if (truth !== undefined && route.isTentative !== true) truth.end = state.end;
    const mayBeLate = !this.#machines.isOnDiskFirst && this.#random.below(4) === 0;
    if (!mayBeLate) this.#save(live);
    // It stops between its disk and the network.
    if (this.#chance(400)) return this.#restartShard(live.shard);
    for (const effect of effects) this.#gatewayEffect(live, effect, sender);
  }

  #save(live: Live): void {
    const { facts, appended, trimmedTo } = changesOf(live.saved, live.state);
    const { disk: disks } = live.shard;
    const disk = disks.get(live.state.sessionId) ?? { facts: "", messages: new Map<number, Payload>(), route: live.route, movedTo: null };
    if (facts !== null) disk.facts = facts;
    for (const { sequence, payload } of appended) disk.messages.set(sequence, payload);
    if (trimmedTo !== null) for (const sequence of disk.messages.keys()) if (sequence <= trimmedTo) disk.messages.delete(sequence);
    disks.set(live.state.sessionId, disk);
    live.saved = live.state;
  }

  #gatewayEffect(live: Live, effect: GatewayEffect, sender: Connection | undefined): void {
    switch (effect.kind) {
      case "transmit": {
        const connection = this.#connections.find(({ attempt }) => attempt === effect.attempt);
        if (connection !== undefined) this.#carry(connection, "device", encodeFrame(effect.frame));
        return;
      }
      case "disconnect":
        // After what was said before.
        return this.#after(200, () => this.#cut(effect.attempt));
      case "reject":
        if (sender !== undefined) this.#reject(sender, effect);
        return;
      case "deliver":
        return this.#deliver(live, effect.message);
      case "over":
    }
  }

  #reject(connection: Connection, { frame }: GatewayEffect & { kind: "reject" }): void {
    connection.sessionId = null;
    if (frame !== null) this.#carry(connection, "device", encodeFrame(frame));
    this.#after(frame === null ? 0 : 10_000, () => this.#cut(connection.attempt));
  }

  #restartShard(shard: SimulatedShard): void {
    shard.generation += 1;
    for (const connection of this.#connections) if (connection.shard === shard) this.#cut(connection.attempt);
    shard.live.clear();
    shard.moving.clear();
    shard.told.clear();
    shard.handover = this.#newHandover(shard);
    for (const end of shard.calls) end();
    shard.calls.clear();
    for (const [sessionId, { movedTo }] of shard.disk) {
      if (movedTo !== null) continue;
      this.#stepSession(shard, sessionId, [{ kind: "restarted" }]);
      const truth = this.#truth.get(sessionId);
      if (truth !== undefined && this.#homeOf(sessionId) === shard) truth.upstream = newUpstream();
    }
  }

  /** Memory goes, connections stay: only where nothing is under way. */
  #hibernate(shard: SimulatedShard): void {
    if ([...shard.live.values()].some(({ queue }) => queue.length > 0) || shard.calls.size > 0) return;
    shard.live.clear();
    shard.moving.clear();
    shard.told.clear();
  }

  #tick(): void {
    const dueAtMs = nextTickAtMs(this.#device);
    if (dueAtMs !== null && dueAtMs <= this.#nowMs) this.#stepDevice({ kind: "tick" });
    for (const shard of this.#shards)
      for (const [sessionId, { facts, movedTo }] of shard.disk) {
        const atMs = movedTo === null ? expiresAtMs(sessionFromRows(facts, [])) : null;
        if (atMs !== null && atMs <= this.#nowMs) this.#stepSession(shard, sessionId, [{ kind: "tick" }]);
      }
  }

  // Moves: SessionHandover as it runs, between shards that die and whose calls are lost

  #newShard(shardId: string): SimulatedShard {
    const memory = {
      live: new Map<string, Live>(),
      moving: new Map<string, string>(),
      told: new Set<string>(),
      calls: new Set<() => void>(),
    };
    const shard = { shardId, disk: new Map<string, Disk>(), ...memory, isDraining: false, generation: 0 };
    return Object.assign(shard, { handover: this.#newHandover(shard) });
  }

  #newHandover(shard: Omit<SimulatedShard, "handover">): SimulatedShard["handover"] {
    const { disk, live, moving } = shard;
    const load = (sessionId: string): Live | undefined => this.#load(shard as SimulatedShard, sessionId);
    const host: HandoverHost<Route, Live> = {
      moving,
      turn: { takeAll: () => undefined },
      pushes: { of: () => [], note: () => undefined },
      belongsTo: (sessionId) => load(sessionId) !== undefined,
      load,
      unload: (sessionId) => void live.delete(sessionId),
      forget: (sessionId) => void (live.delete(sessionId), disk.delete(sessionId)),
      add: (sessionId, route, state) => {
        const added = this.#newLive(shard as SimulatedShard, route, { state, saved: null });
        live.set(sessionId, added);
        this.#save(added);
      },
      step: (session, inputs) => this.#stepLive(session, inputs),
    };
    return new SessionHandover<Route, Live>(host, {
      store: {
        load: (sessionId) => (disk.get(sessionId)?.movedTo === null ? disk.get(sessionId) : undefined),
        movedTo: (sessionId) => disk.get(sessionId)?.movedTo ?? null,
        pointTo: (sessionId, { shardId, moveId }) =>
          this.#machines.movesWithout === "returning" && disk.get(sessionId)?.route.isTentative === true
            ? void disk.delete(sessionId)
            : rewrite(disk, sessionId, { movedTo: { shardId, moveId }, messages: new Map() }),
        saveRoute: (sessionId, route) => rewrite(disk, sessionId, { route }),
        export: (sessionId) => exportOf(disk.get(sessionId)),
        topics: { count: 0, apply: () => undefined },
      },
      alarm: { wakeAt: () => undefined },
      releaseSlot: () => undefined,
      connectionOf: ({ state }) => ({ close: () => this.#cut(state.attempt) }),
    });
  }

  #routeTo({ shardId }: SimulatedShard): Route {
    return { tenant: OWNER.tenant, shardId, slotId: "" };
  }

  /** The shard whose session it is: no other may let its device in, or take its endpoint's messages. Undefined: it is on the move. */
  #homeOf(sessionId: string): SimulatedShard | undefined {
    const homes = this.#shards.filter(({ disk, moving }) => {
      const own = disk.get(sessionId);
      return own !== undefined && own.movedTo === null && own.route.isTentative !== true && !moving.has(sessionId);
    });
    this.#expect(homes.length < 2, `${homes.length} shards have session ${sessionId}`);
    return homes[0];
  }

  #upgrade(connection: Connection): void {
    const { token } = connection;
    const parsed = token === null ? null : parseResumeToken(token);
    const open = this.#shards.filter(({ isDraining }) => !isDraining);
    const any = open[this.#random.below(open.length)];
    if (parsed === null) return any === undefined ? this.#cut(connection.attempt) : this.#accept(connection, any, null);
    const shard = this.#shards.find(({ shardId }) => shardId === parsed.shardId);
    if (shard !== undefined) this.#enter(connection, { shard, token: parsed, hops: 1 });
  }

  /** As Shard.#resume and gateway/routes/resume.ts have it. */
  #enter(connection: Connection, at: { shard: SimulatedShard; token: ResumeToken; hops: number; sentFrom?: SessionPointer }): void {
    if (connection.isCut) return;
    const { shard, token, hops, sentFrom } = at;
    const { sessionId } = token;
    const doubted = shard.handover.whereabouts({ sessionId, ...(sentFrom === undefined ? {} : { sentFrom }) });
    const elsewhere = this.#machines.movesWithout === "asking" ? (shard.disk.get(sessionId)?.movedTo ?? null) : doubted;
    const next = this.#shards.find(({ shardId }) => shardId === elsewhere?.shardId);
    if (next !== undefined && elsewhere !== null) {
      if (hops === SESSION_HOPS_MAX) return this.#cut(connection.attempt);
      return this.#after(this.#delayMs(), () =>
        this.#enter(connection, { ...at, shard: next, hops: hops + 1, sentFrom: { ...elsewhere, shardId: shard.shardId } }),
      );
    }
    const isHere = shard.disk.has(sessionId);
    const others = this.#shards.filter((other) => other !== shard && !other.isDraining);
    const target = others[this.#random.below(Math.max(1, others.length))];
    if (!isHere || !(shard.isDraining || shard.told.has(sessionId)) || target === undefined || this.#chance(6))
      return this.#accept(connection, shard, isHere ? sessionId : null);
    return this.#after(this.#delayMs(), () => this.#moveHere(connection, target, { from: shard, token }));
  }

  #moveHere(connection: Connection, shard: SimulatedShard, { from, token }: { from: SimulatedShard; token: ResumeToken }): void {
    void this.#pull(shard, from, token).then((result) => this.#onMoved(connection, shard, { result, token }));
  }

  async #pull(shard: SimulatedShard, from: SimulatedShard, { sessionId, secret }: ResumeToken): Promise<Pulled | null> {
    const { generation } = shard;
    const handover = this.#machines.movesWithout === "turns" ? this.#newHandover(shard) : shard.handover;
    const route = { ...this.#routeTo(shard), cameFrom: from.shardId };
    const result = await handover.pull(this.#remote(from, shard), route, { ...OWNER, sessionId, secret });
    return generation === shard.generation ? result : null;
  }

  /** Null: the process that asked is gone. */
  #onMoved(connection: Connection, shard: SimulatedShard, { result, token }: { result: Pulled | null; token: ResumeToken }): null {
    if (result === null) return null;
    const moved = result === "unsure" && this.#machines.movesWithout === "confirming" ? "here" : result;
    this.#totals.moves[moved] = (this.#totals.moves[moved] ?? 0) + 1;
    if (moved === "here" || moved === "unknown") this.#accept(connection, shard, moved === "here" ? token.sessionId : null);
    else this.#cut(connection.attempt);
    return null;
  }

  #accept(connection: Connection, shard: SimulatedShard, sessionId: string | null): void {
    if (sessionId !== null) {
      shard.handover.settle(sessionId);
      const truth = this.#truth.get(sessionId);
      const live = this.#load(shard, sessionId);
      if (truth !== undefined && live !== undefined) truth.end = live.state.end;
    }
    if (connection.isCut) return;
    connection.shard = shard;
    this.#stepDevice({ kind: "connected", attempt: connection.attempt });
  }

  /** Each call, and each answer, may be lost; neither outlives the process at its end. */
  #remote(callee: SimulatedShard, caller: SimulatedShard): Pick<ShardRpc, "handOver" | "confirmMove"> {
    const { generation } = caller;
    const call = async <T>(run: () => T | Promise<T>): Promise<T> =>
      new Promise((resolve, reject) => {
        const arrive = (settle: () => void): void => {
          if (caller.generation !== generation) return;
          this.#isSettling = true;
          settle();
        };
        const fail = (): void => this.#after(this.#delayMs(), () => arrive(() => reject(new Error("lost"))));
        if (this.#chance(12)) return fail();
        this.#after(this.#delayMs(), () => {
          this.#isSettling = true;
          callee.calls.add(fail);
          const end = (settle: () => void): void => {
            if (!callee.calls.delete(fail)) return;
            if (this.#chance(12)) fail();
            else this.#after(this.#delayMs(), () => arrive(settle));
          };
          void (async () => run())().then(
            (value) => end(() => resolve(value)),
            (error: unknown) => end(() => reject(error instanceof Error ? error : new Error(String(error)))),
          );
        });
      });
    return {
      handOver: async (request) =>
        call(async () => {
          const hasGone = (callee.disk.get(request.sessionId)?.movedTo ?? null) !== null;
          return hasGone && this.#machines.movesWithout === "pointing" ? null : callee.handover.handOver(request);
        }),
      confirmMove: async (sessionId, to, moveId) =>
        call(() => {
          const latest = callee.moving.get(sessionId)?.split(" ")[1] ?? moveId;
          return callee.handover.confirmMove(sessionId, to, this.#machines.movesWithout === "naming" ? latest : moveId);
        }),
    };
  }

  /** What was said on the endpoint's socket still arrives; then a new one is opened, from elsewhere. */
  #leaveUpstream(shard: SimulatedShard, sessionId: string): Promise<void> | null {
    const truth = this.#truth.get(sessionId);
    if (this.#mode === "http" || truth === undefined) return null;
    const { generation } = shard;
    const waitMs = Math.max(truth.upstream.arrivesAtMs - this.#nowMs, this.#delayMs());
    truth.upstream = newUpstream();
    return new Promise((resolve) => {
      this.#after(waitMs, () => {
        if (generation !== shard.generation) return;
        this.#isSettling = true;
        resolve();
      });
    });
  }

  #drain(shard: SimulatedShard | undefined): void {
    if (shard === undefined || shard.isDraining || this.#shards.some(({ isDraining }) => isDraining)) return;
    shard.isDraining = true;
    this.#tellToLeave(shard, [...shard.live.keys()]);
    const { generation } = shard;
    this.#after(GRACE_MS, () => {
      if (!shard.isDraining || generation !== shard.generation) return;
      for (const connection of this.#connections) if (connection.shard === shard) this.#cut(connection.attempt);
    });
    // Cancelled, or long over.
    this.#after(this.#random.below(4 * GRACE_MS), () => (shard.isDraining = false));
  }

  #tellOne(sessionId: string | undefined): void {
    const shard = sessionId === undefined ? undefined : this.#homeOf(sessionId);
    if (sessionId === undefined || shard === undefined) return;
    shard.told.add(sessionId);
    this.#after(4 * GRACE_MS, () => shard.told.delete(sessionId));
    this.#tellToLeave(shard, [sessionId]);
  }

  #tellToLeave(shard: SimulatedShard, sessionIds: readonly string[]): void {
    for (const sessionId of sessionIds) {
      const live = this.#load(shard, sessionId);
      if (live?.state.detachedAtMs === null) this.#stepLive(live, [{ kind: "drain", reason: "move", graceMs: GRACE_MS }]);
    }
  }

  // The endpoint

  #deliver(live: Live, message: Message): void {
    if (this.#mode === "http") {
      live.queue.push(message);
      return this.#post(live);
    }
    const { sessionId } = live.state;
    const truth = this.#truth.get(sessionId);
    const { upstream } = truth ?? { upstream: null };
    // Its own before it is sent.
    this.#stepLive(live, [{ kind: "delivered", upTo: message.sequence }]);
    if (truth === undefined || upstream === null) return;
    const atMs = Math.max(upstream.arrivesAtMs, this.#nowMs + this.#delayMs());
    upstream.arrivesAtMs = atMs;
    this.#after(atMs - this.#nowMs, () => {
      if (upstream.isCut) {
        this.#totals.lostAtEndpoint += 1;
        return;
      }
      const seen = text(message.payload);
      this.#expect(!truth.seen.includes(seen), `the endpoint saw ${seen} twice`);
      this.#expect(Number(seen.slice(1)) > upstream.last, `the endpoint saw ${seen} after d${upstream.last} on one connection`);
      upstream.last = Number(seen.slice(1));
      truth.seen.push(seen);
    });
  }

  /** One request at a time; what fails is sent again. */
  #post(live: Live): void {
    if (live.inFlight > 0 || live.queue.length === 0 || live.state.end !== null) return;
    const { sessionId, received } = live.state;
    const truth = this.#truth.get(sessionId);
    if (truth === undefined) return;
    const messages = live.queue.slice(0, 16);
    live.inFlight = messages.length;
    const request = { first: received + 1, confirmed: received, messages: messages.map(({ payload }) => payload) };
    const again = (): void => {
      if (live.shard.live.get(sessionId) !== live) return;
      live.inFlight = 0;
      this.#post(live);
    };
    this.#after(this.#delayMs(), () => {
      if (this.#chance(10)) return again();
      truth.arrived += messages.length;
      const answer = this.#machines.handleOnce(truth.dedupe, request, (message) => {
        truth.seen.push(text(message));
        return [`r-${text(message)}`];
      });
      this.#totals.repeatedAtEndpoint = this.#totals.repeatedAtEndpoint + messages.length - (answer.state.handled - truth.dedupe.handled);
      truth.dedupe = answer.state;
      this.#after(this.#delayMs(), () => {
        if (this.#chance(10)) return again();
        if (live.shard.live.get(sessionId) === live) this.#answered(live, messages, answer.messages);
      });
    });
  }

  /** The answers and the receipt are one commit. */
  #answered(live: Live, messages: readonly Message[], answers: readonly Payload[]): void {
    live.inFlight = 0;
    live.queue.splice(0, messages.length);
    const { state } = live;
    if (state.end !== null) return;
    const bytes = answers.length * 32;
    if (!canPush(state, bytes) || state.outbound.kept.length + answers.length > RESUME.windowCountMax) {
      this.#stepLive(live, [{ kind: "fail", why: "overflow", code: 1013, reason: "the device is too slow" }]);
      return;
    }
    const pushes = answers.map((payload): GatewayInput => ({ kind: "push", payload }));
    for (const answer of answers) this.#pushed(state.sessionId, text(answer));
    this.#stepLive(live, [...pushes, { kind: "delivered", upTo: messages.at(-1)?.sequence ?? 0 }]);
    this.#post(live);
  }

  #endpointPushes(): void {
    if (this.#isCalm) return;
    for (const [sessionId, truth] of this.#truth) {
      const home = truth.end === null ? this.#homeOf(sessionId) : undefined;
      const live = home === undefined ? undefined : this.#load(home, sessionId);
      if (live === undefined || !canPush(live.state, 20)) continue;
      this.#messageCount += 1;
      this.#pushed(sessionId, `e${this.#messageCount}`);
      this.#stepLive(live, [{ kind: "push", payload: `e${this.#messageCount}` }]);
    }
  }

  #pushed(sessionId: string, message: string): void {
    this.#truth.get(sessionId)?.pushed.push(message);
    this.#totals.pushed += 1;
  }

  // Faults

  #fault(): void {
    if (this.#isCalm) return;
    const newest = this.#connections.at(-1);
    const sessions = [...this.#truth].filter(([, { end }]) => end === null).map(([sessionId]) => sessionId);
    const session = sessions[this.#random.below(sessions.length)];
    const shard = this.#shards[this.#random.below(this.#shards.length)];
    if (shard === undefined) return;
    const moves = [() => this.#drain(shard), () => this.#drain(this.#homeOf(session ?? "")), () => this.#tellOne(session)];
    const faults: readonly (() => void)[] = [
      ...(this.#shards.length > 1 ? [...moves, ...moves] : []),
      () => (newest === undefined ? undefined : this.#cut(newest.attempt)),
      () => (newest === undefined ? undefined : this.#cut(newest.attempt)),
      () => (newest === undefined ? undefined : this.#cut(newest.attempt)),
      () => this.#restartDevice(),
      () => this.#restartShard(shard),
      () => this.#hibernate(shard),
      () => this.#hibernate(shard),
      () => this.#dropUpstream(session),
      () => (this.#chance(4) ? this.#away() : undefined),
      () => (session !== undefined && this.#chance(6) ? this.#endpointCloses(session) : undefined),
      () => this.#age(session),
    ];
    faults[this.#random.below(faults.length)]?.();
  }

  #dropUpstream(session: string | undefined): void {
    const truth = session === undefined ? undefined : this.#truth.get(session);
    if (truth === undefined) return;
    truth.upstream.isCut = true;
    truth.upstream = newUpstream();
  }

  /** Long enough for the session to expire, or nearly. */
  #away(): void {
    for (const { attempt } of this.#connections) this.#cut(attempt);
    const awayMs = this.#random.below(2 * RESUME.detachedMsMax);
    const backAtMs = this.#nowMs + awayMs;
    const tick = (): void => {
      if (this.#nowMs >= backAtMs) return;
      this.#after(1_000, tick);
      this.#tick();
    };
    tick();
    this.#nowMs = backAtMs;
  }

  #endpointCloses(session: string): void {
    const home = this.#homeOf(session);
    if (home !== undefined) this.#stepSession(home, session, [{ kind: "close", code: 4_001, reason: "enough" }]);
  }

  /** As if the token were an hour old: it is replaced in band. */
  #age(session: string | undefined): void {
    const home = session === undefined ? undefined : this.#homeOf(session);
    const live = home === undefined || session === undefined ? undefined : this.#load(home, session);
    if (live?.state.isConfirmed === true) live.state = { ...live.state, rotatedAtMs: -RESUME.tokenMsMax };
  }

  // The oracle

  #expect(condition: boolean, what: string): void {
    if (!condition) throw new Error(what);
  }

  #check(): void {
    const { session, outbound } = this.#device;
    this.#expect(outbound.kept.length <= RESUME.windowCountMax, "the device keeps more than its window");
    for (const shard of this.#shards) for (const { state } of shard.live.values()) this.#checkWindow(state);
    const truth = session === null ? undefined : this.#truth.get(session);
    if (truth === undefined) {
      this.#expect(this.#log.length === 0, "the device saw messages of no session");
      return;
    }
    if (session !== null) this.#homeOf(session);
    this.#checkPrefix("the device", this.#log, truth.pushed);
    // The websocket one is looked at when a message arrives.
    if (truth.mode === "http") this.#checkPrefix("the endpoint", truth.seen, this.#sent);
  }

  #checkWindow({ pending, outbound }: GatewaySession): void {
    const windowBytes = this.#windowBytes ?? Infinity;
    const pendingBytes = pending.reduce((sum, bytes) => sum + bytes, 0);
    this.#expect(pendingBytes <= windowBytes, `a session keeps ${pendingBytes} bytes one way`);
    this.#expect(outbound.keptBytes <= 3 * windowBytes, `a session keeps ${outbound.keptBytes} bytes one way`);
  }

  /** Only the newest need a look after each event: the others were looked at when they came. */
  #checkPrefix(who: string, seen: readonly string[], sent: readonly string[]): void {
    this.#expect(seen.length <= sent.length, `${who} saw ${seen.length} messages, ${sent.length} were sent`);
    for (let index = Math.max(0, seen.length - 20); index < seen.length; index += 1)
      this.#expect(seen[index] === sent[index], `${who} saw ${seen[index]} as its message ${index + 1}, expected ${sent[index]}`);
  }

  #checkCalm(): void {
    const { session, phase, outbound } = this.#device;
    this.#expect(phase === "attached", `after the storm the device is ${phase}`);
    const truth = session === null ? undefined : this.#truth.get(session);
    this.#expect(truth !== undefined && truth.end === null, "after the storm the device's session is over");
    this.#expect(outbound.kept.length === 0, `after the storm ${outbound.kept.length} messages of the device are not acknowledged`);
    this.#expect(this.#log.length === truth?.pushed.length, "after the storm the device has not seen everything");
    if (truth?.mode === "http")
      this.#expect(truth.seen.length === this.#sent.length, "after the storm the endpoint has not seen everything");
    const living = this.#shards.flatMap((shard) => [...shard.live.values()].filter(({ state }) => this.#homeOf(state.sessionId) === shard));
    for (const live of living)
      this.#expect(live.state.outbound.kept.length === 0 || live.state.end !== null, "after the storm messages are kept");
  }
}

function rewrite(disk: Map<string, Disk>, sessionId: string, change: Partial<Disk>): void {
  const before = disk.get(sessionId);
  if (before !== undefined) disk.set(sessionId, { ...before, ...change });
}

function exportOf(disk: Disk | undefined): Omit<HandOver, "pushIds" | "moveId"> | null {
  if (disk === undefined) return null;
  const messages = [...disk.messages].map(([sequence, payload]) => ({ sequence, payload }));
  return { facts: disk.facts, messages, topics: [], messagePrefix: null };
}

function newUpstream(): Truth["upstream"] {
  return { isCut: false, arrivesAtMs: 0, last: 0 };
}

function text(payload: Payload): string {
  return typeof payload === "string" ? payload : new TextDecoder().decode(payload);
}
