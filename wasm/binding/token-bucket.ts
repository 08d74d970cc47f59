import type { Region } from "./arena.ts";
import { checkInteger, checkNumber } from "./check-range.ts";
import type { Kernels } from "./kernels.ts";

const STATE_BYTES = 48;
const TOKENS_MAX = 2 ** 32 - 1;
/** 366 days. */
const PERIOD_MS_MAX = 31_622_400_000;
/** 2⁶² ns: the kernel counts burst × period in 64 bits. */
const BURST_PERIOD_MS_MAX = Math.floor(2 ** 62 / 1e6);
/** The year 2248. */
const NOW_MS_MAX = 2 ** 43;

export interface TokenRate {
  /** So many tokens, */
  readonly tokens: number;
  /** every so many milliseconds, */
  readonly periodMs: number;
  /** and so many at once after a pause. */
  readonly burst: number;
}

export interface TokenRequest {
  /** A whole number of tokens. */
  readonly cost: number;
  readonly nowMs: number;
}

/** `retryAfterMs`: the least whole number after which the same request is admitted; Infinity for a cost above the burst. */
export type TokenVerdict = { readonly ok: true } | { readonly ok: false; readonly retryAfterMs: number };

const ADMITTED: TokenVerdict = { ok: true };

/**
 * Admits at most burst + tokens / periodMs × elapsed over any interval, and everything that does not exceed it
 * (wasm/assembly/limit/gcra.ts). In integers: nothing drifts. A clock that goes back is waited for, up to a minute.
 */
export class TokenBucket {
  readonly #kernels: Kernels;
  readonly #region: Region;
  readonly #base: number;

  /** Full. Takes 48 bytes. Throws RangeError for a rate that is none, or where the memory has no room. */
  constructor(kernels: Kernels, rate: TokenRate) {
    checkRate(rate);
    this.#kernels = kernels;
    this.#region = kernels.arena.allocate(STATE_BYTES, "a token bucket");
    this.#base = this.#region.offset;
    this.configure(rate);
  }

  /** Sets another rate; what is owed stays owed, a part of a token as a whole one. Throws RangeError for a rate that is none. */
  configure(rate: TokenRate): void {
    checkRate(rate);
    this.#kernels.exports.gcraConfigure(this.#base, rate.tokens, rate.periodMs, rate.burst);
  }

  /** Throws RangeError for a cost or a time that is none; so do the others. */
  take({ cost, nowMs }: TokenRequest): TokenVerdict {
    checkRequest(cost, nowMs);
    const retryAfterMs = this.#kernels.exports.gcraTake(this.#base, cost, nowMs);
    return retryAfterMs === 0 ? ADMITTED : { ok: false, retryAfterMs };
  }

  /** What `take` would say. */
  peek({ cost, nowMs }: TokenRequest): TokenVerdict {
    checkRequest(cost, nowMs);
    const retryAfterMs = this.#kernels.exports.gcraPeek(this.#base, cost, nowMs);
    return retryAfterMs === 0 ? ADMITTED : { ok: false, retryAfterMs };
  }

  /** Takes the tokens whether they are there or not, down to none: for a cost that is known only afterwards. */
  charge({ cost, nowMs }: TokenRequest): void {
    checkRequest(cost, nowMs);
    this.#kernels.exports.gcraCharge(this.#base, cost, nowMs);
  }

  /** Gives back tokens that were taken and not used; there are never more than the burst. */
  giveBack(cost: number): void {
    checkInteger(cost, { doing: "give tokens back", min: 1, max: TOKENS_MAX });
    this.#kernels.exports.gcraGiveBack(this.#base, cost);
  }

  /** Whole tokens that could be taken now. */
  remaining(nowMs: number): number {
    checkNumber(nowMs, { doing: "count tokens at a time", min: 0, max: NOW_MS_MAX });
    return this.#kernels.exports.gcraRemaining(this.#base, nowMs);
  }

  /** Gives the memory back. The bucket must not be used afterwards. */
  release(): void {
    this.#kernels.arena.release(this.#region);
  }
}

function checkRate({ tokens, periodMs, burst }: TokenRate): void {
  checkInteger(tokens, { doing: "make a rate of so many tokens", min: 1, max: TOKENS_MAX });
  checkInteger(periodMs, { doing: "make a rate of such a period in milliseconds", min: 1, max: PERIOD_MS_MAX });
  checkInteger(burst, { doing: "make a bucket of such a burst", min: 1, max: Math.floor(BURST_PERIOD_MS_MAX / periodMs) });
}

function checkRequest(cost: number, nowMs: number): void {
  checkInteger(cost, { doing: "take so many tokens", min: 1, max: TOKENS_MAX });
  checkNumber(nowMs, { doing: "take tokens at a time", min: 0, max: NOW_MS_MAX });
}
