// Requests at several nodes against one rate that one object owns, in virtual time: nodes spend leased tokens, ask the object where
// they have none, and refuse by themselves once it has said that there are none.
import { LeaseLedger } from "#durable/lease/lease-ledger.ts";
import { GAP_MS_MAX } from "#durable/lease/lease-pace.ts";
import type { RatePolicy } from "#durable/lease/rate-budget.ts";
import { dryMsOf } from "#durable/pool/flow-quotas.ts";
import { FlowRate } from "#gateway/lease/flow-rate.ts";
import { HeldLease } from "#shared/lease/held-lease.ts";
import { SECOND_MS } from "#shared/units.ts";
import { seededRandom } from "#test/wasm/seeded-random.ts";

export interface Cell {
  readonly nodes: number;
  readonly limit: number;
  readonly windowMs: number;
  /** Offered ÷ limit. */
  readonly load: number;
}

export interface CellResult {
  readonly offered: number;
  readonly admitted: number;
  /** By one bucket that sees every request. */
  readonly ideal: number;
  /** The most that were admitted beyond burst + rate × time, over all intervals that begin with the run. */
  readonly overshoot: number;
  /** Renewals and questions. */
  readonly objectCalls: number;
}

const FLOW = "acme/gold";
const LANE = "http://a.example";
const WINDOWS = 10;
const SPACING_MS = 250;
const STEP_MS = 5;

export function runCell({ nodes, limit, windowMs, load }: Cell, seed: number): CellResult {
  const rate: RatePolicy = { tokens: limit, periodMs: windowMs, burst: limit };
  const random = seededRandom(seed);
  const object = new LeaseLedger(policyOf(rate), 0);
  const all = Array.from({ length: nodes }, (_, index) => new Node(`n${index}`, object, rate));
  const ideal = new Bucket(rate);
  const meanMs = windowMs / (limit * load);
  let [nextMs, offered, admitted, overshoot, steppedMs] = [meanMs * random.exponential(), 0, 0, 0, 0];
  for (; nextMs < WINDOWS * windowMs; nextMs += meanMs * random.exponential()) {
    // In whole steps: no clock goes back.
    const nowMs = Math.floor(nextMs / STEP_MS) * STEP_MS;
    for (; steppedMs + STEP_MS <= nowMs; steppedMs += STEP_MS) {
      // As the pool's alarm does.
      if (steppedMs % GAP_MS_MAX === 0) object.tick(steppedMs);
      for (const node of all) node.renewIfDue(steppedMs);
    }
    offered += 1;
    ideal.take(nowMs);
    if (all[random.below(nodes)]?.request(nowMs) === true) admitted += 1;
    overshoot = Math.max(overshoot, admitted - (limit + Math.ceil((limit * (nowMs + 1)) / windowMs)));
  }
  const objectCalls = all.reduce((sum, { calls }) => sum + calls, 0);
  return { offered, admitted, ideal: ideal.taken, overshoot, objectCalls };
}

class Node {
  calls = 0;
  readonly #lease: HeldLease;
  readonly #rate = new FlowRate();
  readonly #object: LeaseLedger;
  readonly #policy: RatePolicy;
  #renewedAtMs = -Infinity;
  #renewAtMs = 0;

  constructor(name: string, object: LeaseLedger, policy: RatePolicy) {
    this.#lease = new HeldLease(name);
    this.#object = object;
    this.#policy = policy;
  }

  request(nowMs: number): boolean {
    this.renewIfDue(nowMs);
    if (this.#lease.admit(FLOW, LANE, { nowMs, tokens: 1 })) {
      this.#lease.end(FLOW, LANE);
      if (this.#rate.spent(this.#lease.tokens(FLOW, nowMs))) this.#renewSoon();
      return true;
    }
    this.#renewSoon();
    if (this.#rate.lacked(nowMs) !== null) return false;
    this.calls += 1;
    const waitMs = this.#object.takeToken(FLOW, nowMs);
    if (waitMs > 0) this.#rate.noteDry({ retryAfterMs: waitMs, forMs: dryMsOf(this.#policy, waitMs) }, nowMs);
    return waitMs === 0;
  }

  renewIfDue(nowMs: number): void {
    if (nowMs < this.#renewAtMs) return;
    const elapsedMs = this.#renewedAtMs === -Infinity ? SECOND_MS : nowMs - this.#renewedAtMs;
    const tokensWant = this.#rate.want(elapsedMs);
    const request = this.#lease.request({ flows: [{ flow: FLOW, want: 1, tokensWant }], lanes: [{ lane: LANE, want: 1 }] }, nowMs);
    const answer = this.#object.renew(request, nowMs);
    this.#lease.apply(answer, nowMs);
    this.#rate.granted(this.#lease.tokens(FLOW, nowMs));
    this.calls += 1;
    this.#renewedAtMs = nowMs;
    this.#renewAtMs = nowMs + answer.renewAfterMs;
  }

  #renewSoon(): void {
    this.#renewAtMs = Math.min(this.#renewAtMs, this.#renewedAtMs + SPACING_MS);
  }
}

/** The same arithmetic, once more and without a ledger: the answer to compare with. */
class Bucket {
  taken = 0;
  readonly #rate: RatePolicy;
  #level: number;
  #atMs = 0;

  constructor(rate: RatePolicy) {
    this.#rate = rate;
    this.#level = rate.burst * rate.periodMs;
  }

  take(nowMs: number): void {
    const { tokens, periodMs, burst } = this.#rate;
    this.#level = Math.min(burst * periodMs, this.#level + (nowMs - this.#atMs) * tokens);
    this.#atMs = nowMs;
    if (this.#level < periodMs) return;
    this.#level -= periodMs;
    this.taken += 1;
  }
}

function policyOf(rate: RatePolicy) {
  return {
    capacity: 1_000,
    lanes: new Map([[LANE, 1_000]]),
    classes: new Map([["gold", { weight: 1, reserve: 0 }]]),
    flow: () => ({ className: "gold", weight: 1, slotsMax: 1_000, rate }),
    requestDurationMsMax: 1_000,
    holdersMax: 100,
    flowsPerHolderMax: 10,
  };
}
