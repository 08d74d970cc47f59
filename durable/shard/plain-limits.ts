import type { SocketLimits } from "#shared/protocol/shard-rpc.ts";
import { payloadBytes } from "#shared/resume/frames.ts";
import { TOO_LARGE, TOO_MANY, type Breach } from "./breach.ts";
import { MessageRate } from "./message-rate.ts";

/** What the device of a plain socket may send. */
export class PlainLimits {
  readonly #bytesMax: number;
  readonly #rate: MessageRate | null;

  constructor({ messageBytesMax, messagesPerSecond, messageBurst }: SocketLimits) {
    this.#bytesMax = messageBytesMax;
    this.#rate = messagesPerSecond === null ? null : new MessageRate({ perSecond: messagesPerSecond, burst: messageBurst });
  }

  /** Null: it may pass. */
  breachOf(data: string | ArrayBuffer): Breach | null {
    if (this.isTooLarge(data)) return TOO_LARGE;
    return this.#rate === null || this.#rate.take(Date.now()) ? null : TOO_MANY;
  }

  /** In bytes on the wire: a unit of a string is at most three of them. */
  isTooLarge(data: string | ArrayBuffer): boolean {
    if (typeof data !== "string") return data.byteLength > this.#bytesMax;
    return data.length * 3 > this.#bytesMax && payloadBytes(data) > this.#bytesMax;
  }
}
