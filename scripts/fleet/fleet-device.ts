// One device with the SDK, its messages numbered, and everything that must not happen to it counted.
import WebSocket from "ws";
import { TidegateClient, type Payload, type Platform, type Socket, type SocketLike } from "#client/index.ts";

/** How one connection of a device ended. */
export interface ConnectionEnd {
  readonly code: number;
  readonly reason: string;
  /** The code that the device closed it with; null: it did not. */
  readonly closedWith: number | null;
}

export interface FleetDeviceOptions {
  readonly url: string;
  readonly service: string;
  readonly name: string;
  readonly token: () => Promise<string>;
  /** The endpoint's answer to a message. */
  readonly answerTo: (message: string) => string;
}

/** What was wrong is kept for so many of a device's mistakes; the rest is counted. */
const FAULTS_MAX = 20;

export class FleetDevice {
  readonly #options: FleetDeviceOptions;
  readonly #socket: Socket;
  readonly #online = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<void>();
  readonly ends: ConnectionEnd[] = [];
  readonly faults: string[] = [];
  #faultCount = 0;
  #sent = 0;
  #received = 0;
  #connections = 0;
  #refusals = 0;

  constructor(options: FleetDeviceOptions) {
    this.#options = options;
    const { url, service, token } = options;
    const client = new TidegateClient({
      url,
      token,
      platform: { openSocket: (...args) => this.#openSocket(...args) } satisfies Partial<Platform>,
    });
    this.#socket = client.connect(service, {
      onMessage: (payload) => this.#onMessage(payload),
      onOnline: (isOnline) => isOnline && this.#online.resolve(),
      onLost: ({ why }) => this.#fault(`the session was lost: ${why}`),
      onEnd: (end) => {
        if (end.kind !== "closed" || end.code !== 1000 || end.unacknowledged.length > 0)
          this.#fault(`it ended with ${JSON.stringify(end)}`);
        this.#ended.resolve();
        this.#online.reject(new Error(`Cannot open ${options.name}: it ended with ${JSON.stringify(end)}`));
      },
    });
    this.#online.promise.catch(() => undefined);
  }

  get name(): string {
    return this.#options.name;
  }

  get sent(): number {
    return this.#sent;
  }

  /** Messages that came back, in order and once. */
  get received(): number {
    return this.#received;
  }

  get connections(): number {
    return this.#connections;
  }

  /** Connections that have ended. */
  get endCount(): number {
    return this.ends.length + this.#refusals;
  }

  /** Upgrades that were refused, or given up before they were answered. */
  get refusals(): number {
    return this.#refusals;
  }

  get faultCount(): number {
    return this.#faultCount;
  }

  /** Rejects where it ends before it was ever online. */
  async online(): Promise<void> {
    await this.#online.promise;
  }

  /** The next message; false: the window is full. */
  send(): boolean {
    const isTaken = this.#socket.send(this.#message(this.#sent + 1));
    if (isTaken) this.#sent += 1;
    return isTaken;
  }

  async close(): Promise<void> {
    this.#socket.close();
    await this.#ended.promise;
  }

  #message(number: number): string {
    return `${this.#options.name}/${number}`;
  }

  #onMessage(payload: Payload): void {
    const expected = this.#options.answerTo(this.#message(this.#received + 1));
    if (payload === expected) this.#received += 1;
    else this.#fault(`${String(payload).slice(0, 80)} came, expected ${expected}`);
  }

  #openSocket(url: string, protocols: string[]): SocketLike {
    this.#connections += 1;
    // Node's own WebSocket takes a multiple of the memory; compression is nothing to prove here.
    const socket = new WebSocket(url, protocols, { perMessageDeflate: false });
    let closedWith: number | null = null;
    let isOpened = false;
    socket.addEventListener("open", () => (isOpened = true));
    socket.addEventListener("close", ({ code, reason }) => {
      // A refused upgrade, with a status and when to come back, is no connection that ended.
      if (isOpened) this.ends.push({ code, reason, closedWith });
      else this.#refusals += 1;
    });
    // A refused upgrade is an error and a close; the SDK heeds the close.
    socket.addEventListener("error", () => undefined);
    // Not the socket itself, which closes itself in answer to a close: what counts is whether the SDK did.
    const { addEventListener } = socket;
    return {
      get binaryType() {
        return socket.binaryType;
      },
      set binaryType(kind) {
        socket.binaryType = kind as "arraybuffer";
      },
      get protocol() {
        return socket.protocol;
      },
      addEventListener: addEventListener.bind(socket),
      send: (data) => socket.send(data),
      close(code, reason) {
        closedWith ??= code ?? 1005;
        socket.close(code, reason);
      },
    };
  }

  #fault(what: string): void {
    this.#faultCount += 1;
    if (this.faults.length < FAULTS_MAX) this.faults.push(`${this.name}: ${what}`);
  }
}
