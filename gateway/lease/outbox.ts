// What an isolate has to say to a service's pool of requests that it has no slot for: who asks, whose slots by name are free, who waits no
// longer. Said at once where nothing was said just before; what comes then gathers for the next call, so that whoever asks costs the less the
// more of them there are. While anybody waits one call stands at the pool, which brings what became of them. Pure; times are the isolate's.
import type { ExchangeAnswer, ExchangeMessage, SlotAsk, SlotVerdict } from "#shared/protocol/exchange.ts";
import type { Refusal } from "#shared/errors/refusal.ts";
import type { Shed } from "#shared/protocol/pool-rpc.ts";
import { SECOND_MS } from "#shared/units.ts";

/** On their way, also to a pool that is far away. One stands there, the next makes it come back. */
const CALLS_MAX = 8;
/** Calls begin at least so far apart: what gathers meanwhile costs a fraction of a call each. Longer, and slots lie idle for it, or end in step. */
const SPACING_MS = 2;
/** Where a slot that somebody waits for is free. */
const NAME_SPACING_MS = 1;
/** So long a name that nobody waits for may wait for a call that others set off. */
const RETURN_MS = 10;
/** Whoever was to see to something, and is so late, never will: its request's context has ended. */
const LATE_MS_MAX = 50;
/** A call without an answer for so long stands at the pool, or is lost with its request's context, and with what it brought: all who wait ask again. */
const CALL_MS_MAX = SECOND_MS;
/** Several calls of a pool that is late are given up one after the other: all who wait ask again so often, at most. */
const ASK_AGAIN_MS = CALL_MS_MAX / 2;
/** Asked in vain so often, a pool is out of reach. */
const FAILURES_MAX = 3;
/** In one call. */
const ASKS_MAX = 1_024;
/** Beyond it names are left to end by themselves. */
const NAMES_MAX = 4_096;

/** A request that waits for the pool's word. */
export interface Waiting {
  readonly ask: Omit<SlotAsk, "askedAtMs" | "waitMsMax">;
  readonly waitsUntilMs: number;
  readonly tell: (heard: Heard) => void;
}

/** `error`: the pool could not be asked. `carries`: no word yet; its request is to make the calls from here on. */
export type Heard = { readonly verdict: SlotVerdict } | { readonly error: unknown } | { readonly carries: true };

type Words = Pick<ExchangeMessage, "number" | "countsFrom" | "asks" | "returned" | "cancelled">;

/** One call, from its sending on. */
export interface ExchangeCall extends Words {
  readonly sentAtMs: number;
}

interface Entry extends Waiting {
  hasAsked: boolean;
  hasCarried: boolean;
  failures: number;
}

export class Outbox {
  readonly #waiting = new Map<string, Entry>();
  /** Of those that wait: to be asked for with the next call. */
  readonly #unasked = new Set<string>();
  #returned: string[] = [];
  /** When the names that gather are to be on their way; Infinity: there are none. */
  #returnAtMs = Infinity;
  /** When somebody looks whether a call is due. */
  #seenToAtMs = Infinity;
  #sentAtMs = -Infinity;
  /** A call was given up, and those that wait have not asked again since. */
  #isInDoubt = false;
  #askedAgainAtMs = -Infinity;
  /** Which of the pool's lives answered last. */
  #poolLife: string | null = null;
  #cancelled: string[] = [];
  /** On their way, the oldest first. */
  readonly #calls = new Set<ExchangeCall>();
  #number = 0;

  /** Somebody waits. */
  get isAwaiting(): boolean {
    return this.#waiting.size > 0;
  }

  /** Whether this one does. */
  awaits(slotId: string): boolean {
    return this.#waiting.has(slotId);
  }

  ask(waiting: Waiting): void {
    const { slotId } = waiting.ask;
    this.#waiting.set(slotId, { ...waiting, hasAsked: false, hasCarried: false, failures: 0 });
    this.#unasked.add(slotId);
  }

