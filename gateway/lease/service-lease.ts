// What an isolate holds of one service: its lease, the table of shards that came with it, and what it measured. No
// network and no clock: admission.ts asks it, renewal.ts renews it.
import { refuse, type Refusal } from "#shared/errors/refusal.ts";
import { isBandwidthLimited, isRated, type FlowQuota } from "#shared/config/quota-policies.ts";
import type { ServiceConfig } from "#shared/config/schema.ts";
import type { Outcome } from "#shared/errors/outcomes.ts";
import { concurrencyOf } from "#shared/config/concurrency.ts";
import { byteFlowOf } from "#shared/lease/byte-flow.ts";
import { FlowBytes } from "#shared/lease/flow-bytes.ts";
import { HeldLease } from "#shared/lease/held-lease.ts";
import type { Partition } from "#shared/protocol/rate-limit.ts";
import type { Dry, GrantedSlot, RenewAnswer, RenewMessage, Shed } from "#shared/protocol/pool-rpc.ts";
import { MINUTE_MS, SECOND_MS } from "#shared/units.ts";
import type { Kernels } from "#wasm/binding/kernels.ts";
import { RetryBudget } from "#shared/retry-budget.ts";
import type { FlowMeter } from "./flow-meter.ts";
import { costRefusal, leaseFactsOf } from "./flow-quota.ts";
import { flowDemandsOf, noteFlows } from "./flow-demands.ts";
import { FlowMeters } from "./flow-meters.ts";
import type { HeldSlot, LocalRequest, ShardEnd, SlotEnd } from "./held-slot.ts";
import { LeaseShards } from "./lease-shards.ts";
import { Outbox } from "./outbox.ts";
import type { PoolPlace } from "./pool-place.ts";
import { RateLimitLine } from "./rate-limit-line.ts";
import { RateTokens } from "./rate-tokens.ts";
import { CONTENDED_SPACING_MS, RENEWAL_SPACING_MS, RenewalPace } from "./renewal-pace.ts";
import { RunningRequests } from "./running-requests.ts";
import { ServiceTime } from "./service-time.ts";
import { followShed, shedRefusal } from "./shed-refusal.ts";

/** A request that has not ended so long after the longest that it may take never will. */
const GIVE_UP_MS = MINUTE_MS;
const TOO_MANY_FLOWS = "This isolate serves too many tenants and classes at once.";

export class ServiceLease {
  /** The pool that it is of. */
  readonly place: PoolPlace;
  readonly #held: HeldLease;
  readonly #flows = new FlowMeters();
  readonly #shards: LeaseShards;
  /** What its requests have to say to the pool. */
  readonly outbox = new Outbox();
  /** When it renews, and who sees to that. */
  readonly pace = new RenewalPace();
  readonly tokens: RateTokens;
  readonly retries = new RetryBudget();
  readonly requests = new RunningRequests();
  readonly #serviceTime = new ServiceTime();
  #requestMsMax = Infinity;
  #isAdaptive = false;
  #slots = 0;
  #isContended = false;
  #running = 0;
  #reportedAtMs: number | null = null;
  #endedAtMs = -Infinity;

