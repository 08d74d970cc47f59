// A device's world without a network or a clock: a gateway of one Shard object's sessions, in virtual time.
import { TidegateClient, type ClientOptions, type Platform, type SocketLike } from "#client/index.ts";
import { decodeDeviceFrame, encodeFrame, type Payload, type Report, type Terms } from "#shared/resume/frames.ts";
import { openSession, type GatewaySession } from "#shared/resume/gateway-session.ts";
import { stepGateway, UNKNOWN_END, type GatewayInput, type GatewayStep } from "#shared/resume/step-gateway.ts";
import { parseResumeToken, RESUME_PROTOCOL_PREFIX } from "#shared/resume/resume-token.ts";

type Listener = (event: { data: string | ArrayBuffer }) => void;

export class FakeSocket implements SocketLike {
  binaryType = "";
  readonly protocol = "tidegate.v1";
  readonly protocols: readonly string[];
  readonly listeners = new Map<string, Listener>();
  readonly #world: FakeWorld;
  isOpen = true;
  closedWith: number | null = null;
  attempt = 0;
  sessionId: string | null = null;

  constructor(world: FakeWorld, protocols: readonly string[]) {
    this.#world = world;
    this.protocols = protocols;
  }

  addEventListener(type: string, listener: Listener | (() => void)): void {
    this.listeners.set(type, listener);
  }

  send(data: string | Uint8Array<ArrayBuffer>): void {
    if (!this.isOpen) throw new Error("closed");
    this.#world.hears(this, typeof data === "string" ? data : data.slice().buffer);
  }

  close(code = 1005): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.closedWith = code;
    this.#world.dropped(this, code === 1000);
  }

  /** The network's doing: the device hears of it at once. */
  cut(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.#world.dropped(this, false);
    this.emit("close", "");
  }

  emit(type: string, data: string | ArrayBuffer): void {
    this.listeners.get(type)?.({ data });
  }
}

export class FakeWorld {
  nowMs = 1_000_000;
  readonly sockets: FakeSocket[] = [];
  readonly sessions = new Map<string, GatewaySession>();
  /** What the endpoint saw. */
  readonly seen: Payload[] = [];
  readonly posts: { url: string; init: RequestInit }[] = [];
  /** Refuses upgrades, and says this when asked why; also the answer to every other request. */
  answer: (() => Response) | null = null;
  refusesUpgrades = false;
  /** Nothing of the endpoint's is acknowledged. */
  isStalled = false;
  isMute = false;
  /** What connections are told that they may. */
  terms: Terms = {};
  /** In band. */
  readonly reports: Report[] = [];
  #timers: { atMs: number; run: () => void }[] = [];
  #secrets = 0;

  readonly platform: Platform = {
    openSocket: (_url, protocols) => this.#openSocket(protocols),
    fetch: async (url, init) => {
      this.posts.push({ url, init });
      return Promise.resolve(this.answer?.() ?? Response.json({ verdict: "admitted" }));
    },
    nowMs: () => this.nowMs,
    random: () => 0.5,
    after: (delayMs, run) => {
      const timer = { atMs: this.nowMs + delayMs, run };
      this.#timers.push(timer);
      return () => void (this.#timers = this.#timers.filter((other) => other !== timer));
    },
  };

  client(options: Partial<ClientOptions> = {}): TidegateClient {
    return new TidegateClient({ url: "https://gateway.example/", token: "t0", platform: this.platform, ...options });
  }

  get timerCount(): number {
    return this.#timers.length;
  }

  get socket(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (socket === undefined) throw new Error("no socket was opened");
    return socket;
  }

  /** Lets promises settle, then runs what is due, one after the other. */
  async pass(durationMs: number): Promise<void> {
    const endMs = this.nowMs + durationMs;
    for (;;) {
      await settle();
      const due = this.#timers.filter(({ atMs }) => atMs <= endMs).toSorted((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== due);
      this.nowMs = Math.max(this.nowMs, due.atMs);
      due.run();
    }
    this.nowMs = endMs;
  }

  push(payload: Payload): void {
    for (const sessionId of this.sessions.keys()) this.step(sessionId, { kind: "push", payload });
  }

  step(sessionId: string, input: GatewayInput, sender?: FakeSocket): void {
    const session = this.sessions.get(sessionId);
    if (session !== undefined) this.#apply(stepGateway(session, input, this.nowMs), sender);
  }

  hears(socket: FakeSocket, data: string | ArrayBuffer): void {
    if (this.isMute) return;
    const frame = decodeDeviceFrame(data);
    if (frame.type === "report") this.reports.push(frame);
    if (socket.sessionId !== null) {
      this.step(socket.sessionId, { kind: "frame", attempt: socket.attempt, frame, random: this.#secret() });
      return;
    }
    if (frame.type !== "hello") throw new Error(`the device began with ${frame.type}`);
    socket.attempt = frame.attempt;
    const token = socket.protocols.find((protocol) => protocol.startsWith(RESUME_PROTOCOL_PREFIX));
    const parsed = token === undefined ? null : parseResumeToken(token.slice(RESUME_PROTOCOL_PREFIX.length));
    if (parsed === null) {
      socket.sessionId = `session-${String(this.sessions.size + 1).padStart(12, "0")}`;
      const secret = this.#secret();
      this.sessions.set(socket.sessionId, openSession({ sessionId: socket.sessionId, shardId: "echo-1", random: secret }, this.nowMs));
      this.step(socket.sessionId, { kind: "hello", secret, hello: frame, random: this.#secret(), terms: this.terms }, socket);
    } else if (this.sessions.has(parsed.sessionId)) {
      socket.sessionId = parsed.sessionId;
      this.step(
        parsed.sessionId,
        { kind: "hello", secret: parsed.secret, hello: frame, random: this.#secret(), terms: this.terms },
        socket,
      );
    } else socket.emit("message", String(encodeFrame(UNKNOWN_END)));
  }

  dropped({ sessionId, attempt }: FakeSocket, isFinal: boolean): void {
    if (sessionId !== null) this.step(sessionId, { kind: "dropped", attempt, isFinal });
  }

  #openSocket(protocols: readonly string[]): FakeSocket {
    const socket = new FakeSocket(this, protocols);
    this.sockets.push(socket);
    this.platform.after(0, () => {
      if (this.refusesUpgrades) socket.cut();
      else socket.emit("open", "");
    });
    return socket;
  }

  #apply({ state, effects }: GatewayStep, sender: FakeSocket | undefined): void {
    this.sessions.set(state.sessionId, state);
    for (const effect of effects) {
      const socket = this.sockets.findLast(({ isOpen, sessionId }) => isOpen && sessionId === state.sessionId);
      if (effect.kind === "transmit") {
        const data = encodeFrame(effect.frame);
        socket?.emit("message", typeof data === "string" ? data : data.buffer);
      } else if (effect.kind === "reject" && effect.frame !== null) sender?.emit("message", String(encodeFrame(effect.frame)));
      else if (effect.kind === "deliver" && !this.isStalled) {
        this.seen.push(effect.message.payload);
        this.step(state.sessionId, { kind: "delivered", upTo: effect.message.sequence });
      }
    }
  }

  #secret(): string {
    this.#secrets += 1;
    return String(this.#secrets).padStart(22, "s");
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}
