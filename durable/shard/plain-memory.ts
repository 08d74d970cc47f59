// What the Shard object keeps of a plain socket's messages for the endpoint: those that wait, and those of the request under way.
import type { SocketEvent } from "#shared/protocol/websocket-events.ts";
import { payloadBytes } from "#shared/resume/frames.ts";
import { NO_MEMORY, TOO_LARGE, type Breach } from "./breach.ts";
import type { PlainOwner } from "./plain-lane.ts";

export class PlainMemory {
  readonly #bytesMax: number;
  #bytes = 0;

  constructor({ memoryBytes }: PlainOwner) {
    this.#bytesMax = memoryBytes === undefined ? Infinity : memoryBytes / 2;
  }

  /** Null: there is room for it, which it takes. */
  take(event: SocketEvent): Breach | null {
    if (this.#bytesMax === Infinity) return null;
    const bytes = bytesOf(event);
    if (bytes > this.#bytesMax) return TOO_LARGE;
    if (this.#bytes + bytes > this.#bytesMax) return NO_MEMORY;
    this.#bytes += bytes;
    return null;
  }

  /** Those that are kept no more. */
  free(events: readonly SocketEvent[]): void {
    if (this.#bytesMax === Infinity) return;
    for (const event of events) this.#bytes -= bytesOf(event);
  }
}

/** On the wire, at least one. */
function bytesOf(event: SocketEvent): number {
  if (event.type === "TEXT") return Math.max(1, payloadBytes(event.text));
  return event.type === "BINARY" ? Math.max(1, event.content.length) : 0;
}
