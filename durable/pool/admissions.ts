// How a pool in its object answers those who ask it for slots: what it decides is on disk before anybody hears of it, whoever has to wait is
// told in its turn, and what became of each is counted.
import type { Outcome } from "#shared/errors/outcomes.ts";
import type { AcquireRequest } from "#shared/protocol/pool-rpc.ts";
import { SECOND_MS } from "#shared/units.ts";
import type { Counters } from "./counters.ts";
import type { Pool } from "./pool.ts";
import type { PoolStore } from "./store.ts";
import type { Verdict } from "./verdict.ts";
import { Waiters } from "./waiters.ts";

/** How often the counters are written while they change. */
export const SAVE_MS = 5 * SECOND_MS;

interface Shell {
  readonly store: Pick<PoolStore, "loadCounters" | "saveCounters" | "saveLedger">;
  /** One transaction, without which this instance does not go on. */
  readonly write: (save: () => void) => void;
  /** Something has happened: `decide`, and what else the object does after every event. */
  readonly settle: (nowMs: number) => void;
  /** Something is to be written, or done, before long. */
  readonly schedule: () => void;
  /** One that asked is refused. */
  readonly onRefused: (flow: string, outcome: Outcome) => void;
}

export class Admissions {
  readonly #pool: Pool;
  readonly #shell: Shell;
  readonly #waiters: Waiters;
  #counters!: Counters;
  /** When counters that are not on disk yet began to change. */
  #dirtySinceMs: number | null = null;
  #idleSinceMs: number | null = null;

  constructor(pool: Pool, shell: Shell) {
    this.#pool = pool;
    this.#shell = shell;
    this.#waiters = new Waiters(() => shell.settle(Date.now()));
  }

  /** Once, when the disk may be read. */
  open(): void {
    this.#counters = this.#shell.store.loadCounters();
  }

  get counters(): Counters {
    return this.#counters;
  }

  /** Some are not on disk yet. */
  get isDirty(): boolean {
    return this.#dirtySinceMs !== null;
  }

  /** Counters have changed. */
  touch(): void {
    this.#dirtySinceMs ??= Date.now();
    this.#shell.schedule();
  }

  /** The pool's verdict on a request, once it has one; null: there is none yet. */
  async answer(request: AcquireRequest, verdict: Verdict | null, nowMs: number): Promise<Verdict> {
    // Whoever asked before under this id has gone, or asks again here.
    this.#cancelled(request.slotId, "The same was asked again.");
    const waits = verdict === null ? this.#waiters.wait(request.slotId, this.#pool.waitMsMaxOf(request)) : Promise.resolve(verdict);
    this.#shell.settle(nowMs);
    const decided = await waits;
    if (decided.ok) this.#counters.countWait(decided.slot.waitedMs);
    else if (decided.outcome !== "cancelled") {
      this.#counters.countOutcome(request.flow, decided.outcome);
      this.#shell.onRefused(request.flow, decided.outcome);
    }
    this.touch();
    return decided;
  }

  /** False: it does not wait, or is another's. */
  cancel(slotId: string, holder: string): boolean {
    const wasWaiting = this.#pool.cancel(slotId, holder, Date.now());
    if (wasWaiting) this.#cancelled(slotId, "The device went away.");
    return wasWaiting;
  }

  /** Frees slots of requests that have ended; how many. */
  giveBack(slotIds: readonly string[], holder: string): number {
    this.#counters.global.releaseCalls += 1;
    const nowMs = Date.now();
    const freed = this.#pool.giveBack(slotIds, holder, nowMs);
    this.#shell.settle(nowMs);
    return freed;
  }

  /** Gives out what is free, writes what changed, and only then tells anybody. */
  decide(nowMs: number): void {
    const decisions = [...this.#pool.takeDisplaced(nowMs), ...this.#pool.decide(nowMs)];
    this.#shell.write(() => this.#shell.store.saveLedger(this.#pool.ledger.takeChanges()));
    for (const { slotId, verdict } of decisions) this.#waiters.answer(slotId, verdict);
    this.#waiters.lookAgain(this.#pool.decideInMs);
  }

  /** Counts what nobody sent a message of. */
  observe(nowMs: number): void {
    const { global } = this.#counters;
    const { reclaimed, overshot } = this.#pool.ledger.takeCounts();
    global.slotsReclaimed += reclaimed;
    global.slotsOvershot += overshot;
    if (this.#idleSinceMs !== null) global.idleWhileWaitingMs += Math.max(0, nowMs - this.#idleSinceMs);
    this.#idleSinceMs = this.#pool.isIdleWhileWaiting ? nowMs : null;
    if (reclaimed > 0 || overshot > 0) this.touch();
  }

  /** Writes counters that have changed for long enough, and the learned `limits` with them. */
  saveDue(nowMs: number, limits: Readonly<Record<string, number>>): void {
    if (this.#dirtySinceMs === null || nowMs - this.#dirtySinceMs < SAVE_MS) return;
    this.#dirtySinceMs = null;
    this.#shell.store.saveCounters(this.#counters, limits);
  }

  #cancelled(slotId: string, detail: string): void {
    this.#waiters.answer(slotId, { ok: false, outcome: "cancelled", detail });
  }
}
