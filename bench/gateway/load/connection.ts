// One keep-alive connection that sends prepared requests, one at a time: a load generator must cost less than what it loads.
import { connect, type Socket } from "node:net";

/** Status of an answer that never came: refused, reset, or ended early. */
export const STATUS_LOST = 0;

export class Connection {
  readonly #socket: Socket;
  #received = "";
  #onAnswer: ((status: number) => void) | null = null;

  constructor(port: number) {
    this.#socket = connect({ port, host: "127.0.0.1", noDelay: true })
      .setEncoding("latin1")
      .on("data", (text: string) => this.#read(text))
      .on("error", () => this.#socket.destroy())
      .on("close", () => this.#answer(STATUS_LOST));
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed;
  }

  /** `onAnswer` hears the status once the whole body is here. Not while another request is on its way. */
  send(request: Buffer, onAnswer: (status: number) => void): void {
    this.#onAnswer = onAnswer;
    if (this.isOpen) this.#socket.write(request);
    else this.#answer(STATUS_LOST);
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(text: string): void {
    this.#received = this.#received === "" ? text : this.#received + text;
    const status = completeStatus(this.#received);
    if (status === null) return;
    this.#received = "";
    this.#answer(status);
  }

  #answer(status: number): void {
    const onAnswer = this.#onAnswer;
    this.#onAnswer = null;
    onAnswer?.(status);
  }
}

/** The status of a response that is here whole, or null. Knows content-length, chunks, and statuses without a body. */
export function completeStatus(text: string): number | null {
  const headEnd = text.indexOf("\r\n\r\n");
  if (headEnd === -1) return null;
  const status = Number(text.slice(9, 12));
  if (status === 204 || status === 304) return status;
  const head = text.slice(0, headEnd).toLowerCase();
  const bodyStart = headEnd + 4;
  const lengthAt = head.indexOf("\r\ncontent-length:");
  if (lengthAt !== -1) return text.length >= bodyStart + Number.parseInt(head.slice(lengthAt + 17), 10) ? status : null;
  // The last chunk: nothing is pipelined, so it stands at the end.
  return text.endsWith("\r\n0\r\n\r\n") || text.slice(bodyStart) === "0\r\n\r\n" ? status : null;
}
