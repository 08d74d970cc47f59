import { ABNORMAL, GOING_AWAY, NO_STATUS, RESTART } from "#shared/protocol/close-codes.ts";
import type { End, Message } from "#shared/resume/frames.ts";
import { isAbnormal, translateClose } from "./close-codes.ts";
import { RETRY_WAITS_MS, wait, type Leg, type LegInput } from "./leg.ts";
import { openUpstream } from "./upstream.ts";

/** An endpoint that does not answer a close loses what it says later. */
const LEAVE_MS_MAX = 10_000;

/**
 * One socket of the endpoint's own. A message is the endpoint's before it is sent: at most once, also across a socket that
 * broke and was opened again.
 */
export class WebSocketLeg implements Leg {
  readonly #input: LegInput;
  /** Messages that wait for a socket. */
  readonly #queue: Message[] = [];
  #socket: WebSocket | null = null;
  /** One that is being closed, whose last messages are still taken. */
  #leaving: { readonly socket: WebSocket; readonly left: PromiseWithResolvers<void> } | null = null;
  #isOpening = false;
  #hasStopped = false;

  constructor(input: LegInput, socket: WebSocket | null) {
    this.#input = input;
    if (socket !== null) this.#use(socket);
  }

  deliver(message: Message): void {
    this.#queue.push(message);
    if (this.#queue.length === 1) this.#input.events.atEnd(() => this.flush());
  }

  flush(): void {
    if (this.#queue.length === 0) return;
    if (this.#socket === null) this.wake();
    else this.#send(this.#socket);
  }

  wake(): void {
    if (this.#socket !== null || this.#isOpening || this.#hasStopped) return;
    this.#isOpening = true;
    this.#input.events.waitUntil(this.#open());
  }

  stop({ why, code, reason }: Pick<End, "why" | "code" | "reason">): void {
    this.#hasStopped = true;
    this.#queue.length = 0;
    const close = why === "closed" ? { code, reason } : { code: GOING_AWAY, reason: `session ${why}` };
    closeQuietly(this.#socket, close.code, close.reason);
    this.#socket = null;
  }

  async emptied(): Promise<void> {
    // What it had is the runtime's, or dropped.
  }

  leave(): Promise<void> | null {
    this.#queue.length = 0;
    const socket = this.#socket;
    if (socket !== null) {
      const left = Promise.withResolvers<void>();
      this.#leaving = { socket, left };
      this.#socket = null;
      closeQuietly(socket, RESTART, "moved");
      const timer = setTimeout(left.resolve, LEAVE_MS_MAX);
      void left.promise.then(() => clearTimeout(timer));
    }
    return this.#leaving?.left.promise ?? null;
  }

  abandon(): void {
    this.#hasStopped = true;
    this.#queue.length = 0;
    // Its next socket comes from elsewhere.
    const socket = this.#socket;
    this.#socket = null;
    closeQuietly(socket, RESTART, "moved");
  }

  async #open(): Promise<void> {
    const { route, events } = this.#input;
    const { upstreamUrl, deadlineMs } = route;
    for (let attempt = 0; !this.#hasStopped; attempt += 1) {
      const headers = new Headers(route.headers.map(([name, value]): [string, string] => [name, value]));
      const opened = await openUpstream({ upstreamUrl, headers, untilMs: Date.now() + deadlineMs, deadlineMs });
      if (opened.ok) return this.#onOpened(opened.socket);
      const waitMs = RETRY_WAITS_MS[attempt];
      if (waitMs === undefined) {
        this.#isOpening = false;
        return events.failed(opened.detail);
      }
      await wait(waitMs);
    }
    this.#isOpening = false;
  }

  #onOpened(socket: WebSocket): void {
    this.#isOpening = false;
    this.#use(socket);
    if (this.#hasStopped) closeQuietly(socket, GOING_AWAY, "session over");
    else this.flush();
  }

  #use(socket: WebSocket): void {
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", ({ data }) => {
      const payload = data as string | ArrayBuffer;
      if (this.#socket === socket || this.#leaving?.socket === socket)
        this.#input.events.push(typeof payload === "string" ? payload : new Uint8Array(payload));
    });
    socket.addEventListener("close", ({ code, reason }) => this.#onClosed(socket, { code, reason }));
    socket.addEventListener("error", () => this.#onClosed(socket, { code: ABNORMAL, reason: "" }));
    socket.accept();
  }

  #onClosed(socket: WebSocket, close: { code: number; reason: string }): void {
    if (this.#leaving?.socket === socket) this.#leaving.left.resolve();
    if (this.#socket !== socket) return;
    this.#socket = null;
    if (isAbnormal(close.code)) return this.wake();
    // A close from the peer is answered; workerd leaves that to us.
    closeQuietly(socket, close.code === NO_STATUS ? undefined : close.code, "");
    const { code = NO_STATUS, reason } = translateClose("endpoint", close);
    this.#input.events.closed({ code, reason });
  }

  /** All of them are the endpoint's at once: one receipt on disk, one acknowledgement to the device. */
  #send(socket: WebSocket): void {
    const messages = this.#queue.splice(0);
    const { events } = this.#input;
    events.delivered(messages.at(-1)?.sequence ?? 0);
    events.afterSave(() => {
      for (const { payload } of messages) sendQuietly(socket, payload);
    });
  }
}

function sendQuietly(socket: WebSocket, payload: Message["payload"]): void {
  try {
    socket.send(payload);
  } catch {
    // It is closing: at most once means that this one is lost.
  }
}

function closeQuietly(socket: WebSocket | null, code: number | undefined, reason: string): void {
  try {
    if (code === undefined) socket?.close();
    else socket?.close(code, reason);
  } catch {
    // Closed already, or with a code that cannot be sent.
  }
}
