import type { ServiceConfig } from "#shared/config/schema.ts";
import { refuse, type Refusal } from "#shared/errors/refusal.ts";
import type { RequestScope } from "../request-scope.ts";

/**
 * What ends an exchange early: its time is up, its device is gone, or its body broke off. The first reason counts.
 *
 * Most exchanges end by themselves, so what the end would need is made when it is asked for. One timer serves both limits: it is
 * set for the headers' deadline, and finds out when it fires whether they have come meanwhile.
 */
export class Cutoff {
  readonly #startedAtMs: number;
  readonly #service: ServiceConfig;
  #aborter: AbortController | null = null;
  #giveUp: ((why: Error) => void) | null = null;
  #reason: Refusal | null = null;
  #isAnswered = false;
  #firesAtMs = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;

  /** `slotExpiresAtMs`: no answer is waited for beyond the slot, whose pool may know a shorter deadline than this isolate does yet. */
  constructor({ request, startedAtMs }: RequestScope, service: ServiceConfig, slotExpiresAtMs: number) {
    this.#startedAtMs = startedAtMs;
    this.#service = service;
    this.#fireAt(Math.min(startedAtMs + service.deadlineMs, slotExpiresAtMs));
    request.signal.addEventListener("abort", () => this.cut(refuse("cancelled", "The device went away.")));
  }

  /** Aborted by a cut: for what must be broken off at the endpoint, though this request's own context goes on. */
  get signal(): AbortSignal {
    if (this.#aborter === null) {
      this.#aborter = new AbortController();
      if (this.#reason !== null) this.#aborter.abort();
    }
    return this.#aborter.signal;
  }

  get reason(): Refusal | null {
    return this.#reason;
  }

  readonly cut = (why: Refusal): void => {
    this.#reason ??= why;
    this.#aborter?.abort();
    this.#giveUp?.(new Error(why.detail));
  };

  /**
   * `promise`, unless a cut comes first: then it rejects, and whoever answers the refusal ends the request's context, which ends
   * what `promise` waits for. One at a time.
   */
  race<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#giveUp = reject;
      promise.then(resolve, reject);
    });
  }

  /** The headers are here: from their deadline to the limit for the whole. */
  extend(): void {
    this.#isAnswered = true;
    if (this.#endsAtMs < this.#firesAtMs) this.#fireAt(this.#endsAtMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  get #endsAtMs(): number {
    return this.#startedAtMs + this.#service.requestDurationMsMax;
  }

  #fireAt(atMs: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#firesAtMs = atMs;
    this.#timer = setTimeout(() => this.#fire(), Math.max(0, atMs - Date.now()));
  }

  #fire(): void {
    if (this.#isAnswered && Date.now() < this.#endsAtMs) return this.#fireAt(this.#endsAtMs);
    const { deadlineMs, requestDurationMsMax } = this.#service;
    const [what, durationMs] = this.#isAnswered ? ["finish", requestDurationMsMax] : ["answer", deadlineMs];
    this.cut(refuse("upstream-timeout", `The endpoint did not ${what} within ${durationMs} ms.`));
  }
}
