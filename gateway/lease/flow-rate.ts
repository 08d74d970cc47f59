// A flow's rate at this isolate: tokens are spent here while there are some; then the pool is asked, and once it has said that
// there are none, nobody is asked until there may be.
import type { Dry } from "#shared/protocol/pool-rpc.ts";
import { TokenMeter } from "#shared/lease/token-meter.ts";
import { Spell } from "./spell.ts";

/** With less than this part of the last grant left, the next is asked for. */
const LOW_RATIO = 0.25;

export class FlowRate {
  #meter = new TokenMeter();
  readonly #dry = new Spell();
  #retryAtMs = 0;
  #granted = 0;

  /** A token was spent; true: what is left is little, renew soon. */
  spent(left: number): boolean {
    this.#meter.spend(1);
    return left < LOW_RATIO * this.#granted;
  }

  /** There was no token here. Null: ask the pool; else refuse, with when to come back. */
  lacked(nowMs: number): number | null {
    this.#meter.lack(1);
    return this.#dry.leftMs(nowMs) > 0 ? Math.max(1, this.#retryAtMs - nowMs) : null;
  }

  noteDry({ retryAfterMs, forMs }: Dry, nowMs: number): void {
    this.#retryAtMs = nowMs + retryAfterMs;
    this.#dry.begin(Math.max(retryAfterMs, forMs), nowMs);
  }

  /** Tokens to ask for until the renewal after the next. */
  want(elapsedMs: number): number {
    return this.#meter.want(elapsedMs);
  }

  /** What came before is no reason to want any. */
  forgetDemand(): void {
    this.#meter = new TokenMeter();
  }

  granted(tokens: number): void {
    this.#granted = tokens;
    if (tokens > 0) this.#dry.begin(0, -Infinity);
  }
}
