// How a pool in its object answers an isolate's exchange: names come back first, then whoever asks is heard; what is free after each is given
// out, and one write and one look at all else follow for all of them. Who has to wait for something else than a slot (a quota, the home pool) holds nobody up that came with it.
import { refuse } from "#shared/errors/refusal.ts";
import type { ExchangeAnswer, ExchangeMessage, SlotAsk } from "#shared/protocol/exchange.ts";
import type { AcquireRequest } from "#shared/protocol/pool-rpc.ts";
import type { Admissions } from "./admissions.ts";
import { Mailboxes } from "./mailboxes.ts";
import type { Verdict } from "./verdict.ts";

interface Shell {
  readonly admissions: Admissions;
  /** False: a verdict on it needs more than this object knows. */
  isReady(request: AcquireRequest): boolean;
  /** Asks for that. */
  prepare(request: AcquireRequest): Promise<void>;
  /** So often, where others have taken what it brought. */
  readonly turnsMax: number;
  /** The verdict where there is one at once; null: it waits. */
  verdictOn(request: AcquireRequest, nowMs: number): Verdict | null;
}

const UNPREPARED: Verdict = refuse("internal", "What the request needs could not be asked for.");

type Tell = (decided: Verdict) => void;

/** Whom to tell of a verdict on this asking, and of one that came to whoever waits since the first. */
interface Tells {
  readonly atOnce: Tell;
  readonly later: Tell;
  /** False: nobody is to be told any more. */
  isAwaited(): boolean;
}

export class Exchanges {
  readonly #shell: Shell;
  readonly #mailboxes = new Mailboxes();
  readonly poolLife = crypto.randomUUID();

  constructor(shell: Shell) {
    this.#shell = shell;
    shell.admissions.onTold(() => this.#mailboxes.deliver());
  }

  /** The verdict on one request, by a call of its own. */
  async acquire(request: AcquireRequest): Promise<Verdict> {
    const { promise, resolve } = Promise.withResolvers<Verdict>();
    const tells: Tells = { atOnce: resolve, later: resolve, isAwaited: () => true };
    if (!this.#shell.isReady(request)) await this.#enterLater(request, tells);
    else {
      const nowMs = Date.now();
      this.#enter(request, tells, nowMs);
      this.#shell.admissions.settle(nowMs);
    }
    return promise;
  }

  /** The answer's verdicts. The message's configuration is known here. */
  async answer(message: ExchangeMessage): Promise<ExchangeAnswer["verdicts"]> {
    const { holder, number, countsFrom, asks, returned, cancelled } = message;
    const { admissions } = this.#shell;
    const nowMs = Date.now();
    this.#mailboxes.giveUpBefore(holder, countsFrom);
    for (const slotId of cancelled) this.#cancel(slotId, holder);
    if (cancelled.length > 0 || returned.length > 0) admissions.giveBack(returned, holder, nowMs);
    for (const ask of asks) this.#ask(message, ask, nowMs);
    admissions.settle(nowMs);
    const { promise, resolve } = Promise.withResolvers<ExchangeAnswer["verdicts"]>();
    this.#mailboxes.collect(holder, { number, answer: resolve }, nowMs);
    return promise;
  }

  #cancel(slotId: string, holder: string): void {
    this.#shell.admissions.cancel(slotId, holder);
    // Also where it does not wait for a slot yet, but for what it needs first.
    this.#mailboxes.forget(holder, slotId);
  }

  #ask({ service, holder, configurationVersion, region }: ExchangeMessage, { askedAtMs, ...ask }: SlotAsk, nowMs: number): void {
    const { slotId } = ask;
    const request: AcquireRequest = { ...ask, service, holder, configurationVersion, ...(region && { region }), kind: "request" };
    const sinceMs = this.#mailboxes.await(holder, { slotId, askedAtMs });
    const tellOf =
      (answersMs: number): Tell =>
      (decided) => {
        // It has gone, or asks again, and hears of that.
        if (decided.ok || decided.outcome !== "cancelled") this.#mailboxes.put(holder, { ...decided, slotId, askedAtMs: answersMs });
      };
    // A slot that it has already is good for so long from this asking on, however long it had waited before.
    const tells: Tells = { atOnce: tellOf(askedAtMs), later: tellOf(sinceMs), isAwaited: () => this.#mailboxes.awaits(holder, slotId) };
    if (this.#shell.isReady(request)) this.#enter(request, tells, nowMs);
    else void this.#enterLater(request, tells);
  }

  /** Between the verdict and the wait for another one nothing else may happen: it would be told to nobody. */
  #enter(request: AcquireRequest, { atOnce, later }: Tells, nowMs: number): void {
    const verdict = this.#shell.verdictOn(request, nowMs);
    this.#shell.admissions.enter(request, { verdict, tell: verdict === null ? later : atOnce, nowMs });
  }

  async #enterLater(request: AcquireRequest, { atOnce, later, isAwaited }: Tells): Promise<void> {
    const { admissions, turnsMax, ...shell } = this.#shell;
    for (let turn = 1; ; turn += 1) {
      const isPrepared = await this.#prepare(request);
      // It has gone: a slot for it would stand idle until it ends.
      if (!isAwaited()) return;
      const nowMs = Date.now();
      const verdict = isPrepared ? shell.verdictOn(request, nowMs) : UNPREPARED;
      // Others have taken, since the answer, what it brought.
      if (turn < turnsMax && verdict?.dry !== undefined && !shell.isReady(request)) continue;
      admissions.enter(request, { verdict, tell: verdict === null ? later : atOnce, nowMs });
      return admissions.settle(nowMs);
    }
  }

  async #prepare(request: AcquireRequest): Promise<boolean> {
    try {
      await this.#shell.prepare(request);
      return true;
    } catch (error) {
      console.error(JSON.stringify({ level: "error", event: "ask-failed", service: request.service, error: String(error).slice(0, 500) }));
      return false;
    }
  }
}
