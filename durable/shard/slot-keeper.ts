import type { ObjectEnv } from "#durable/lib/env.ts";
import { poolName } from "#shared/protocol/pool-rpc.ts";
import type { SocketAssignment } from "#shared/protocol/shard-rpc.ts";

/** A release that does not arrive is repaired by the pool's reconciliation; trying again is only faster. */
const RELEASE_ATTEMPTS_MAX = 3;

/** What ends a slot: the flow it counts for, and the pool. */
export type SlotOwner = Pick<SocketAssignment, "slotId" | "flow" | "service">;

/** Takes slots over in the pool's ledger and gives them back, in the name of one Shard object. */
export class SlotKeeper {
  /** Slots of living plain sockets. Lost with the instance, as the sockets are. */
  readonly held = new Set<string>();
  readonly #pools: ObjectEnv["POOL"];
  /** The Shard object's id. */
  readonly #owner: string;

  constructor(pools: ObjectEnv["POOL"], owner: string) {
    this.#pools = pools;
    this.#owner = owner;
  }

  /** Known as held before the pool is told: it may ask at once which sockets live. */
  async takeOver(assignment: SocketAssignment): Promise<boolean> {
    this.held.add(assignment.slotId);
    const isKept = await this.#keep(assignment);
    if (!isKept) this.held.delete(assignment.slotId);
    return isKept;
  }

  /** `holder`: who has it, where that is not this Shard object. Never throws. */
  async release({ slotId, flow, service }: SlotOwner, { hasFailed = false, holder = this.#owner } = {}): Promise<void> {
    for (let attempt = 1; attempt <= RELEASE_ATTEMPTS_MAX; attempt += 1) {
      try {
        await this.#pool(service).release({ slotId, holder, flow, outcome: hasFailed ? "upstream-failed" : "admitted-queued" });
        return;
      } catch (error) {
        if (attempt === RELEASE_ATTEMPTS_MAX)
          console.warn(JSON.stringify({ level: "warn", event: "release-failed", slotId, error: String(error) }));
      }
    }
  }

  /** Without an answer the slot may be ours and may not: it is given back, and the socket is refused. */
  async #keep(assignment: SocketAssignment): Promise<boolean> {
    try {
      return await this.#pool(assignment.service).keep(assignment.slotId, assignment.holder, this.#owner);
    } catch {
      await this.release(assignment);
      return false;
    }
  }

  #pool(service: string) {
    return this.#pools.get(this.#pools.idFromName(poolName(service)));
  }
}
