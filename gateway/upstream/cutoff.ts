import type { ServiceConfig } from "#shared/config/schema.ts";
import { refuse, type Refusal } from "#shared/errors/refusal.ts";
import type { Admitted } from "../lease/admitted.ts";
import type { RequestScope } from "../request-scope.ts";
import type { Aborter } from "./aborters.ts";
import { WATCH_MS } from "./watch.ts";

/**
 * What ends an exchange early: its time is up, its slot is lost, its device is gone, or its body broke off. The first reason counts.
 *
 * Most exchanges end by themselves, and soon, so what the end would need is made when it is asked for, and the timer and the listener
 * for one that outlives the next turn of its isolate's watch, or something of its own that is due before. One timer serves both limits
 * and the slot of a request that outlives the renewal that was due when it began: it finds out when it fires what has changed meanwhile.
 */
export class Cutoff {
  readonly #scope: RequestScope;
  readonly #service: ServiceConfig;
  readonly #admitted: Pick<Admitted, "lookAgainInMs" | "lateRefusal">;
  #aborter: Aborter | null = null;
  #isAborterOurs = false;
  #giveUp: ((why: Error) => void) | null = null;
  #reason: Refusal | null = null;
  #isAnswered = false;
  #isOver = false;
  #looksAtMs = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;
  /** Resolves in this request's own context what the isolate's watch calls from another's. */
  #wake: (() => void) | null = null;
  #signalOfDevice: AbortSignal | null = null;
  readonly #onGone = (): void => this.cut(refuse("cancelled", "The device went away."));

  constructor(scope: RequestScope, service: ServiceConfig, admitted: Pick<Admitted, "lookAgainInMs" | "lateRefusal" | "startedAtMs">) {
    this.#scope = scope;
    this.#service = service;
    this.#admitted = admitted;
    this.#look(admitted.startedAtMs);
  }

  /** Aborted by a cut: for what must be broken off at the endpoint, though this request's own context goes on. */
  get signal(): AbortSignal {
    this.#isAborterOurs = true;
    return this.signalOfFetch;
  }

  /** The same, for what lets go of it before `stop`: it is another request's afterwards. */
  get signalOfFetch(): AbortSignal {
    if (this.#aborter === null) {
      this.#aborter = this.#scope.isolate.aborters.take();
      if (this.#reason !== null) this.#aborter.controller.abort();
    }
    return this.#aborter.signal;
  }

  get reason(): Refusal | null {
    return this.#reason;
  }

  /** No headers have come, and nothing has been cut: another endpoint may be tried. */
  get isUnanswered(): boolean {
    return !this.#isAnswered && this.#reason === null;
  }

  cut(why: Refusal): void {
    this.#reason ??= why;
    this.#aborter?.controller.abort();
    this.#giveUp?.(new Error(why.detail));
  }

  /**
   * `promise`, unless a cut comes first: then it rejects, and whoever answers the refusal ends the request's context, which ends
   * what `promise` waits for. One at a time.
   */
  race<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#giveUp = reject;
      promise.then(resolve, reject);
      if (this.#reason !== null) this.cut(this.#reason);
    });
  }

  /** The headers are here: from their deadline to the limit for the whole. */
  extend(): void {
    this.#isAnswered = true;
    if (this.#scope.startedAtMs + this.#limitMs >= this.#looksAtMs) return;
    clearTimeout(this.#timer);
    this.#look(Date.now());
  }

  /**
   * The exchange is over. The listener goes too: the runtime's signal holds it, it holds the exchange and that the signal, a circle which
   * only a full collection breaks, so everything that a request made would live until then.
   */
  stop(): void {
    this.#isOver = true;
    if (this.#aborter !== null && this.#reason === null && !this.#isAborterOurs) this.#scope.isolate.aborters.giveBack(this.#aborter);
    this.#aborter = null;
    if (this.#wake !== null) this.#scope.isolate.watch.leave(this.#wake);
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#signalOfDevice?.removeEventListener("abort", this.#onGone);
  }

  get #limitMs(): number {
    return this.#isAnswered ? this.#service.requestDurationMsMax : this.#service.deadlineMs;
  }

  #look(nowMs: number): void {
    const leftMs = this.#scope.startedAtMs + this.#limitMs - nowMs;
    const lookAgainInMs = this.#admitted.lookAgainInMs(nowMs);
    if (leftMs <= 0) this.cut(this.#admitted.lateRefusal ?? this.#timeIsUp());
    else if (lookAgainInMs <= 0) this.cut(refuse("internal", "The slot was lost: no renewal reached the pool in time."));
    else {
      const inMs = Math.min(leftMs, lookAgainInMs);
      this.#looksAtMs = nowMs + inMs;
      if (this.#wake === null && inMs > WATCH_MS) this.#waitForWatch(nowMs);
      else this.#watchAlone(inMs);
    }
  }

  #waitForWatch(nowMs: number): void {
    const { isolate, ctx } = this.#scope;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    isolate.watch.enter(resolve, ctx, nowMs);
    void promise.then(() => this.#watchAlone(this.#looksAtMs - Date.now()));
  }

  #watchAlone(inMs: number): void {
    if (this.#isOver) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#look(Date.now()), Math.max(0, inMs));
    if (this.#signalOfDevice !== null) return;
    this.#signalOfDevice = this.#scope.request.signal;
    this.#signalOfDevice.addEventListener("abort", this.#onGone);
    if (this.#signalOfDevice.aborted) this.#onGone();
  }

  #timeIsUp(): Refusal {
    const what = this.#isAnswered ? "finish" : "answer";
    return refuse("upstream-timeout", `The endpoint did not ${what} within ${this.#limitMs} ms.`);
  }
}
