// One device of a load: a plain WebSocket, or a session of `tidegate.v1` as docs/protocol.md has it, on a bare TCP connection.
import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { RESUME } from "#shared/resume/bounds.ts";
import { PING, PONG, SUBPROTOCOL } from "#shared/resume/frames.ts";
import { CLOSE, encodeFrame, FrameReader, TEXT } from "./wire.ts";

export interface DeviceAddress {
  readonly port: number;
  readonly path: string;
  /** Null: who listens asks for none. */
  readonly token: string | null;
  readonly isResumable: boolean;
}

/** How a message of the application looks to the one that sent it. */
export type OnMessage = (text: string) => void;

export class LoadDevice {
  readonly #address: DeviceAddress;
  readonly #socket: Socket;
  readonly #reader = new FrameReader();
  readonly #opened = Promise.withResolvers<void>();
  readonly #closed = Promise.withResolvers<void>();
  #head = "";
  #isUpgraded = false;
  /** Frames that go together with the next ones: one system call for what one chunk brings about. */
  #waiting: Buffer[] = [];
  #isReading = false;
  #sent = 0;
  #received = 0;
  #acknowledged = 0;
  #ackTimer: NodeJS.Timeout | null = null;
  #pongs = 0;
  onMessage: OnMessage = () => undefined;
  /** The gateway asks it to leave; or it closed. */
  onDrain: () => void = () => undefined;

  constructor(address: DeviceAddress) {
    this.#address = address;
    this.#socket = connect({ port: address.port, host: "127.0.0.1", noDelay: true });
    this.#socket
      .on("connect", () => this.#socket.write(this.#upgrade()))
      .on("data", (chunk) => this.#onData(chunk))
      .on("error", (error) => this.#opened.reject(error))
      .on("close", () => {
        this.#opened.reject(new Error("Cannot open a load's socket: it closed before it was open"));
        this.#closed.resolve();
      });
    // Whoever waits hears of it; nobody may.
    this.#opened.promise.catch(() => undefined);
  }

  /** Rejects where the upgrade is refused. */
  async open(): Promise<this> {
    await this.#opened.promise;
    return this;
  }

  get pongs(): number {
    return this.#pongs;
  }

  send(text: string): void {
    this.#sent += 1;
    this.#write(this.#address.isResumable ? `m${this.#sent}:${text}` : text);
  }

  ping(): void {
    this.#write(PING);
  }

  /** With 1000, and waits for the end of the connection. */
  async close(): Promise<void> {
    if (this.#ackTimer !== null) clearTimeout(this.#ackTimer);
    if (this.#socket.destroyed) return;
    this.#socket.write(encodeFrame(CLOSE, Buffer.from([1000 >> 8, 1000 & 0xff]), { isMasked: true }));
    await this.#closed.promise;
  }

  /** Without a word. */
  destroy(): void {
    if (this.#ackTimer !== null) clearTimeout(this.#ackTimer);
    this.#socket.destroy();
  }

  #upgrade(): string {
    const { port, path, token, isResumable } = this.#address;
    const lines = [
      `GET ${path} HTTP/1.1`,
      `Host: 127.0.0.1:${port}`,
      "Upgrade: websocket",
      "Connection: Upgrade",
      "Sec-WebSocket-Version: 13",
      `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
    ];
    if (isResumable) lines.push(`Sec-WebSocket-Protocol: ${SUBPROTOCOL}`);
    if (token !== null) lines.push(`Authorization: Bearer ${token}`);
    return `${lines.join("\r\n")}\r\n\r\n`;
  }

  #onData(chunk: Buffer): void {
    if (this.#isUpgraded) return this.#onFrames(chunk);
    this.#head += chunk.toString("latin1");
    const end = this.#head.indexOf("\r\n\r\n");
    if (end === -1) return;
    const status = this.#head.slice(9, 12);
    if (status !== "101") {
      this.#opened.reject(
        new Error(`Cannot open a load's socket: status ${status}, expected 101: ${this.#head.slice(end + 4, end + 300)}`),
      );
      this.#socket.destroy();
      return;
    }
    this.#isUpgraded = true;
    const rest = Buffer.from(this.#head.slice(end + 4), "latin1");
    if (this.#address.isResumable) this.#write('{"type":"hello","attempt":1,"received":0}');
    else this.#opened.resolve();
    if (rest.length > 0) this.#onFrames(rest);
  }

  #onFrames(chunk: Buffer): void {
    this.#isReading = true;
    for (const { opcode, payload } of this.#reader.read(chunk)) {
      if (opcode === CLOSE) this.#socket.end();
      else if (opcode === TEXT) this.#onText(payload.toString("latin1"));
    }
    this.#isReading = false;
    if (this.#waiting.length === 0) return;
    this.#socket.write(Buffer.concat(this.#waiting));
    this.#waiting = [];
  }

  #onText(text: string): void {
    if (!this.#address.isResumable) return this.onMessage(text);
    if (text.startsWith("m")) {
      this.#received += 1;
      const colon = text.indexOf(":");
      if (Number(text.slice(1, colon)) !== this.#received)
        throw new Error(`Message ${text.slice(1, colon)} came, expected ${this.#received}`);
      this.#acknowledgeSoon();
      this.onMessage(text.slice(colon + 1));
    } else if (text === PONG) this.#pongs += 1;
    else if (text.startsWith("{")) this.#onControl(JSON.parse(text) as { type: string; token?: string });
  }

  #onControl({ type, token }: { type: string; token?: string }): void {
    if (token !== undefined) this.#write(JSON.stringify({ type: "rotated", token }));
    if (type === "welcome") this.#opened.resolve();
    else if (type === "drain") this.onDrain();
  }

  /** As the protocol asks of a device, but for bytes: these messages are small. */
  #acknowledgeSoon(): void {
    if (this.#received - this.#acknowledged >= RESUME.ackCountMax) this.#acknowledge();
    else this.#ackTimer ??= setTimeout(() => this.#acknowledge(), RESUME.ackDelayMs);
  }

  #acknowledge(): void {
    if (this.#ackTimer !== null) clearTimeout(this.#ackTimer);
    this.#ackTimer = null;
    if (this.#acknowledged === this.#received) return;
    this.#acknowledged = this.#received;
    this.#write(`a${this.#received}`);
  }

  #write(text: string): void {
    const frame = encodeFrame(TEXT, Buffer.from(text, "latin1"), { isMasked: true });
    if (this.#isReading) this.#waiting.push(frame);
    else this.#socket.write(frame);
  }
}

/** So many devices, opened a few at a time. */
export async function openDevices(addresses: readonly DeviceAddress[]): Promise<LoadDevice[]> {
  const devices: LoadDevice[] = [];
  for (let at = 0; at < addresses.length; at += OPENING_MAX)
    devices.push(...(await Promise.all(addresses.slice(at, at + OPENING_MAX).map(async (address) => new LoadDevice(address).open()))));
  return devices;
}

const OPENING_MAX = 50;
