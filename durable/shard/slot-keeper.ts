// The slots of one Shard object in the pool's ledger: taken over, and given back. Every slot that the pool may have for it is
// on its disk first, as a session's, as a plain socket's, or as a debt here; and a debt is asked to be taken back until the pool
// has said that it heard. So nothing has to be asked of an object that sleeps.
import type { PoolRpc } from "#shared/protocol/pool-rpc.ts";
import type { SocketAssignment } from "#shared/protocol/shard-rpc.ts";
import { MINUTE_MS, SECOND_MS } from "#shared/units.ts";

/** What ends a slot: the flow it counts for, and the pool. Once it was taken over it is the home pool's, whatever its region. */
export type SlotOwner = Pick<SocketAssignment, "slotId" | "flow" | "service" | "region">;

/** A slot that goes back unless something that lives here has it. */
export interface SlotDebt extends SlotOwner {
  readonly sinceMs: number;
}

/** Where a Shard object keeps its debts: what is put without an await in between is one transaction with what else is written. */
export interface SlotDebts {
  put(debt: SlotDebt): void;
  drop(slotId: string): void;
  all(): readonly SlotDebt[];
}

/** In a row; what fails so often waits for the alarm. */
const RELEASE_ATTEMPTS_MAX = 3;
/** Of an alarm, at a time. */
const RELEASES_MAX = 64;
/** When a debt is looked at again. An object that has any is awake, or was a minute ago. */
const DEBT_LOOK_MS = MINUTE_MS;
/** A call of an instance that died may still be on its way for so long: what was asked for and not done is given back only then. */
export const CALL_MS_MAX = 15 * SECOND_MS;

export interface SlotRelease {
  /** By the endpoint's fault. */
  readonly hasFailed?: boolean;
  /** Who has it, where that is not this Shard object. */
  readonly holder?: string;
  readonly sinceMs?: number;
  /** It is owed from now on, and goes back then, or with this instance; null: it goes back now. */
  readonly after?: Promise<void> | null;
}

interface SlotKeeperInput {
  readonly debts: SlotDebts;
  /** That of a region sends on to the home pool what it has not, or has no more. */
  readonly poolOf: (slot: Pick<SlotOwner, "service" | "region">) => {
    keep: (...args: Parameters<PoolRpc["keep"]>) => Promise<boolean>;
    release: (...args: Parameters<PoolRpc["release"]>) => Promise<unknown>;
  };
  /** The Shard object's id. */
  readonly owner: string;
  /** Whether a session or a plain socket has it, on disk. */
  readonly isHeldOnDisk: (slotId: string) => boolean;
  /** An alarm comes then, or before. */
  readonly wakeAt: (atMs: number) => void;
  /** After a call that failed, before the next (repeatPauseMs). */
  readonly pause: () => Promise<void>;
  readonly now: () => number;
}

export class SlotKeeper {
  /** Of sockets that are being opened, and of living relayed ones: lost with the instance, as they are. */
  readonly #held = new Set<string>();
  readonly #input: SlotKeeperInput;
  /** Releases under way. */
  readonly #releasing = new Set<string>();
  /** Debts that are none any more: they leave the disk with the next one that is written, or looked for, and cost no commit of their own. */
  readonly #settled = new Set<string>();

  constructor(input: SlotKeeperInput) {
    this.#input = input;
  }

  /**
   * Known as held before the pool is told: it may ask at once which sockets live. And on disk before: `isOnDisk` where a session
   * or a plain socket has it there already, which an alarm ends unless its device is heard of.
   */
  async takeOver(assignment: SocketAssignment, { isOnDisk = false } = {}): Promise<boolean> {
    const { slotId } = assignment;
    this.#held.add(slotId);
    if (!isOnDisk) this.#owe(assignment);
    const isKept = await this.#keep(assignment);
    if (!isKept) this.#held.delete(slotId);
    // It is the home pool's: nothing hangs on its region any more.
    else if (!isOnDisk && assignment.region !== undefined) this.#owe({ ...assignment, region: undefined });
    return isKept;
  }

  holds(slotId: string): boolean {
    return this.#held.has(slotId) || this.#input.isHeldOnDisk(slotId);
  }

  /** What is on disk has it from here on, unless that has ended meanwhile. */
  settle(slotId: string): void {
    this.#held.delete(slotId);
    if (this.#input.isHeldOnDisk(slotId)) this.#settled.add(slotId);
  }

  /** Never throws: what does not succeed now does later. */
  async release(
    slot: SlotOwner,
    { hasFailed = false, holder = this.#input.owner, sinceMs = this.#input.now(), after = null }: SlotRelease = {},
  ): Promise<void> {
    const { slotId, flow } = slot;
    this.#held.delete(slotId);
    this.#owe(slot, sinceMs);
    if (after !== null) {
      this.#held.add(slotId);
      await after;
      this.#held.delete(slotId);
    }
    this.#releasing.add(slotId);
    const outcome = hasFailed ? "upstream-failed" : "admitted-queued";
    for (let attempt = 1; attempt <= RELEASE_ATTEMPTS_MAX; attempt += 1) {
      try {
        await this.#input.poolOf(slot).release({ slotId, holder, flow, outcome });
        this.#settled.add(slotId);
        break;
      } catch (error) {
        if (attempt === RELEASE_ATTEMPTS_MAX)
          console.warn(JSON.stringify({ level: "warn", event: "release-failed", slotId, error: String(error) }));
        else await this.#input.pause();
      }
    }
    this.#releasing.delete(slotId);
  }

  /** After a start, and with every alarm: gives back what nothing has that lives. When to look again; Infinity: nothing is owed. */
  async look(): Promise<number> {
    const { debts, isHeldOnDisk, now } = this.#input;
    const nowMs = now();
    const due: SlotDebt[] = [];
    this.#dropSettled();
    for (const debt of debts.all()) {
      const { slotId, sinceMs } = debt;
      // What is being given back may be on disk still, as a session that is about to be taken back.
      if (this.#held.has(slotId) || this.#releasing.has(slotId)) continue;
      if (isHeldOnDisk(slotId)) debts.drop(slotId);
      else if (nowMs >= sinceMs + CALL_MS_MAX) due.push(debt);
    }
    for (let start = 0; start < due.length; start += RELEASES_MAX)
      await Promise.all(due.slice(start, start + RELEASES_MAX).map(async (debt) => this.release(debt, { sinceMs: debt.sinceMs })));
    this.#dropSettled();
    return debts.all().length === 0 ? Infinity : now() + DEBT_LOOK_MS;
  }

  #owe({ slotId, flow, service, region }: SlotOwner, sinceMs = this.#input.now()): void {
    const { debts, now, wakeAt } = this.#input;
    this.#settled.delete(slotId);
    this.#dropSettled();
    debts.put({ slotId, flow, service, ...(region && { region }), sinceMs });
    wakeAt(now() + DEBT_LOOK_MS);
  }

  #dropSettled(): void {
    for (const slotId of this.#settled) this.#input.debts.drop(slotId);
    this.#settled.clear();
  }

  /** Without an answer the slot may be ours and may not: it is given back, and the socket is refused. */
  async #keep(assignment: SocketAssignment): Promise<boolean> {
    const { poolOf, owner, debts, pause } = this.#input;
    const { slotId, holder } = assignment;
    try {
      const isKept = await poolOf(assignment).keep(slotId, holder, owner);
      if (!isKept) debts.drop(slotId);
      return isKept;
    } catch {
      await pause();
      await this.release(assignment);
      // The call may still be on its way, and come after that.
      this.#owe(assignment);
      return false;
    }
  }
}