  /** It waits no longer, and nothing comes to it any more: neither its place in the queue nor its slot may stay behind. */
  cancel(slotId: string): void {
    // Of who has not asked the pool knows nothing.
    if (this.#leave(slotId)?.hasAsked === true && this.#cancelled.length < NAMES_MAX) this.#cancelled.push(slotId);
  }

  /** Who has not asked yet hears the pool's word to others of its flow: of this urgency, or a later one. How many. */
  refuse({ flow, urgencyFrom }: Pick<Shed, "flow" | "urgencyFrom">, refusal: Refusal, nowMs: number): number {
    let count = 0;
    for (const slotId of this.#unasked) {
      const entry = this.#waiting.get(slotId);
      if (entry === undefined || entry.hasAsked || entry.ask.flow !== flow || entry.ask.urgency < urgencyFrom) continue;
      this.#leave(slotId);
      count += 1;
      entry.tell({ verdict: { ...refusal, slotId, askedAtMs: nowMs } });
    }
    return count;
  }

  /** A slot by name is free. `isAwaited`: somebody may wait for it. */
  giveBack(slotId: string, { isAwaited, nowMs }: { readonly isAwaited: boolean; readonly nowMs: number }): void {
    if (this.#returned.length < NAMES_MAX) this.#returned.push(slotId);
    if (isAwaited || this.#waiting.size > 0) this.#returnAtMs = -Infinity;
    else if (this.#returned.length === 1) this.#returnAtMs = nowMs + RETURN_MS;
  }

  /** Whoever made the calls makes no more: the newest of those that wait does, each once. */
  handOver(): void {
    let newest: Entry | undefined;
    for (const entry of this.#waiting.values()) if (!entry.hasCarried) newest = entry;
    if (newest === undefined) return;
    newest.hasCarried = true;
    newest.tell({ carries: true });
  }

  /** In how long the next call is due; null: nothing is to be said, or somebody sees to it already, or an answer comes first. The caller does. */
  seeToInMs(nowMs: number): number | null {
    const dueInMs = this.#dueInMs(nowMs);
    if (dueInMs === null) return null;
    const seenToInMs = this.#seenToAtMs - nowMs;
    if (seenToInMs <= dueInMs && seenToInMs > -LATE_MS_MAX) return null;
    this.#seenToAtMs = nowMs + dueInMs;
    return dueInMs;
  }

  /** Whoever takes it sends it, and then says `answered` or `failed`. Null: none is due. */
  take(nowMs: number): ExchangeCall | null {
    this.#seenToAtMs = Infinity;
    if (this.#dueInMs(nowMs) !== 0) return null;
    const asks: SlotAsk[] = [];
    for (const slotId of this.#unasked) {
      if (asks.length === ASKS_MAX) break;
      this.#unasked.delete(slotId);
      const entry = this.#waiting.get(slotId);
      if (entry === undefined) continue;
      entry.hasAsked = true;
      asks.push({ ...entry.ask, askedAtMs: nowMs, waitMsMax: Math.max(0, entry.waitsUntilMs - nowMs) });
    }
    const number = (this.#number += 1);
    const [oldest] = this.#calls;
    const words = { number, countsFrom: oldest?.number ?? number, asks, returned: this.#returned, cancelled: this.#cancelled };
    const call = { ...words, sentAtMs: nowMs };
    this.#returned = [];
    this.#cancelled = [];
    this.#returnAtMs = Infinity;
    this.#sentAtMs = nowMs;
    this.#calls.add(call);
    return call;
  }

  answered(call: ExchangeCall, { verdicts, poolLife }: Pick<ExchangeAnswer, "verdicts" | "poolLife">): void {
    this.#calls.delete(call);
    // It began anew between an answer and the next call, so no call was broken, and knows of nobody who asked before.
    const isAnew = this.#poolLife !== null && this.#poolLife !== poolLife;
    // Nor where it had nothing to say, and no other call made this one come back: a verdict was lost with its answer.
    if (isAnew || (verdicts.length === 0 && this.#calls.size === 0)) this.#askAgain();
    this.#poolLife = poolLife;
    // Whoever has gone has cancelled; whoever asked twice may have been told before, and run.
    for (const verdict of verdicts) this.#leave(verdict.slotId)?.tell({ verdict });
  }

  /** The pool may have begun anew since: all who wait ask again. `mayRepeat`: of those in the call as well, unless it was in vain too often. */
  failed(call: ExchangeCall, { error, mayRepeat }: { error: unknown; mayRepeat: boolean }): void {
    this.#calls.delete(call);
    for (const slotId of call.returned) this.giveBack(slotId, { isAwaited: true, nowMs: call.sentAtMs });
    this.#cancelled.push(...call.cancelled.slice(0, NAMES_MAX - this.#cancelled.length));
    for (const { slotId } of call.asks) {
      const entry = this.#waiting.get(slotId);
      if (entry === undefined) continue;
      entry.failures += 1;
      if (mayRepeat && entry.failures < FAILURES_MAX) continue;
      this.cancel(slotId);
      entry.tell({ error });
    }
    this.#askAgain();
  }

  #giveUpCalls(nowMs: number): void {
    for (const call of this.#calls) {
      if (Math.abs(nowMs - call.sentAtMs) <= CALL_MS_MAX) continue;
      this.#calls.delete(call);
      this.#isInDoubt = true;
    }
    if (!this.#isInDoubt || Math.abs(nowMs - this.#askedAgainAtMs) < ASK_AGAIN_MS) return;
    this.#isInDoubt = false;
    this.#askedAgainAtMs = nowMs;
    this.#askAgain();
  }

  #askAgain(): void {
    for (const slotId of this.#waiting.keys()) this.#unasked.add(slotId);
  }

  #dueInMs(nowMs: number): number | null {
    // Nearly always, and asked after every request.
    if (this.#waiting.size === 0 && this.#returned.length === 0 && this.#cancelled.length === 0) return null;
    this.#giveUpCalls(nowMs);
    if (this.#calls.size >= CALLS_MAX) return null;
    const isPressing = this.#unasked.size > 0 || this.#cancelled.length > 0 || (this.#waiting.size > 0 && this.#calls.size === 0);
    if (!isPressing && this.#returned.length === 0) return null;
    // A clock that was set back makes nobody wait for longer.
    this.#sentAtMs = Math.min(this.#sentAtMs, nowMs);
    this.#returnAtMs = Math.min(this.#returnAtMs, nowMs + RETURN_MS);
    const isNameAwaited = this.#returned.length > 0 && this.#returnAtMs === -Infinity;
    const dueAtMs = Math.max(this.#sentAtMs + (isNameAwaited ? NAME_SPACING_MS : SPACING_MS), isPressing ? -Infinity : this.#returnAtMs);
    return Math.max(0, dueAtMs - nowMs);
  }

  #leave(slotId: string): Entry | undefined {
    const entry = this.#waiting.get(slotId);
    this.#waiting.delete(slotId);
    this.#unasked.delete(slotId);
    return entry;
  }
}
