/** Of connections that can be resumed, with those that wait for a hello. Below what the platform takes, 32,768. */
const SOCKET_COUNT_MAX = 20_000;

/** Whether another connection fits. Counted only where it might not: a list of all sockets makes an object of each of them. */
export class SocketRoom {
  readonly #ctx: Pick<DurableObjectState, "getWebSockets">;
  /** No more are open, with the one that is about to be. */
  #countMost = Infinity;

  constructor(ctx: Pick<DurableObjectState, "getWebSockets">) {
    this.#ctx = ctx;
  }

  isFull(): boolean {
    this.#countMost += 1;
    if (this.#countMost > SOCKET_COUNT_MAX) this.#countMost = this.#ctx.getWebSockets().length + 1;
    return this.#countMost > SOCKET_COUNT_MAX;
  }
}
