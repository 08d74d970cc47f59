// A request that has a slot, as its route sees it: a slot that ends exactly once.
import type { Outcome } from "#shared/errors/outcomes.ts";
import type { Refusal } from "#shared/errors/refusal.ts";
import { isBandwidthCounted, isBandwidthLimited, type FlowQuota } from "#shared/config/quota-policies.ts";
import { listens } from "../upstream/listens.ts";
import { waitOn, type ByteCredit, type PaceOptions } from "../upstream/pace.ts";
import type { RequestScope } from "../request-scope.ts";
import type { AdmissionInput, Asked } from "./admission.ts";
import { slotOfPool } from "./ask-pool.ts";
import { LeasedCredit, ShadowCredit } from "./byte-credit.ts";
import { bandwidthRefusal } from "./flow-quota.ts";
import type { HeldSlot, ShardEnd } from "./held-slot.ts";
import { renewIfDue, settle } from "./renewal.ts";
import type { RunningRequest } from "./running-requests.ts";
import type { ServiceLease } from "./service-lease.ts";

/** A request with a slot. Whoever has it calls `end` on every way out, and keeps the request's context alive until then. */
export class Admitted implements RunningRequest {
  readonly ok = true;
  outcome: "admitted-local" | "admitted-queued";
  waitMs: number;
  readonly startedAtMs: number;
  before: RunningRequest | null = null;
  after: RunningRequest | null = null;
  readonly #input: AdmissionInput;
  readonly #scope: RequestScope;
  readonly #asked: Asked;
  readonly #lease: ServiceLease;
  readonly #quota: FlowQuota | undefined;
  #failed: Set<string> | null = null;
  #slot: HeldSlot;
  #hasEnded = false;
  #isOverloaded = false;
  #isRefused = false;
  /** Between two slots. */
  #isAsking = false;
  #credit: ByteCredit | null = null;

  constructor(input: AdmissionInput, asked: Asked, { slot, nowMs }: { slot: HeldSlot; nowMs: number }) {
    const { lease, quota } = asked;
    this.#input = input;
    this.#scope = input.scope;
    this.#asked = asked;
    this.#lease = lease;
    this.#slot = slot;
    this.#quota = quota;
    this.waitMs = nowMs - input.scope.startedAtMs;
    this.startedAtMs = slot.startedAtMs;
    lease.requests.enter(this);
    this.outcome = slot.slotId === undefined ? "admitted-local" : "admitted-queued";
  }

  get endpointUrl(): string {
    return this.#slot.lane;
  }

