// One device, the gateway and its endpoint, with a network that drops, delays and reorders connections, and processes
// that start anew with what is on disk: from one seed, in virtual time, checked after every event. The oracle is what each
// application sent: the other one must have seen exactly a beginning of it.
import { handleOnce, NOTHING_HANDLED, type DedupeState } from "#client/message-dedupe.ts";
import { changesOf, sessionFromRows } from "#durable/shard/session-rows.ts";
import { RESUME } from "#shared/resume/bounds.ts";
import {
  canSend,
  NEW_DEVICE_SESSION,
  nextTickAtMs,
  stepDevice,
  type DeviceEffect,
  type DeviceInput,
  type DeviceSession,
  type SessionEnd,
} from "#shared/resume/device-session.ts";
import { decodeDeviceFrame, decodeGatewayFrame, encodeFrame, type Hello, type Message, type Payload } from "#shared/resume/frames.ts";
import {
  canPush,
  expiresAtMs,
  openSession,
  stepGateway,
  UNKNOWN_END,
  type GatewayEffect,
  type GatewayInput,
  type GatewaySession,
  type GatewayStep,
} from "#shared/resume/gateway-session.ts";
import { parseResumeToken } from "#shared/resume/resume-token.ts";
import { seededRandom, type SeededRandom } from "#test/wasm/seeded-random.ts";

export type EndpointMode = "http" | "websocket";

/** What is under test; a canary's is broken. */
export interface Machines {
  readonly stepGateway: typeof stepGateway;
  readonly stepDevice: typeof stepDevice;
  /** False: what a step changed is on disk only some time after its effects left. */
  readonly isOnDiskFirst: boolean;
  readonly handleOnce: typeof handleOnce;
}

export const MACHINES: Machines = { stepGateway, stepDevice, isOnDiskFirst: true, handleOnce };

export interface SimulationResult {
  readonly events: number;
  readonly sent: number;
  readonly pushed: number;
  readonly connections: number;
  readonly sessions: number;
  readonly repeatedAtEndpoint: number;
  readonly lostAtEndpoint: number;
  /** How often a device was told that its session is over, by reason. */
  readonly ends: Readonly<Record<string, number>>;
}

interface Connection {
  readonly token: string | null;
  readonly attempt: number;
  isCut: boolean;
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

interface Disk {
  facts: string;
  messages: Map<number, Payload>;
}

/** The Shard object's memory. */
interface Live {
  state: GatewaySession;
  saved: GatewaySession | null;
  /** Messages for the endpoint, of which the first `inFlight` are in the request under way. */
  queue: Message[];
  inFlight: number;
}

const CALM_MS = 400_000;
const START_MS = 1_000_000_000;

export class ResumeSimulation {
  readonly #random: SeededRandom;
  readonly #machines: Machines;
  readonly #mode: EndpointMode;
  readonly #queue: { atMs: number; order: number; run: () => void }[] = [];
  #order = 0;
  #nowMs = START_MS;
  #isCalm = false;
  #secretCount = 0;
  #generation = 0;

  #device: DeviceSession = NEW_DEVICE_SESSION;
  /** What the application sent and saw in the session at hand. */
  #sent: string[] = [];
  #log: string[] = [];
  #deviceEpoch = 0;
  #messageCount = 0;

  #connections: Connection[] = [];
  readonly #live = new Map<string, Live>();
  readonly #disk = new Map<string, Disk>();
  readonly #truth = new Map<string, Truth>();
  readonly #totals = {
    events: 0,
    sent: 0,
    pushed: 0,
    connections: 0,
    sessions: 0,
    repeatedAtEndpoint: 0,
    lostAtEndpoint: 0,
    ends: {} as Record<string, number>,
  };

  constructor(seed: number, mode: EndpointMode, machines: Machines = MACHINES) {
    this.#random = seededRandom(seed);
    this.#mode = mode;
    this.#machines = machines;
  }

  run({ stormMs }: { stormMs: number }): SimulationResult {
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
    this.#until(START_MS + stormMs);
    this.#isCalm = true;
    this.#until(this.#nowMs + CALM_MS);
    this.#checkCalm();
    return this.#totals;
  }

