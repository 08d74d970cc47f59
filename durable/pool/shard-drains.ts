// Which shards are being emptied, and whose turn is next: one after the other, so that the devices of one shard at a time are
// on their way. Pure. A shard whose endpoint left the configuration does not wait for its turn.
import { DRAIN, type DrainOrder, type ShardDrainStatus } from "#shared/protocol/drain.ts";
import type { DrainProgress } from "#shared/protocol/shard-rpc.ts";
import { MINUTE_MS, SECOND_MS } from "#shared/units.ts";
import type { PoolShard } from "./layout.ts";

type Left = NonNullable<ShardDrainStatus["left"]>;

/** One shard's drain, as it is written down. */
export interface ShardDrain extends Omit<ShardDrainStatus, "left"> {
  readonly graceMs: number;
  /** The shard that took its place; null: none did. */
  readonly replacement: string | null;
  /** When its devices were last told to leave. */
  readonly toldAtMs: number | null;
}

/** A shard that nobody leaves holds the next one up for its grace and so much. */
const PATIENCE_MS = 5 * SECOND_MS;
/** Devices that stayed because no other shard had room are told again so long after their grace. */
const RETELL_MS = MINUTE_MS;
/** Drains that are done and still shown. */
const DRAINED_COUNT_MAX = 1_024;

export class ShardDrains {
  /** The same array as long as nothing changes that has to be written. */
  #drains: readonly ShardDrain[];
  readonly #left = new Map<string, Left>();

  constructor(drains: readonly ShardDrain[] = []) {
    this.#drains = drains;
  }

  get all(): readonly ShardDrain[] {
    return this.#drains;
  }

  get isActive(): boolean {
    return this.#drains.some(({ state }) => state !== "drained");
  }

  /** Something is expected to happen any moment; else only devices that are away, or have nowhere to go, are waited for. */
  isHurried(nowMs: number): boolean {
    return this.#drains.some(
      (drain) =>
        drain.state === "waiting" ||
        drain.state === "returning" ||
        (drain.state === "draining" && (drain.toldAtMs === null || this.#isInTheWay(drain, nowMs))),
    );
  }

  find(shardId: string): ShardDrain | undefined {
    return this.#drains.find((drain) => drain.shardId === shardId);
  }

  /** Puts shards at the end of the line; those that are in it keep their places. */
  order(shardIds: readonly string[], { reason, graceMs }: Omit<DrainOrder, "shardIds">): void {
    const known = this.#account();
    const fresh = shardIds.filter((shardId) => !known.some((drain) => drain.shardId === shardId && drain.state !== "returning"));
    const kept = known.filter(({ shardId }) => !fresh.includes(shardId));
    const waiting = { state: "waiting", reason, graceMs, startedAtMs: null, toldAtMs: null, replacement: null } as const;
    this.#drains = [...kept, ...fresh.map((shardId) => ({ shardId, ...waiting }))];
  }

  /** Follows the table: shards that are draining on the configuration's word begin at once, those that ended are done. */
  follow(shards: readonly PoolShard[], nowMs: number): void {
    const stateOf = new Map(shards.map(({ shardId, state }) => [shardId, state]));
    for (const { shardId, state } of this.#drains) {
      const inTable = stateOf.get(shardId);
      if (state !== "drained" && inTable === undefined) this.#set(shardId, { state: "drained" });
      // The configuration took it into use again.
      if (state === "draining" && inTable === "active") this.#set(shardId, { state: "returning" });
    }
    const strays = shards.filter(({ shardId, state }) => state === "draining" && this.find(shardId)?.state !== "draining");
    if (strays.length === 0) return;
    const ids = new Set(strays.map(({ shardId }) => shardId));
    const moved = { state: "draining", reason: "move", graceMs: DRAIN.graceMsDefault, startedAtMs: nowMs } as const;
    this.#drains = [
      ...this.#account().filter(({ shardId }) => !ids.has(shardId)),
      ...strays.map(({ shardId }) => ({ shardId, ...moved, toldAtMs: null, replacement: null })),
    ];
  }

  /** Whose turn it is; null: nobody's yet. */
  next(nowMs: number): string | null {
    if (this.#drains.some((drain) => drain.state === "draining" && this.#isInTheWay(drain, nowMs))) return null;
    return this.#drains.find(({ state }) => state === "waiting")?.shardId ?? null;
  }

  started(shardId: string, { replacement, nowMs }: { replacement: string | null; nowMs: number }): void {
    this.#set(shardId, { state: "draining", startedAtMs: nowMs, replacement });
  }

  /** Ends a turn that has not begun, and turns back one that has. */
  cancel(shardId: string): void {
    const state = this.find(shardId)?.state;
    if (state === "draining") this.#set(shardId, { state: "returning" });
    if (state === "waiting") this.forget(shardId);
  }

  /** What its Shard object is to be told now; null: it is only asked how far it is. */
  isToBeTold({ toldAtMs, graceMs }: ShardDrain, nowMs: number): boolean {
    return toldAtMs === null || nowMs >= toldAtMs + graceMs + RETELL_MS;
  }

  told(shardId: string, toldAtMs: number): void {
    this.#set(shardId, { toldAtMs });
  }

  heard(shardId: string, { sessions, connections, plainSockets }: DrainProgress): void {
    if (this.find(shardId) !== undefined) this.#left.set(shardId, { sessions, connections, plainSockets });
  }

  leftOf(shardId: string): Left | null {
    return this.#left.get(shardId) ?? null;
  }

  forget(shardId: string): void {
    this.#left.delete(shardId);
    if (this.find(shardId) !== undefined) this.#drains = this.#drains.filter((drain) => drain.shardId !== shardId);
  }

  /** What was done is shown until something new begins. */
  #account(): readonly ShardDrain[] {
    const done = this.isActive ? this.#drains.filter(({ state }) => state === "drained").slice(-DRAINED_COUNT_MAX) : [];
    const ids = new Set(done.map(({ shardId }) => shardId));
    return this.#drains.filter(({ shardId, state }) => state !== "drained" || ids.has(shardId));
  }

  /** Devices that are away do not hold the others up. */
  #isInTheWay({ shardId, startedAtMs, graceMs }: ShardDrain, nowMs: number): boolean {
    const left = this.leftOf(shardId);
    const isEmpty = left !== null && left.connections === 0 && left.plainSockets === 0;
    return !isEmpty && nowMs < (startedAtMs ?? 0) + graceMs + PATIENCE_MS;
  }

  #set(shardId: string, change: Partial<ShardDrain>): void {
    this.#drains = this.#drains.map((drain) => (drain.shardId === shardId ? { ...drain, ...change } : drain));
  }
}
