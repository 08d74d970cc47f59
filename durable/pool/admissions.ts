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
  /** What is decided, and not on disk yet: whom to tell. */
  readonly #decided: (() => void)[] = [];
  #onTold: () => void = () => undefined;
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

  /** Called whenever those who waited were told. */
  onTold(listener: () => void): void {
    this.#onTold = listener;
  }

  /**
   * A verdict on one of several requests that came together, or null: it waits for one. `settle` comes after the last; what is free goes to
   * whoever is next before that, so that each finds things as they are.
   */
  enter(
    request: AcquireRequest,
    { verdict, tell, nowMs }: { verdict: Verdict | null; tell: (decided: Verdict) => void; nowMs: number },
  ): void {
    const { slotId } = request;
    // Whoever asked before under this id has gone, or asks again here.
    this.#cancelled(slotId, "The same was asked again.");
    const decided = (to: Verdict): void => {
      this.#count(request, to);
      tell(to);
    };
    if (verdict !== null) this.#decided.push(() => decided(verdict));
    else this.#waiters.wait(slotId, { waitMsMax: this.#pool.waitLeftMs(request, nowMs), nowMs }, decided);
    this.#gather(nowMs);
  }

  /** False: it does not wait, or is another's. */
  cancel(slotId: string, holder: string): boolean {
    const wasWaiting = this.#pool.cancel(slotId, holder, Date.now());
    if (wasWaiting) this.#cancelled(slotId, "The device went away.");
    return wasWaiting;
  }

  /** Frees slots of requests that have ended, also for those who waited for them: whoever asks next comes after these. */
  giveBack(slotIds: readonly string[], holder: string, nowMs: number): void {
    this.#pool.giveBack(slotIds, holder, nowMs);
    this.#gather(nowMs);
  }

  settle(nowMs: number): void {
    this.#shell.settle(nowMs);
  }

  /** Gives out what is free, writes what changed, and only then tells anybody. */
  decide(nowMs: number): void {
    this.#gather(nowMs);
    this.#shell.write(() => this.#shell.store.saveLedger(this.#pool.ledger.takeChanges()));
    for (const tell of this.#decided.splice(0)) tell();
    this.#onTold();
    this.#waiters.lookAgain(this.#pool.decideInMs);
  }

  #gather(nowMs: number): void {
    for (const { slotId, verdict } of [...this.#pool.takeDisplaced(nowMs), ...this.#pool.decide(nowMs)])
      this.#decided.push(() => this.#waiters.answer(slotId, verdict));
  }

  /** Of a request that finds no token its isolate tells, which may have one by now. */
  #count({ flow, kind }: AcquireRequest, decided: Verdict): void {
    if (decided.ok) this.#counters.countWait(decided.slot.waitedMs);
    else if (decided.outcome !== "cancelled" && (decided.dry === undefined || kind === "socket")) {
      this.#counters.countOutcome(flow, decided.outcome);
      this.#shell.onRefused(flow, decided.outcome);
    }
    this.touch();
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
