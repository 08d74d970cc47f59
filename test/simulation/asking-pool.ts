// A pool's object as the asking simulation needs it: the pool itself, what is on disk of it, its mailboxes, and what exchanges.ts, admissions.ts
// and waiters.ts do around them, repeated here in virtual time.
import type { LedgerChanges, LedgerRows } from "#durable/lease/lease-rows.ts";
import type { Mailboxes } from "#durable/pool/mailboxes.ts";
import { Pool } from "#durable/pool/pool.ts";
import type { PoolConfiguration } from "#durable/pool/pool-configuration.ts";
import type { Verdict } from "#durable/pool/verdict.ts";
import type { ExchangeAnswer, ExchangeMessage, SlotAsk, SlotVerdict } from "#shared/protocol/exchange.ts";
import type { AcquireRequest, RenewAnswer, RenewMessage } from "#shared/protocol/pool-rpc.ts";
import { kernels } from "#test/support/kernels.ts";

export type Words = Pick<ExchangeMessage, "number" | "countsFrom" | "asks" | "returned" | "cancelled">;

/** A call that waits for its answer, or for the news that there will be none. */
export interface StandingCall {
  readonly answer: (answer: Pick<ExchangeAnswer, "verdicts" | "poolLife">) => void;
  readonly broken: () => void;
}

export interface AskingPoolShell {
  readonly mailboxes: () => Mailboxes;
  readonly nowMs: () => number;
  /** Not after an eviction: those timers are gone with the memory. */
  readonly after: (delayMs: number, run: () => void) => void;
  /** A verdict lies in a mailbox. */
  readonly onVerdict: (verdict: SlotVerdict) => void;
}

type Tell = (decided: Verdict) => void;

export class AskingPool {
  readonly #configuration: PoolConfiguration;
  readonly #shell: AskingPoolShell;
  pool: Pool;
  mailboxes: Mailboxes;
  #rows: LedgerRows;
  #waiting = new Map<string, Tell>();
  #decided: (() => void)[] = [];
  #standing = new Set<StandingCall>();
  #isLookingAgain = false;
  /** How often its memory was lost. */
  life = 0;

  constructor(configuration: PoolConfiguration, shell: AskingPoolShell) {
    this.#configuration = configuration;
    this.#shell = shell;
    this.pool = new Pool(kernels({ memoryBytes: 2 * 2 ** 20 }), shell.nowMs());
    this.pool.configure(configuration, { nextNumber: 1, nowMs: shell.nowMs() });
    this.mailboxes = shell.mailboxes();
    this.pool.ledger.takeChanges();
    this.#rows = this.pool.ledger.toRows();
  }

  /** Calls that stand here. */
  get standing(): number {
    return this.#standing.size;
  }

