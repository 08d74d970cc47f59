// Twin of wasm/assembly/limit/gcra.ts, in GCRA's other form (virtual scheduling): one theoretical arrival time, which
// is kept in units of 1/tokens ns, as the kernel's debt is.

export interface ReferenceRate {
  readonly tokens: number;
  readonly periodMs: number;
  readonly burst: number;
}

export interface ReferenceRequest {
  readonly cost: number;
  readonly nowMs: number;
}

export type ReferenceVerdict = { readonly ok: true } | { readonly ok: false; readonly retryAfterMs: number };

const MS_NS = 1_000_000n;
const BACK_NS_MAX = 60_000n * MS_NS;
const COUNT_MAX = 2 ** 32 - 1;

export class TokenBucketReference {
  #tokens = 1n;
  #period = 0n;
  #burst = 1n;
  /** The bucket's clock, ns. */
  #now = 0n;
  /** The theoretical arrival time, ns × tokens; never before the clock. */
  #arrival = 0n;

  constructor(rate: ReferenceRate) {
    this.configure(rate);
  }

  configure({ tokens, periodMs, burst }: ReferenceRate): void {
    const debt = this.#arrival - this.#now * this.#tokens;
    const owed = this.#period === 0n ? 0n : (debt + this.#period - 1n) / this.#period;
    this.#tokens = BigInt(tokens);
    this.#period = BigInt(periodMs) * MS_NS;
    this.#burst = BigInt(burst);
    this.#arrival = this.#now * this.#tokens + smaller(owed, this.#burst) * this.#period;
  }

  take(request: ReferenceRequest): ReferenceVerdict {
    const verdict = this.peek(request);
    if (verdict.ok) this.#arrival += BigInt(request.cost) * this.#period;
    return verdict;
  }

  peek({ cost, nowMs }: ReferenceRequest): ReferenceVerdict {
    const now = this.#settle(cost, nowMs);
    if (BigInt(cost) > this.#burst) return { ok: false, retryAfterMs: Infinity };
    // The first time at which arrival + cost ≤ time + burst holds.
    const earliest = this.#arrival + (BigInt(cost) - this.#burst) * this.#period;
    const earliestNs = (earliest + this.#tokens - 1n) / this.#tokens;
    if (earliest <= this.#now * this.#tokens) return { ok: true };
    return { ok: false, retryAfterMs: Number((earliestNs - now + MS_NS - 1n) / MS_NS) };
  }

  charge({ cost, nowMs }: ReferenceRequest): void {
    this.#settle(cost, nowMs);
    this.#arrival = smaller(this.#arrival + BigInt(cost) * this.#period, this.#now * this.#tokens + this.#burst * this.#period);
  }

  giveBack(cost: number): void {
    checkCost(cost);
    const arrival = this.#arrival - BigInt(cost) * this.#period;
    const now = this.#now * this.#tokens;
    this.#arrival = arrival < now ? now : arrival;
  }

  remaining(nowMs: number): number {
    this.#settle(1, nowMs);
    return Number((this.#now * this.#tokens + this.#burst * this.#period - this.#arrival) / this.#period);
  }

  #settle(cost: number, nowMs: number): bigint {
    checkCost(cost);
    if (!(nowMs >= 0 && nowMs <= 2 ** 43)) throw new RangeError(`Cannot take tokens at ${nowMs}`);
    const whole = Math.floor(nowMs);
    const now = BigInt(whole) * MS_NS + BigInt(Math.floor((nowMs - whole) * 1e6));
    if (now < this.#now - BACK_NS_MAX) {
      this.#arrival -= (this.#now - now) * this.#tokens;
      this.#now = now;
    }
    if (now > this.#now) this.#now = now;
    if (this.#arrival < this.#now * this.#tokens) this.#arrival = this.#now * this.#tokens;
    return now;
  }
}

function checkCost(cost: number): void {
  if (!(Number.isInteger(cost) && cost >= 1 && cost <= COUNT_MAX)) throw new RangeError(`Cannot take ${cost} tokens`);
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
