import type { ObjectEnv } from "#durable/lib/env.ts";
import { poolName, regionalPoolName } from "#shared/protocol/pool-rpc.ts";
import { repeatPauseMs } from "#shared/protocol/repeat-pause.ts";
import { SlotKeeper, type SlotDebt, type SlotDebts } from "./slot-keeper.ts";

/** Among the Shard object's other facts, each under its slot's name. */
const PREFIX = "slot ";
/** The first text after all that begin with the prefix. */
const PREFIX_END = "slot!";

class StoredSlotDebts implements SlotDebts {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  put(debt: SlotDebt): void {
    this.#sql.exec("INSERT OR REPLACE INTO facts (fact, value) VALUES (?, ?)", PREFIX + debt.slotId, JSON.stringify(debt));
  }

  drop(slotId: string): void {
    this.#sql.exec("DELETE FROM facts WHERE fact = ?", PREFIX + slotId);
  }

  all(): readonly SlotDebt[] {
    return this.#sql
      .exec<{ value: string }>("SELECT value FROM facts WHERE fact >= ? AND fact < ?", PREFIX, PREFIX_END)
      .toArray()
      .map(({ value }) => JSON.parse(value) as SlotDebt);
  }
}

interface Shell {
  readonly ctx: DurableObjectState;
  readonly env: Pick<ObjectEnv, "POOL" | "REGIONAL_POOL">;
  readonly isHeldOnDisk: (slotId: string) => boolean;
  readonly wakeAt: (atMs: number) => void;
}

export function openSlotKeeper({ ctx, env, isHeldOnDisk, wakeAt }: Shell): SlotKeeper {
  return new SlotKeeper({
    debts: new StoredSlotDebts(ctx.storage.sql),
    poolOf: ({ service, region }) =>
      region === undefined
        ? env.POOL.get(env.POOL.idFromName(poolName(service)))
        : env.REGIONAL_POOL.get(env.REGIONAL_POOL.idFromName(regionalPoolName(service, region))),
    owner: ctx.id.toString(),
    isHeldOnDisk,
    wakeAt,
    pause: async () => new Promise((wake) => setTimeout(wake, repeatPauseMs(Math.random()))),
    now: () => Date.now(),
  });
}
