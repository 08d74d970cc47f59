// One WebSocket from opening to close: every message sent gets one answer.
import { socketProtocols, socketUrl } from "./socket-address.ts";

export interface ConversationOptions {
  /** The gateway's. */
  readonly url: string;
  readonly service: string;
  readonly token: string;
  readonly messages: AsyncIterable<string>;
  /** For the opening, for the answers that are missing once every message is sent, and for the close. */
  readonly timeoutMs: number;
  readonly print: (data: string | ArrayBuffer) => void;
}

export type Ending =
  | { readonly kind: "done" }
  | { readonly kind: "not-opened" }
  | { readonly kind: "closed"; readonly code: number; readonly reason: string }
  | { readonly kind: "unanswered"; readonly count: number };

const CLOSE_NORMAL = 1000;
/** Sending waits here: input may be longer than memory. */
const UNANSWERED_MAX = 100;

/** Sends all messages, prints all answers, closes. Rejects only where `messages` does. */
export async function holdConversation(options: ConversationOptions): Promise<Ending> {
  return new Conversation(options).hold();
}

class Conversation {
  readonly #options: ConversationOptions;
  readonly #socket: WebSocket;
  readonly #ending = Promise.withResolvers<Ending>();
  readonly #closed = Promise.withResolvers<void>();
  #answered = Promise.withResolvers<void>();
  #unansweredCount = 0;
  #isOpened = false;
  #isAllSent = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ConversationOptions) {
    this.#options = options;
    this.#socket = new WebSocket(socketUrl(options.url, options.service), socketProtocols(options.token));
    this.#socket.binaryType = "arraybuffer";
    this.#socket.addEventListener("open", () => this.#onOpen());
    this.#socket.addEventListener("message", ({ data }) => this.#onMessage(data as string | ArrayBuffer)); // As binaryType says.
    this.#socket.addEventListener("close", (event) => this.#onClose(event));
  }

  async hold(): Promise<Ending> {
    this.#endAfterTimeout(() => ({ kind: "not-opened" }));
    try {
      return await this.#ending.promise;
    } finally {
      clearTimeout(this.#timer);
      this.#socket.close(CLOSE_NORMAL);
      // A peer that does not answer our close must not keep the command.
      this.#timer = setTimeout(() => this.#closed.resolve(), this.#options.timeoutMs);
      await this.#closed.promise;
      clearTimeout(this.#timer);
    }
  }

  #onOpen(): void {
    this.#isOpened = true;
    clearTimeout(this.#timer);
    this.#sendAll().catch((error: unknown) => this.#ending.reject(error));
  }

  #onMessage(data: string | ArrayBuffer): void {
    this.#unansweredCount--;
    this.#options.print(data);
    this.#answered.resolve();
    this.#endWhenAnswered();
  }

  #onClose({ code, reason }: { readonly code: number; readonly reason: string }): void {
    this.#ending.resolve(this.#isOpened ? { kind: "closed", code, reason } : { kind: "not-opened" });
    this.#answered.resolve();
    this.#closed.resolve();
  }

  async #sendAll(): Promise<void> {
    for await (const message of this.#options.messages) {
      while (this.#isOpen() && this.#unansweredCount >= UNANSWERED_MAX) {
        this.#answered = Promise.withResolvers<void>();
        await this.#answered.promise;
      }
      if (!this.#isOpen()) return;
      this.#unansweredCount++;
      this.#socket.send(message);
    }
    this.#isAllSent = true;
    this.#endWhenAnswered();
  }

  #endWhenAnswered(): void {
    if (!this.#isAllSent) return;
    if (this.#unansweredCount > 0) this.#endAfterTimeout(() => ({ kind: "unanswered", count: this.#unansweredCount }));
    else this.#ending.resolve({ kind: "done" });
  }

  #endAfterTimeout(ending: () => Ending): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ending.resolve(ending()), this.#options.timeoutMs);
  }

  #isOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }
}