  #until(endMs: number): void {
    for (;;) {
      const event = this.#queue[0];
      if (event === undefined || event.atMs > endMs) break;
      this.#queue.shift();
      this.#nowMs = Math.max(this.#nowMs, event.atMs);
      event.run();
      this.#totals.events += 1;
      this.#check();
    }
    this.#nowMs = endMs;
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
      case "deliver":
      case "attached":
      case "drain":
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
      sessionId: null,
      isGreeted: false,
      arrivesAtMs: { device: 0, gateway: 0 },
    };
    this.#connections.push(connection);
    this.#totals.connections += 1;
    this.#after(this.#delayMs(), () => {
      if (!connection.isCut) this.#stepDevice({ kind: "connected", attempt });
    });
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
    const generation = this.#generation;
    this.#after(this.#delayMs(), () => {
      const { sessionId } = connection;
      if (sessionId !== null && generation === this.#generation)
        this.#stepSession(sessionId, [{ kind: "dropped", attempt, isFinal: false }]);
    });
  }

  // The gateway

  #gatewayHears(connection: Connection, wire: string | ArrayBuffer): void {
    const frame = decodeDeviceFrame(wire);
    const { attempt, token, sessionId } = connection;
    if (connection.isGreeted) {
      if (sessionId !== null) this.#stepSession(sessionId, [{ kind: "frame", attempt, frame, random: this.#secret() }]);
      return;
    }
    if (frame.type !== "hello") throw new Error(`the device began with ${frame.type}`);
    connection.isGreeted = true;
    if (token === null) return this.#open(connection, frame);
    const parsed = parseResumeToken(token);
    const live = parsed === null ? undefined : this.#load(parsed.sessionId);
    if (parsed === null || live === undefined)
      return this.#reject(connection, { kind: "reject", frame: UNKNOWN_END, code: 1008, reason: "" });
    connection.sessionId = parsed.sessionId;
    this.#stepSession(parsed.sessionId, [{ kind: "hello", secret: parsed.secret, hello: frame, random: this.#secret() }], connection);
  }

  #open(connection: Connection, hello: Hello): void {
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
    const state = openSession({ sessionId, shardId: "echo-1", random: secret }, this.#nowMs);
    this.#live.set(sessionId, { state, saved: null, queue: [], inFlight: 0 });
    this.#stepSession(sessionId, [{ kind: "hello", secret, hello, random: this.#secret() }], connection);
  }

  #load(sessionId: string): Live | undefined {
    const known = this.#live.get(sessionId);
    const disk = this.#disk.get(sessionId);
    if (known !== undefined || disk === undefined) return known;
    const messages = [...disk.messages].map(([sequence, payload]) => ({ sequence, payload }));
    const state = sessionFromRows(disk.facts, messages);
    const live: Live = { state, saved: state, queue: [], inFlight: 0 };
    this.#live.set(sessionId, live);
    return live;
  }

  #stepSession(sessionId: string, inputs: readonly GatewayInput[], sender?: Connection): void {
    const live = this.#load(sessionId);
    if (live === undefined) return;
    const effects: GatewayEffect[] = [];
    for (const input of inputs) {
      const step: GatewayStep = this.#machines.stepGateway(live.state, input, this.#nowMs);
      live.state = step.state;
      effects.push(...step.effects);
    }
    this.#commit(live, effects, sender);
  }

  #commit(live: Live, effects: readonly GatewayEffect[], sender: Connection | undefined): void {
    const { state } = live;
    const truth = this.#truth.get(state.sessionId);
    if (truth !== undefined) truth.end = state.end;
    const mayBeLate = !this.#machines.isOnDiskFirst && this.#random.below(4) === 0;
    if (!mayBeLate) this.#save(live);
    // It stops between its disk and the network.
    if (this.#chance(400)) return this.#restartGateway();
    for (const effect of effects) this.#gatewayEffect(live, effect, sender);
  }

  #save(live: Live): void {
    const { facts, appended, trimmedTo } = changesOf(live.saved, live.state);
    const disk = this.#disk.get(live.state.sessionId) ?? { facts: "", messages: new Map<number, Payload>() };
    if (facts !== null) disk.facts = facts;
    for (const { sequence, payload } of appended) disk.messages.set(sequence, payload);
    if (trimmedTo !== null) for (const sequence of disk.messages.keys()) if (sequence <= trimmedTo) disk.messages.delete(sequence);
    this.#disk.set(live.state.sessionId, disk);
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

  #restartGateway(): void {
    this.#generation += 1;
    for (const { attempt } of this.#connections) this.#cut(attempt);
    this.#live.clear();
    for (const sessionId of this.#disk.keys()) this.#stepSession(sessionId, [{ kind: "restarted" }]);
    for (const truth of this.#truth.values()) truth.upstream = newUpstream();
  }

  /** Memory goes, connections stay: only where nothing is under way. */
  #hibernate(): void {
    if ([...this.#live.values()].some(({ queue }) => queue.length > 0)) return;
    this.#live.clear();
  }

  #tick(): void {
    const dueAtMs = nextTickAtMs(this.#device);
    if (dueAtMs !== null && dueAtMs <= this.#nowMs) this.#stepDevice({ kind: "tick" });
    for (const [sessionId, { facts }] of this.#disk) {
      const atMs = expiresAtMs(sessionFromRows(facts, []));
      if (atMs !== null && atMs <= this.#nowMs) this.#stepSession(sessionId, [{ kind: "tick" }]);
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
    this.#stepSession(sessionId, [{ kind: "delivered", upTo: message.sequence }]);
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
      if (this.#live.get(sessionId) !== live) return;
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
        if (this.#live.get(sessionId) === live) this.#answered(live, messages, answer.messages);
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
      this.#stepSession(state.sessionId, [{ kind: "fail", why: "overflow", code: 1013, reason: "the device is too slow" }]);
      return;
    }
    const pushes = answers.map((payload): GatewayInput => ({ kind: "push", payload }));
    for (const answer of answers) this.#pushed(state.sessionId, text(answer));
    this.#stepSession(state.sessionId, [...pushes, { kind: "delivered", upTo: messages.at(-1)?.sequence ?? 0 }]);
    this.#post(live);
  }

  #endpointPushes(): void {
    if (this.#isCalm) return;
    for (const [sessionId, truth] of this.#truth) {
      const live = truth.end === null ? this.#load(sessionId) : undefined;
      if (live === undefined || !canPush(live.state, 20)) continue;
      this.#messageCount += 1;
      this.#pushed(sessionId, `e${this.#messageCount}`);
      this.#stepSession(sessionId, [{ kind: "push", payload: `e${this.#messageCount}` }]);
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
    const faults: readonly (() => void)[] = [
      () => (newest === undefined ? undefined : this.#cut(newest.attempt)),
      () => (newest === undefined ? undefined : this.#cut(newest.attempt)),
      () => (newest === undefined ? undefined : this.#cut(newest.attempt)),
      () => this.#restartDevice(),
      () => this.#restartGateway(),
      () => this.#hibernate(),
      () => this.#hibernate(),
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
    this.#stepSession(session, [{ kind: "close", code: 4_001, reason: "enough" }]);
  }

  /** As if the token were an hour old: it is replaced in band. */
  #age(session: string | undefined): void {
    const live = session === undefined ? undefined : this.#load(session);
    if (live?.state.isConfirmed === true) live.state = { ...live.state, rotatedAtMs: -RESUME.tokenMsMax };
  }

  // The oracle

  #expect(condition: boolean, what: string): void {
    if (!condition) throw new Error(what);
  }

  #check(): void {
    const { session, outbound } = this.#device;
    this.#expect(outbound.kept.length <= RESUME.windowCountMax, "the device keeps more than its window");
    const truth = session === null ? undefined : this.#truth.get(session);
    if (truth === undefined) {
      this.#expect(this.#log.length === 0, "the device saw messages of no session");
      return;
    }
    this.#checkPrefix("the device", this.#log, truth.pushed);
    // The websocket one is looked at when a message arrives.
    if (truth.mode === "http") this.#checkPrefix("the endpoint", truth.seen, this.#sent);
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
    for (const live of this.#live.values())
      this.#expect(live.state.outbound.kept.length === 0 || live.state.end !== null, "after the storm messages are kept");
  }
}

function newUpstream(): Truth["upstream"] {
  return { isCut: false, arrivesAtMs: 0, last: 0 };
}

function text(payload: Payload): string {
  return typeof payload === "string" ? payload : new TextDecoder().decode(payload);
}