  /** Memory is lost: who waits, what was on its way to isolates. What is on disk is kept. */
  evict(): void {
    const { shards, routes } = this.pool;
    const tableVersion = routes.version;
    this.life += 1;
    this.pool = new Pool(kernels({ memoryBytes: 2 * 2 ** 20 }), this.#shell.nowMs());
    this.pool.load({ configuration: this.#configuration, shards, rows: this.#rows, tableVersion, limits: {} }, this.#shell.nowMs());
    this.mailboxes = this.#shell.mailboxes();
    this.#waiting = new Map();
    this.#decided = [];
    this.#isLookingAgain = false;
    const broken = [...this.#standing];
    this.#standing = new Set();
    for (const call of broken) call.broken();
    this.settle();
  }

  renew(message: RenewMessage): RenewAnswer {
    const nowMs = this.#shell.nowMs();
    this.pool.observe(message.telemetry, nowMs);
    const renewed = this.pool.renew(message.lease, nowMs);
    this.settle();
    return { ...renewed, table: this.pool.routes.tableFor(message.tableVersion), configurationVersion: 1 };
  }

  exchange(holder: string, { number, countsFrom, asks, returned, cancelled }: Words, call: StandingCall): void {
    const nowMs = this.#shell.nowMs();
    this.mailboxes.giveUpBefore(holder, countsFrom);
    for (const slotId of cancelled) this.#cancel(slotId, holder);
    if (returned.length > 0) this.pool.giveBack(returned, holder, nowMs);
    for (const ask of asks) this.#ask(holder, ask, nowMs);
    this.settle();
    this.#standing.add(call);
    const { life } = this;
    const answer = (verdicts: readonly SlotVerdict[]): void => {
      this.#standing.delete(call);
      call.answer({ verdicts, poolLife: `${life}` });
    };
    this.mailboxes.collect(holder, { number, answer }, nowMs);
  }

  #cancel(slotId: string, holder: string): void {
    if (!this.pool.cancel(slotId, holder, this.#shell.nowMs())) return;
    this.#answer(slotId, { ok: false, outcome: "cancelled", detail: "The device went away." });
    this.mailboxes.forget(holder, slotId);
  }

  #ask(holder: string, { askedAtMs, ...ask }: SlotAsk, nowMs: number): void {
    const { slotId } = ask;
    const request: AcquireRequest = { ...ask, holder, service: "svc", kind: "request", configurationVersion: 1 };
    const sinceMs = this.mailboxes.await(holder, { slotId, askedAtMs });
    const tellOf =
      (answersMs: number): Tell =>
      (decided) => {
        if (!decided.ok && decided.outcome === "cancelled") return;
        const told = { ...decided, slotId, askedAtMs: answersMs };
        this.#shell.onVerdict(told);
        this.mailboxes.put(holder, told);
      };
    const verdict = this.pool.acquire(request, nowMs);
    this.#answer(slotId, { ok: false, outcome: "cancelled", detail: "The same was asked again." });
    if (verdict !== null) this.#decided.push(() => tellOf(askedAtMs)(verdict));
    else {
      const tell = tellOf(sinceMs);
      this.#waiting.set(slotId, tell);
      const { life } = this;
      this.#shell.after(this.pool.waitMsMaxOf(request), () => {
        if (life === this.life && this.#waiting.get(slotId) === tell) this.settle();
      });
    }
    this.#gather(nowMs);
  }

  /** After every event: gives out what is free, writes what changed, and only then tells anybody. */
  settle(): void {
    this.#gather(this.#shell.nowMs());
    this.#write();
    for (const tell of this.#decided.splice(0)) tell();
    this.mailboxes.deliver();
    this.#lookAgain(this.pool.decideInMs);
  }

  #lookAgain(inMs: number | null): void {
    if (inMs === null || this.#isLookingAgain) return;
    this.#isLookingAgain = true;
    const { life } = this;
    this.#shell.after(inMs, () => {
      if (life !== this.life) return;
      this.#isLookingAgain = false;
      this.settle();
    });
  }

  #gather(nowMs: number): void {
    for (const { slotId, verdict } of [...this.pool.takeDisplaced(nowMs), ...this.pool.decide(nowMs)])
      this.#decided.push(() => this.#answer(slotId, verdict));
  }

  #answer(slotId: string, verdict: Verdict): void {
    const tell = this.#waiting.get(slotId);
    this.#waiting.delete(slotId);
    tell?.(verdict);
  }

  #write(): void {
    const changes = JSON.parse(JSON.stringify(this.pool.ledger.takeChanges())) as LedgerChanges;
    const rows = this.#rows;
    const [holders, slots, blocks] = [gone(changes, "holder"), gone(changes, "slotId"), gone(changes, "key")];
    const flows = new Set(changes.budgets.map(({ flow }) => flow));
    this.#rows = {
      clockOffsetMs: changes.clockOffsetMs ?? rows.clockOffsetMs,
      holders: [...rows.holders.filter(({ holder }) => !holders.has(holder)), ...changes.holders],
      slots: [...rows.slots.filter(({ slotId }) => !slots.has(slotId)), ...changes.slots],
      blocks: [...rows.blocks.filter(({ key }) => !blocks.has(key)), ...changes.blocks],
      budgets: [...rows.budgets.filter(({ flow }) => !flows.has(flow)), ...changes.budgets],
    };
  }
}

/** Keys of rows that go, or come anew. */
function gone(changes: LedgerChanges, key: "holder" | "slotId" | "key"): ReadonlySet<string> {
  if (key === "holder") return new Set([...changes.holdersGone, ...changes.holders.map(({ holder }) => holder)]);
  if (key === "slotId") return new Set([...changes.slotsGone, ...changes.slots.map(({ slotId }) => slotId)]);
  return new Set([...changes.blocksGone, ...changes.blocks.map((row) => row.key)]);
}
