import { TRY_LATER } from "#shared/protocol/close-codes.ts";
import { MIB_BYTES } from "#shared/units.ts";
import { RESUME } from "#shared/resume/bounds.ts";
import type { Live } from "./host-shell.ts";

/** Of messages that one Shard object keeps in memory, both ways, over all sessions, and that wait for a bandwidth. An isolate has 128 MB for several of them. */
const BUFFERED_BYTES_MAX = 32 * MIB_BYTES;
/** What a connection is closed with whose message would be too much now. The session goes on with its next connection. */
export const BUSY = { code: TRY_LATER, reason: "shard-busy" } as const;

/** What the sessions of a Shard object hold between them: each has its window, and all together no more than the budget. */
export class BufferBudget {
  #bytes = 0;
  readonly #bytesOf = new Map<Live, number>();

  get bytes(): number {
    return this.#bytes;
  }

  hasRoom(bytes: number): boolean {
    return this.#bytes + Math.min(bytes, RESUME.messageBytesMax) <= BUFFERED_BYTES_MAX;
  }

  /** Follows a session's change. */
  note(live: Live): void {
    const { outbound, pending, end } = live.state;
    const pendingBytes = pending.length === 0 ? 0 : pending.reduce((sum, bytes) => sum + bytes, 0);
    this.#set(live, end === null ? outbound.keptBytes + pendingBytes : 0);
  }

  /** So many bytes more, or fewer, that no session counts. */
  hold(change: number): void {
    this.#bytes += change;
  }

  /** It is not in memory any more. */
  forget(live: Live | undefined): void {
    if (live !== undefined) this.#set(live, 0);
  }

  #set(live: Live, bytes: number): void {
    this.#bytes += bytes - (this.#bytesOf.get(live) ?? 0);
    if (bytes === 0) this.#bytesOf.delete(live);
    else this.#bytesOf.set(live, bytes);
  }
}
