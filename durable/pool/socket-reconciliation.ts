// Sockets' slots have no end: they are held against what the Shard objects say that lives, when the pool starts, when it is
// in doubt, and at long intervals.
import type { ObjectEnv } from "#durable/lib/env.ts";
import type { NamedSlot } from "#durable/lease/named-slots.ts";
import { shardObjectName } from "#shared/protocol/shard-rpc.ts";
import { MINUTE_MS, SECOND_MS } from "#shared/units.ts";
import type { Pool } from "./pool.ts";

export const RECONCILE_INTERVAL_MS = 10 * MINUTE_MS;
const RECONCILE_SUSPICION_MS = 10 * SECOND_MS;

interface SocketReconciliationInput {
  readonly env: Pick<ObjectEnv, "SHARD">;
  /** Slots may have come back. */
  readonly onChanged: (nowMs: number) => void;
}

export class SocketReconciliation {
  readonly #pool: Pool;
  readonly #input: SocketReconciliationInput;
  /** 0: this instance does not know yet whether the sockets it has slots for are still alive. */
  #doneAtMs = 0;

  constructor(pool: Pool, input: SocketReconciliationInput) {
    this.#pool = pool;
    this.#input = input;
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
    const answered = await Promise.all([...byOwner].map(async ([owner, slots]) => this.#ask(owner, slots)));
    // One Shard object that does not answer leaves the pool unsure: it asks again at the next tick.
    this.#doneAtMs = answered.every(Boolean) ? nowMs : 0;
  }

  async #ask(owner: string, slots: readonly NamedSlot[]): Promise<boolean> {
    const shardId = slots[0]?.shardId ?? "";
    const { env, onChanged } = this.#input;
    const name = shardObjectName(this.#pool.configuration.name, shardId);
    try {
      const askedAtMs = this.#pool.ledger.tick(Date.now());
      const live = new Set(await env.SHARD.get(env.SHARD.idFromName(name)).held(slots.map(({ slotId }) => slotId)));
      this.#pool.ledger.reconcile({ owner, live, askedAtMs: askedAtMs + 1 });
      onChanged(Date.now());
      return true;
    } catch (error) {
      console.warn(JSON.stringify({ level: "warn", event: "reconcile-failed", shardId, error: String(error) }));
      return false;
    }
  }
}