  constructor(holder: string, place: PoolPlace, kernels: () => Kernels) {
    this.place = place;
    this.#held = new HeldLease(holder);
    this.tokens = new RateTokens(this.#held, this.pace);
    this.#shards = new LeaseShards(this.#held, kernels);
  }

  get running(): number {
    return this.#running;
  }

  use(config: ServiceConfig): void {
    if (!this.#shards.use(config)) return;
    this.#requestMsMax = config.requestDurationMsMax + GIVE_UP_MS;
    this.#isAdaptive = concurrencyOf(config).mode === "adaptive";
  }

  /** False: it never had a lease, or not for a while, or gave all back. A renewal, which may bring more, costs what an asking costs. */
  holdsSlots(nowMs: number): boolean {
    if (!this.#held.isLive(nowMs)) return false;
    return this.#slots > 0 || this.#running > 0 || this.#isContended || nowMs < this.pace.sentAtMs + RENEWAL_SPACING_MS;
  }

  /** A slot here and now; a refusal that the pool has told us; or null: ask the pool. */
  admit({ flow, urgency, key, quota, nowMs }: LocalRequest): HeldSlot | Refusal | null {
    const meter = this.#flows.of(flow);
    // More flows at once than are counted: this refusal is the edge's own, and is counted for no flow.
    if (meter === null) return refuse("rejected-capacity", TOO_MANY_FLOWS, { retryAfterMs: SECOND_MS, decidedBy: "edge" });
    meter.arrive();
    if (meter.sheds(urgency, nowMs)) {
      const refusal = shedRefusal(this.place.service, meter, leaseFactsOf(this.#held, flow, nowMs));
      meter.refuse(refusal.outcome);
      return refusal;
    }
    const blockedMs = meter.blocked.leftMs(nowMs);
    if (blockedMs > 0) {
      meter.refuse("rejected-quota");
      const facts = { retryAfterMs: blockedMs, lease: leaseFactsOf(this.#held, flow, nowMs) };
      return costRefusal(quota, { ...facts, isTotal: meter.left?.isTotalBlocked === true });
    }
    const tokens = isRated(quota) ? 1 : 0;
    if (tokens > this.#held.tokens(flow, nowMs)) return this.tokens.refusalWithout(meter, { flow, quota, nowMs });
    // Who waits already goes first.
    if (meter.isQueuedAt(nowMs) || !this.#held.hasRoom(flow, { nowMs, tokens })) return null;
    const shardIndex = this.#shards.choose({ key, nowMs, slots: this.#slots, running: this.#running });
    const shard = this.#shards.at(shardIndex);
    if (shard === undefined || !this.#held.admit(flow, shard.endpointUrl, { nowMs, tokens })) return null;
    const { endpointUrl: lane, shardId } = shard;
    if (tokens > 0) this.tokens.spent(meter, { flow, nowMs });
    return this.#start(meter, { flow, lane, shardId, shardIndex, slotId: undefined, nowMs });
  }

  /** A request is about to come: the next renewal asks for a slot for it, and for credit for its bodies. */
  expect(flow: string, quota?: FlowQuota): void {
    this.#flows.of(flow)?.expect();
    if (isBandwidthLimited(quota)) this.bytesOf(flow);
  }

  /** For the bodies of one request of the flow, whose bandwidth is limited, or would be; null: the flow is not known here. */
  bytesOf(flow: string): FlowBytes | null {
    const meter = this.#flows.known(flow);
    return meter === undefined ? null : (meter.bytes ??= new FlowBytes(this.#held, byteFlowOf(flow)));
  }

  /** Gives the memory of its tables back. It must not be used afterwards. */
  release(): void {
    this.#shards.release();
  }

  /** Of the time that is left to a deadline, how much may be waited: its endpoint needs the rest, and at most half of it. */
  waitMsMax(leftMs: number): number {
    return Math.max(0, Math.floor(leftMs - Math.min(this.#serviceTime.expectedMs, leftMs / 2)));
  }

  /** The request asks the pool. */
  ask(flow: string, slotId: string, nowMs: number): { readonly clockEpoch: number } {
    this.#flows.of(flow)?.ask(slotId, nowMs);
    return { clockEpoch: this.#held.clockEpoch(nowMs) };
  }

  /** The pool has granted a slot by name; null: it came too late to be used. */
  take(
    flow: string,
    slot: GrantedSlot,
    { askedAtMs, clockEpoch, nowMs }: { askedAtMs: number; clockEpoch: number; nowMs: number },
  ): HeldSlot | null {
    const meter = this.#flows.of(flow);
    const { slotId, shardId, endpointUrl: lane, waitedMs, lifeMs } = slot;
    if (meter === null) return null;
    meter.granted(slotId, waitedMs);
    // Nobody had to wait for it: the lease is too small, if chance is not the pool's to serve. Else a renewal has to name it in time.
    if (waitedMs > 0) this.pace.setOff(nowMs + lifeMs / 2);
    else this.pace.setOff(this.#isContended ? nowMs + CONTENDED_SPACING_MS : nowMs);
    if (!this.#held.take(slotId, { flow, lane, endsAtMs: askedAtMs + waitedMs + lifeMs, clockEpoch }, nowMs)) {
      this.outbox.giveBack(slotId, { isAwaited: true, nowMs });
      meter.refuse("rejected-capacity");
      return null;
    }
    this.tokens.takeAside(slotId, meter, { flow, nowMs });
    return this.#start(meter, { flow, lane, shardId, shardIndex: this.#shards.indexOf(shardId), slotId, nowMs });
  }

  /** The pool has refused, or could not be asked. */
  refused(flow: string, { slotId, shed, dry, nowMs }: { slotId: string; shed?: Shed; dry?: Dry; nowMs: number }): void {
    const meter = this.#flows.of(flow);
    if (meter === null) return;
    meter.answered(slotId);
    if (shed !== undefined) followShed(shed, { service: this.place.service, meter, outbox: this.outbox, held: this.#held, nowMs });
    if (dry !== undefined) meter.rate.noteDry(dry, nowMs);
  }

  /** What the endpoint says of its load, with a response. */
  noteLoad({ lane }: HeldSlot, load: string): void {
    if (this.#isAdaptive) this.#shards.meters.noteLoad(lane, load);
  }

  /** Ends a request. */
  end(slot: HeldSlot, ended: SlotEnd): void {
    const { flow } = slot;
    const { outcome, latencyMs, upstreamMs, nowMs } = ended;
    this.#endedAtMs = nowMs;
    if (upstreamMs !== undefined) this.#serviceTime.observe(upstreamMs);
    const isToldOf = this.#leave(slot, ended);
    const meter = this.#flows.known(flow);
    if (meter === undefined) return;
    meter.end(outcome, { heldMs: Math.max(0, nowMs - slot.startedAtMs), latencyMs });
    // Others wait for this flow: what is free here is theirs.
    if (!isToldOf && meter.isQueuedAt(nowMs)) this.pace.setOff(nowMs);
  }

  /** Another endpoint's slot for the same request, or null. */
  move(slot: HeldSlot, { key, avoid, ended }: { key: string; avoid: ReadonlySet<string>; ended: ShardEnd }): HeldSlot | null {
    return this.#shards.move(slot, { key, avoid, ended, nowMs: ended.nowMs, slots: this.#slots, running: this.#running });
  }

  /** Left out for now. */
  isRefusing(lane: string): boolean {
    return this.#shards.isRefusing(lane);
  }

  /** Nobody listens at the slot's endpoint: it gets nothing from here for now, and the pool is told at once. */
  connectionRefused({ lane }: HeldSlot, nowMs: number): void {
    this.#shards.refuse(lane, nowMs);
    this.pace.setOff(nowMs);
  }

  /** The request's slot ends, and the request does not: it asks for another one. */
  abandon(slot: HeldSlot, ended: ShardEnd): void {
    this.#leave(slot, ended);
    this.#flows.known(slot.flow)?.leave();
  }

  /** A request that has no slot any more ends. */
  gaveUp(flow: string, outcome: Outcome): void {
    this.#flows.known(flow)?.refuse(outcome);
  }

  /** In how long a running request is to look again; 0: its slot is no longer ours, it ends now. */
  lookAgainInMs({ flow, lane }: HeldSlot, nowMs: number): number {
    if (this.#held.isExcess(flow, lane, nowMs)) return 0;
    const untilMs = this.#held.expiresAtMs - nowMs;
    return untilMs > 0 ? Math.max(1, Math.min(untilMs, this.pace.renewAtMs - nowMs)) : RENEWAL_SPACING_MS;
  }

  /** Something has ended, or was measured, since the last renewal; or there is something to give back. */
  get hasNews(): boolean {
    return this.pace.hasFailed || this.#endedAtMs >= (this.#reportedAtMs ?? -Infinity) || this.#slots > 0 || this.#held.hasTokens;
  }

  /** Nothing has come for a while: what came before is no reason to want anything. */
  fallIdle(): void {
    this.#flows.forgetDemand();
  }

  /** Idle for so long. */
  idleMs(nowMs: number): number {
    return this.#running > 0 ? 0 : nowMs - this.#endedAtMs;
  }

  /** What to send to the pool. It is the newest request from now on; `failed` where it gets no answer. */
  message(configurationVersion: number, nowMs: number): RenewMessage {
    this.requests.giveUpBefore(nowMs - this.#requestMsMax);
    const elapsedMs = this.#reportedAtMs === null || nowMs < this.#reportedAtMs ? SECOND_MS : nowMs - this.#reportedAtMs;
    this.#reportedAtMs = nowMs;
    this.pace.sent(nowMs);
    const wanted = flowDemandsOf(this.#flows, { held: this.#held, elapsedMs, isContended: this.#isContended, nowMs });
    const spare = this.#flows.slotsWanted - this.#running;
    const lease = this.#held.request({ flows: wanted, lanes: this.#shards.meters.takeWants(Math.max(0, spare)) }, nowMs);
    const lanes = this.#shards.meters.takeLanes();
    const telemetry = { flows: this.#flows.take(), shards: this.#shards.meters.take(), edge: {}, ...(this.#isAdaptive && { lanes }) };
    const { service, region } = this.place;
    return { service, ...(region && { region }), configurationVersion, tableVersion: this.#shards.tableVersion, lease, telemetry };
  }

  failed({ telemetry }: RenewMessage, nowMs: number): void {
    this.pace.failed(nowMs);
    this.#flows.restore(telemetry.flows);
    this.#shards.meters.restore(telemetry);
  }

  apply(answer: RenewAnswer, nowMs: number): void {
    const { lease, table, isContended } = answer;
    this.#isContended = isContended;
    this.pace.answered(lease.renewAfterMs);
    if (table !== null) this.#shards.follow(table);
    if (!this.#held.apply(lease, nowMs) || !lease.ok) return;
    this.#slots = lease.flows.reduce((sum, { slots }) => sum + slots, 0);
    noteFlows(this.#flows, answer, { held: this.#held, nowMs });
    this.#shards.reopen();
  }

  /** RateLimit as it stands; null: the flow has no limits, or nothing is known of them yet. */
  rateLimitOf(flow: string, quota: FlowQuota | undefined, { partition, nowMs }: { partition: Partition; nowMs: number }): string | null {
    const meter = quota === undefined ? undefined : this.#flows.known(flow);
    if (quota === undefined || meter?.left === undefined) return null;
    if (meter.line?.quota !== quota) meter.line = new RateLimitLine(quota, partition);
    return meter.line.fill(meter.left, leaseFactsOf(this.#held, flow, nowMs), meter.bytes?.left(nowMs) ?? 0);
  }

  #start(meter: FlowMeter, started: Omit<HeldSlot, "tableVersion" | "startedAtMs"> & { nowMs: number }): HeldSlot {
    const { flow, lane, shardId, shardIndex, slotId, nowMs } = started;
    meter.start();
    this.#running += 1;
    this.#shards.enter(lane, shardIndex);
    return { flow, lane, shardId, shardIndex, tableVersion: this.#shards.tableVersion, slotId, startedAtMs: nowMs };
  }

  /** True: the slot was granted by name, and the pool is told of its end. */
  #leave(slot: HeldSlot, ended: ShardEnd): boolean {
    const { flow, lane, slotId } = slot;
    this.#running -= 1;
    this.#shards.leave(slot, ended);
    const isToldOf = this.#held.end(flow, lane, slotId);
    const isAwaited = isToldOf && (this.#isContended || this.#flows.known(flow)?.isQueuedAt(ended.nowMs) === true);
    if (isToldOf && slotId !== undefined) this.outbox.giveBack(slotId, { isAwaited, nowMs: ended.nowMs });
    this.#shards.freed(lane);
    return isToldOf;
  }
}