  /** RateLimit of the answer; null: nothing is limited, or known. */
  rateLimitAt(nowMs: number): string | null {
    const { identifier } = this.#scope;
    if (this.#quota === undefined || identifier === undefined) return null;
    return this.#lease.rateLimitOf(this.#slot.flow, this.#quota, { partition: identifier, nowMs });
  }

  /** Its tenant's bandwidth is limited, or would be: its bodies go through the isolate. */
  get isPaced(): boolean {
    return isBandwidthCounted(this.#quota);
  }

  /** How its bodies are paced, until the signal; null: they are not. Both directions have one credit. */
  paceOf(cut: { readonly signal: AbortSignal }): PaceOptions | null {
    if (!this.isPaced) return null;
    this.#credit ??= this.#openCredit();
    return this.#credit === null ? null : { credit: this.#credit, signal: cut.signal, wait: waitOn(cut.signal) };
  }

  #openCredit(): ByteCredit | null {
    const bytes = this.#lease.bytesOf(this.#slot.flow);
    if (bytes === null || !isBandwidthLimited(this.#quota)) return bytes && new ShadowCredit(bytes);
    const renewNow = (nowMs: number): void => renewIfDue(this.#scope, this.#lease, nowMs);
    return new LeasedCredit({ bytes, pace: this.#lease.pace, renewIfDue: renewNow, now: Date.now });
  }

  /** Its time is up while a body waits for the tenant's bandwidth: that is why; null: it is not. */
  get lateRefusal(): Refusal | null {
    return this.#credit?.isWaiting === true ? bandwidthRefusal(this.#quota) : null;
  }

  /** The endpoint's answer has begun; `load`: its `endpoint-load-metrics`, or null. */
  answered(status: number, load: string | null): void {
    this.#isOverloaded = status === 429 || status === 503;
    if (load !== null) this.#lease.noteLoad(this.#slot, load);
  }

  /** Ends the slot, however often it is called, and reports what became of the request. `latencyMs`: arrival to response headers. */
  end(outcome: Outcome, { latencyMs, nowMs }: { readonly latencyMs?: number; readonly nowMs: number }): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#lease.requests.leave(this);
    const upstreamMs = latencyMs === undefined ? undefined : latencyMs - this.waitMs;
    const [isOverloaded, isRefused] = [this.#isOverloaded, this.#isRefused];
    if (this.#isAsking) this.#lease.gaveUp(this.#slot.flow, outcome);
    else this.#lease.end(this.#slot, { outcome, latencyMs, upstreamMs, isOverloaded, isRefused, nowMs });
    settle(this.#scope, this.#lease, nowMs);
  }

  /** Its end never came: its context is gone, and so nothing may be started in it. */
  giveUp(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#lease.requests.leave(this);
    if (this.#isAsking) this.#lease.gaveUp(this.#slot.flow, "internal");
    else this.#lease.end(this.#slot, { outcome: "internal", latencyMs: undefined, upstreamMs: undefined, nowMs: Date.now() });
  }

  /** Keeps the slot of a request that runs on, by renewing where it is time. In how many ms to look again; 0: it is lost. */
  lookAgainInMs(nowMs: number): number {
    if (this.#hasEnded) return Infinity;
    renewIfDue(this.#scope, this.#lease, nowMs);
    return this.#isAsking ? Infinity : this.#lease.lookAgainInMs(this.#slot, nowMs);
  }

  /** The endpoint failed before it answered: whether the request may be sent again, to another one where there is a slot. */
  beginRetry(): boolean {
    if (this.#hasEnded || !this.#lease.retries.take()) return false;
    this.#move({ outcome: "upstream-failed", nowMs: Date.now() });
    return true;
  }

  /** The endpoint failed before it answered. False: nobody listens there; it gets nothing from this isolate for a moment, and the pool is told. */
  async listens(): Promise<boolean> {
    const { lane } = this.#slot;
    if (!this.#lease.isRefusing(lane) && (await listens(lane))) return true;
    this.#isRefused = true;
    const nowMs = Date.now();
    this.#lease.connectionRefused(this.#slot, nowMs);
    settle(this.#scope, this.#lease, nowMs);
    return false;
  }

  /**
   * Whether the request has a slot at another endpoint than the one that refuses connections: from this isolate, or from the pool, where it
   * may wait for one. No retry budget is asked: that endpoint does no work, and the other gets what it would have got.
   */
  async beginElsewhere(): Promise<boolean> {
    if (this.#hasEnded) return false;
    const refused = { outcome: "upstream-failed", isRefused: true, nowMs: Date.now() } as const;
    if (!this.#move(refused) && !(await this.#askAgain(refused))) return false;
    this.#isRefused = false;
    // What became of the first attempt is not the other endpoint's.
    this.waitMs = Date.now() - this.#scope.startedAtMs;
    return true;
  }

  async #askAgain(refused: ShardEnd): Promise<boolean> {
    const { lane } = this.#slot;
    this.#lease.abandon(this.#slot, refused);
    this.#isAsking = true;
    settle(this.#scope, this.#lease, refused.nowMs);
    const slot = await slotOfPool(this.#input, this.#asked, { slotId: `${this.#scope.requestId}-2`, refusedBy: lane });
    if (!("lane" in slot)) return false;
    this.#slot = slot;
    // Its time was up, or its device went, while it waited: nothing is sent any more.
    if (this.#hasEnded) {
      this.#lease.abandon(slot, { outcome: "cancelled", nowMs: Date.now() });
      settle(this.#scope, this.#lease, Date.now());
      return false;
    }
    this.#isAsking = false;
    this.outcome = "admitted-queued";
    return true;
  }

  #move(ended: ShardEnd): boolean {
    this.#failed = (this.#failed ?? new Set()).add(this.#slot.lane);
    const moved = this.#lease.move(this.#slot, { key: this.#asked.key, avoid: this.#failed, ended });
    if (moved !== null) this.#slot = moved;
    return moved !== null;
  }
}
