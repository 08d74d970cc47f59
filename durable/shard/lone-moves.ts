// Sessions that leave a shard that stays: their devices are worse off here than their like elsewhere, and come back to be sent on.
// In memory: where this instance ends meanwhile they stay, and nothing is lost.
import type { NextAlarm } from "#durable/lib/next-alarm.ts";
import { RESTART } from "#shared/protocol/close-codes.ts";
import type { GoneTo, SocketResumption } from "#shared/protocol/shard-rpc.ts";
import { MINUTE_MS, SECOND_MS } from "#shared/units.ts";
import type { Live } from "./host-shell.ts";
import type { SessionHost } from "./session-host.ts";
import type { SessionStore } from "./session-store.ts";
import { closeQuietly, socketOf } from "./socket-io.ts";

/** How long a device has to come back by itself; then it is closed with 1012. */
const GRACE_MS = 5 * SECOND_MS;
/** And how long after that it is sent on. */
const RETURN_MS = 10 * SECOND_MS;
/** For so long a push that was under way is told where they went. */
const TOLD_MS = MINUTE_MS;
const REASON = "unhealthy";

interface Shell {
  readonly ctx: DurableObjectState;
  readonly store: Pick<SessionStore, "movedTo">;
  readonly host: SessionHost;
  readonly alarm: Pick<NextAlarm, "wakeAt">;
}

interface Told {
  readonly atMs: number;
  readonly attempt: number;
  isClosed: boolean;
}

export class LoneMoves {
  readonly #shell: Shell;
  /** Session → when it was told, and on which connection; the first one first. */
  readonly #told = new Map<string, Told>();

  constructor(shell: Shell) {
    this.#shell = shell;
  }

  /** Tells the devices of these sessions to come back. */
  letGo(sessionIds: readonly string[]): void {
    const { host, alarm } = this.#shell;
    const nowMs = Date.now();
    this.#forget(nowMs);
    for (const sessionId of sessionIds) {
      const live = host.load(sessionId);
      if (live === undefined || live.state.end !== null || live.state.detachedAtMs !== null) continue;
      this.#told.delete(sessionId);
      this.#told.set(sessionId, { atMs: nowMs, attempt: live.state.attempt, isClosed: false });
      host.step(live, [{ kind: "drain", reason: REASON, graceMs: GRACE_MS }]);
      alarm.wakeAt(nowMs + GRACE_MS);
    }
  }

  /** A session that is to go elsewhere, alone or with all the others, and whose device has come back: of one that is over it hears here. */
  leaving({ sessionId, isStaying }: SocketResumption, isDraining: boolean): Live | undefined {
    const told = this.#told.get(sessionId);
    const isTold = told !== undefined && Date.now() < told.atMs + GRACE_MS + RETURN_MS;
    const live = isStaying !== true && (isDraining || isTold) ? this.#shell.host.load(sessionId) : undefined;
    return live?.state.end === null ? live : undefined;
  }

  /** Where sessions went of which somebody may think that they are here. */
  goneTo(): GoneTo {
    this.#forget(Date.now());
    const goneTo = [...new Set([...this.#told.keys()].flatMap((sessionId) => this.#shell.store.movedTo(sessionId)?.shardId ?? []))];
    return goneTo.length === 0 ? {} : { goneTo };
  }

  #forget(nowMs: number): void {
    for (const [sessionId, { atMs }] of this.#told) if (nowMs - atMs >= TOLD_MS) this.#told.delete(sessionId);
  }

  /** Closes those that did not come back. When the next one is to be; Infinity: none. */
  onAlarm(nowMs: number): number {
    let nextAtMs = Infinity;
    for (const [sessionId, told] of this.#told) {
      if (told.isClosed) continue;
      if (nowMs < told.atMs + GRACE_MS) nextAtMs = Math.min(nextAtMs, told.atMs + GRACE_MS);
      else this.#close(sessionId, told);
    }
    return nextAtMs;
  }

  #close(sessionId: string, told: Told): void {
    const { ctx, host } = this.#shell;
    told.isClosed = true;
    const live = host.load(sessionId);
    // One that came back may be here because no other shard has room.
    if (live === undefined || live.state.detachedAtMs !== null || live.state.attempt !== told.attempt) return;
    const { attempt } = told;
    host.step(live, [{ kind: "dropped", attempt, isFinal: false }]);
    const socket = socketOf(ctx, sessionId, attempt);
    if (socket !== undefined) closeQuietly(socket, { code: RESTART, reason: REASON });
  }
}
