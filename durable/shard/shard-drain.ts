// A shard that is being emptied: who is on it is told to leave in time, and then sent away. What was decided is on disk.
import type { NextAlarm } from "#durable/lib/next-alarm.ts";
import { RESTART } from "#shared/protocol/close-codes.ts";
import type { DrainProgress, DrainRequest } from "#shared/protocol/shard-rpc.ts";
import type { SessionMoves } from "./session-moves.ts";
import { isPlain } from "./socket-io.ts";
import type { SessionStore } from "./session-store.ts";

interface Shard {
  readonly ctx: DurableObjectState;
  readonly store: SessionStore;
  readonly alarm: Pick<NextAlarm, "wakeAt">;
  readonly moves: SessionMoves;
  readonly plain: { readonly count: () => number; readonly closeAll: (code: number, reason: string) => void };
}

export class ShardDrain {
  readonly #shard: Shard;

  constructor(shard: Shard) {
    this.#shard = shard;
  }

  get isOn(): boolean {
    return this.#shard.store.loadDrain() !== null;
  }

  /** Tells devices to leave, unless they were told and their grace goes on. Null: cancels, for those that are still here. */
  order(request: DrainRequest | null): DrainProgress {
    const { store, alarm, moves } = this.#shard;
    const before = store.loadDrain();
    if (request === null) store.saveDrain(null);
    else if (before === null || before.isClosed === true) {
      const { reason, graceMs } = request;
      const untilMs = Date.now() + graceMs;
      store.saveDrain({ reason, untilMs });
      alarm.wakeAt(untilMs);
      moves.announceDrain(reason, graceMs);
    }
    return this.progress();
  }

  progress(): DrainProgress {
    const { ctx, store, plain } = this.#shard;
    const plainSockets = plain.count();
    const connections = ctx.getWebSockets().filter((socket) => !isPlain(socket));
    return { isDraining: this.isOn, sessions: store.livingCount(), connections: connections.length, plainSockets };
  }

  /** After a start: the alarm that was set is not remembered. */
  recover(): void {
    const drain = this.#shard.store.loadDrain();
    if (drain !== null && drain.isClosed !== true) this.#shard.alarm.wakeAt(drain.untilMs);
  }

  /** Closes, once, what is still here when the grace is over: those that come back because no other shard has room stay. */
  onAlarm(nowMs: number): void {
    const { store, alarm, moves, plain } = this.#shard;
    const drain = store.loadDrain();
    if (drain === null || drain.isClosed === true) return;
    if (nowMs < drain.untilMs) return alarm.wakeAt(drain.untilMs);
    store.saveDrain({ ...drain, isClosed: true });
    moves.disconnectAll(drain.reason);
    plain.closeAll(RESTART, drain.reason);
  }
}
