// Whether the sockets that hold slots in the ledger are alive: their Shard objects know.
import type { NamedSlot } from "#durable/lease/named-slots.ts";
import type { ObjectEnv } from "#durable/lib/env.ts";
import { shardObjectName } from "#shared/protocol/shard-rpc.ts";
import { MINUTE_MS, SECOND_MS } from "#shared/units.ts";
import type { Pool } from "./pool.ts";

/** Sockets' slots are held against what their Shard objects say: when in doubt, and this often. */
export const RECONCILE_INTERVAL_MS = 10 * MINUTE_MS;
const RECONCILE_SUSPICION_MS = 10 * SECOND_MS;

interface Shell {
  readonly shards: ObjectEnv["SHARD"];
  /** Slots may have come back. */
  readonly onFreed: () => void;
}

export class Reconciliation {
  readonly #pool: Pool;
  readonly #shell: Shell;
  /** 0: this instance does not know yet whether the sockets it has slots for are still alive. */
  #doneAtMs = 0;

  constructor(pool: Pool, shell: Shell) {
    this.#pool = pool;
    this.#shell = shell;
  }

  get isUnsure(): boolean {
    return this.#doneAtMs === 0;
  }

  isDue(nowMs: number): boolean {
    return nowMs - this.#doneAtMs >= RECONCILE_INTERVAL_MS;
  }

  /** Refusing for capacity while sockets hold slots: whether to ask soon if they really do. */
  suspect(nowMs: number): boolean {
    if (nowMs - this.#doneAtMs < RECONCILE_SUSPICION_MS || this.#pool.ledger.counts.durable === 0) return false;
    this.#doneAtMs = 0;
    return true;
  }

  /** Asks the Shard objects which of the sockets that hold slots here are alive, and frees the others' slots. */
  async run(nowMs: number): Promise<void> {
    const sockets = this.#pool.ledger.named.filter(({ isDurable, expiresAtMs }) => isDurable && expiresAtMs === null);
    const byOwner = Map.groupBy(sockets, ({ owner }) => owner);
    const answered = await Promise.all([...byOwner].map(async ([owner, slots]) => this.#reconcileOwner(owner, slots)));
    // One Shard object that does not answer leaves the pool unsure: it asks again at the next tick.
    this.#doneAtMs = answered.every(Boolean) ? nowMs : 0;
  }

  async #reconcileOwner(owner: string, slots: readonly NamedSlot[]): Promise<boolean> {
    const { shards, onFreed } = this.#shell;
    const shardId = slots[0]?.shardId ?? "";
    const name = shardObjectName(this.#pool.configuration.name, shardId);
    try {
      const askedAtMs = this.#pool.ledger.tick(Date.now());
      const live = new Set(await shards.get(shards.idFromName(name)).held(slots.map(({ slotId }) => slotId)));
      this.#pool.ledger.reconcile({ owner, live, askedAtMs: askedAtMs + 1 });
      onFreed();
      return true;
    } catch (error) {
      console.warn(JSON.stringify({ level: "warn", event: "reconcile-failed", shardId, error: String(error) }));
      return false;
    }
  }
}
