// Whether a request may ask for a slot at all: its tenant's service time, rate and queue at this service. Pure; what it took is
// given back where the request is refused after all.
import type { LeaseLedger } from "#durable/lease/lease-ledger.ts";
import { queueKey } from "#durable/lease/sources.ts";
import { tenantOf } from "#shared/identifier/entitlement.ts";
import { socketLimitsOf } from "#shared/config/socket-limits.ts";
import {
  costDetail,
  costState,
  isBandwidthLimited,
  isRated,
  rateDetail,
  rateStates,
  type FlowQuota,
} from "#shared/config/quota-policies.ts";
import { refuse, type Refusal } from "#shared/errors/refusal.ts";
import { URGENCY_FIRST } from "#shared/limits.ts";
import { BYTE_UNIT, byteFlowOf } from "#shared/lease/byte-flow.ts";
import type { AcquireRequest, Dry, FlowLeft, Shed } from "#shared/protocol/pool-rpc.ts";
import { queueDetail, queueState, type QuotaState } from "#shared/protocol/quota-state.ts";
import type { FlowTelemetry } from "#shared/protocol/telemetry.ts";
import { SECOND_MS } from "#shared/units.ts";
import { besideSockets, dryMsOf, FlowQuotas, WAITING_BYTES_MAX, type FlowLimits } from "./flow-quotas.ts";
import type { PoolConfiguration } from "./pool-configuration.ts";
import { slotsDetail, slotsState, type Expiry } from "./queue-refusals.ts";
import { socketBytesOf } from "./socket-memory.ts";
import type { TenantCredits } from "./tenant-credits.ts";

/** A rate of nothing is asked for again after so long: the configuration may have changed. */
const NEVER_MS = 10 * SECOND_MS;

/** Isolates refuse for a queue that is full until about a quarter of it is served, … */
const SHED_DIVISOR = 4;
/** … and no longer. */
const SHED_MS_MAX = SECOND_MS / 2;

export type QuotaRefusal = Refusal & { readonly dry?: Dry; readonly shed?: Shed };

/** What the pool knows of a flow, beside its limits. */
export interface FlowStanding {
  readonly flow: string;
  readonly waiting: number;
  /** A request that comes now finds a slot at once. */
  readonly isOpen: boolean;
  /** How long it takes to serve those who wait; null: unknown. */
  readonly queueMs: number | null;
}

export interface Blocked {
  readonly blockedMs: number;
  /** By the tenant's service time over all services. */
  readonly isTotal: boolean;
}

export class QuotaGate {
  readonly #quotas = new FlowQuotas();
  #credits: Pick<TenantCredits, "blockedForMs"> | null = null;
  #configured: Readonly<Record<string, FlowQuota>> = {};
  #service: PoolConfiguration["service"] = null;
  /** Of the service. */
  costWeight = 1;
  /** Flows of requests that wait and have paid a token. */
  readonly #paid = new Map<string, string>();

  /** What is limited over all services is these credits' to say. */
  over(credits: Pick<TenantCredits, "blockedForMs">): this {
    this.#credits = credits;
    return this;
  }

  configure({ quotas, service, region }: Pick<PoolConfiguration, "quotas" | "service" | "region">): void {
    this.#configured = quotas;
    this.#service = service;
    this.costWeight = service?.costWeight ?? 1;
    this.#quotas.configure(quotas, { poolCount: service?.regions?.length ?? 1, isHome: region === undefined });
  }

  limitsOf(flow: string): FlowLimits {
    return this.#quotas.limitsOf(flow);
  }

  /** What a socket of the flow takes of its memory, be it for a limit in shadow; null: nothing is counted. */
  socketBytes(flow: string): number | null {
    if (this.#service === null || this.#configured[flow]?.memoryBytesMax === undefined) return null;
    const className = flow.slice(flow.indexOf("/") + 1);
    return socketBytesOf(this.#quotas.shadowOf(flow), socketLimitsOf(this.#service.sockets, className));
  }

  /** What the flow's sockets have of its memory. Those that opened when it was not limited count as one that opens now. */
  socketsBytes(flow: string, { sockets }: Pick<LeaseLedger, "sockets">): number {
    if (this.#configured[flow]?.memoryBytesMax === undefined) return 0;
    const { bytes, count } = sockets.memory.of(flow);
    const uncounted = Math.max(0, sockets.ofFlow(flow) - count);
    return bytes + (uncounted === 0 ? 0 : uncounted * (this.socketBytes(flow) ?? 0));
  }

  /** What a socket that opens now is given of its flow's memory; undefined: it is not limited. */
  reserve({ flow, inPlaceOf }: AcquireRequest, ledger: LeaseLedger): number | undefined {
    // A session that moves has what it was opened with: it may keep so much already.
    const before = ledger.slot(inPlaceOf ?? "");
    if (before !== undefined) return before.memoryBytes;
    if (this.limitsOf(flow).memory !== null) return this.socketBytes(flow) ?? undefined;
    const { memory } = this.#quotas.shadowOf(flow);
    const bytes = this.socketBytes(flow) ?? 0;
    if (memory !== null && this.memoryUsed(flow, ledger) + bytes > memory.sharedBytes) this.#quotas.noteShadow(flow, "memory");
    return undefined;
  }

  /** Of what requests that wait and sockets have between them. */
  memoryUsed(flow: string, ledger: LeaseLedger): number {
    const waiting = ledger.flows.totals.partOf(flow, queueKey(flow))?.want ?? 0;
    return this.socketsBytes(flow, ledger) + waiting * WAITING_BYTES_MAX;
  }

  /** Whether a request of the flow costs a token: of its own rate, or its tenant's over all services. */
  isRated(flow: string): boolean {
    return isRated(this.#configured[flow]);
  }

  /** In how long the flow's service time is below its limit again, or its tenant's over all services. */
  protected blockedFor(flow: string, nowMs: number): Blocked {
    const own = this.#quotas.blockedForMs(flow, nowMs);
    const total = this.#credits?.blockedForMs(tenantOf(flow)) ?? 0;
    return { blockedMs: Math.max(own, total), isTotal: total > own };
  }

  /** Null: it may ask, and a token is paid. */
  enter(
    { slotId, isPaid }: Pick<AcquireRequest, "slotId" | "isPaid">,
    standing: FlowStanding,
    { ledger, nowMs }: { ledger: LeaseLedger; nowMs: number },
  ): QuotaRefusal | null {
    const { flow } = standing;
    const { blockedMs, isTotal } = this.blockedFor(flow, nowMs);
    if (blockedMs > 0) {
      const violated = [costState(this.#configured[flow], { resetAfterMs: blockedMs, isTotal })];
      return refuse("rejected-quota", costDetail(isTotal), { retryAfterMs: blockedMs, violated });
    }
    const full = this.#checkQueue(standing, ledger);
    if (full !== null) return full;
    if (isPaid === true || !isRated(this.#configured[flow])) return null;
    const { rate } = this.#quotas.limitsOf(flow);
    const waitMs = ledger.takeToken(flow, nowMs);
    if (waitMs === 0) {
      this.#paid.set(slotId, flow);
      return null;
    }
    return this.#refuseForRate(flow, waitMs, rate === null ? waitMs : dryMsOf(rate, waitMs));
  }

  /** Its token is spent. */
  granted(slotId: string): void {
    this.#paid.delete(slotId);
  }

  /** Its token goes back. */
  refused(slotId: string, { ledger, nowMs }: { ledger: LeaseLedger; nowMs: number }): void {
    const flow = this.#paid.get(slotId);
    if (flow === undefined) return;
    this.#paid.delete(slotId);
    ledger.giveBackToken(flow, nowMs);
  }

  /** Whose deadline passed while its tenant had all the slots that it may have: that is what it waited for. */
  waitedForQuota(flow: string, ledger: LeaseLedger): QuotaState | null {
    if (ledger.flows.roomOf(flow) > 0) return null;
    const [limits, out] = [this.#quotas.limitsOf(flow), ledger.slotsOfFlow(flow)];
    const total = this.#configured[flow]?.total;
    if (out < limits.slotsMax && total?.slots !== undefined) return { kind: "total-slots", quota: total.slots, remaining: 0 };
    return slotsState(limits, Math.min(limits.slotsMax, out));
  }

  /** What of the tenant's own limits kept a request waiting until its time was up. */
  expiryOf({ flow, waitMsMax }: AcquireRequest, ledger: LeaseLedger): Pick<Expiry, "slots" | "waitMsMax"> {
    const limitMs = this.#quotas.limitsOf(flow).waitMsMax;
    return { slots: this.waitedForQuota(flow, ledger), waitMsMax: limitMs < Infinity && waitMsMax >= limitMs ? limitMs : null };
  }

  observe(
    { flow, arrivals, busyMs, messagesMs = 0, bytes = 0 }: FlowTelemetry,
    { nowMs, ...now }: { running: number; waiting: number; socketBytes?: number; nowMs: number },
  ): void {
    this.#quotas.observe(flow, { arrivals, costMs: (busyMs + messagesMs) * this.costWeight, bytes, ...now }, nowMs);
  }

  /** What is left of the flows' limits, for those that have any. */
  leftOf(flows: readonly string[], { ledger, nowMs }: { ledger: LeaseLedger; nowMs: number }): readonly FlowLeft[] {
    return flows.flatMap((flow) => {
      if (!Object.hasOwn(this.#configured, flow)) return [];
      const { slotsMax } = this.#quotas.limitsOf(flow);
      const { blockedMs, isTotal } = this.blockedFor(flow, nowMs);
      const units = isBandwidthLimited(this.#configured[flow]) ? ledger.tokensLeft(byteFlowOf(flow), nowMs) : null;
      const tokens = this.isRated(flow) ? ledger.tokensLeft(flow, nowMs) : null;
      if (slotsMax === Infinity && tokens === null && units === null && blockedMs === 0) return [];
      const slots = slotsMax === Infinity ? null : Math.max(0, slotsMax - ledger.slotsOfFlow(flow));
      const bytes = units === null ? null : units * BYTE_UNIT;
      return [{ flow, slots, tokens, bytes, blockedMs, ...(isTotal && { isTotalBlocked: true }) }];
    });
  }

  takeShadow(): Readonly<Record<string, number>> {
    return this.#quotas.takeShadow();
  }

  /** A queue that is full is the queue's fault, or the tenant's own where it waits for the slots that the tenant may have. */
  #checkQueue({ flow, waiting, isOpen, queueMs }: FlowStanding, ledger: LeaseLedger): QuotaRefusal | null {
    const { queueLengthMax, memory } = besideSockets(this.#quotas.limitsOf(flow), this.socketsBytes(flow, ledger));
    if (waiting < queueLengthMax || (waiting === 0 && isOpen)) return null;
    const memoryBytesMax = memory?.isQueue === true ? memory.bytesMax : undefined;
    const queue = queueState(queueLengthMax, memoryBytesMax);
    const slots = this.waitedForQuota(flow, ledger);
    const facts = { retryAfterMs: SECOND_MS, queue: { position: waiting + 1, length: waiting, waitMs: 0 } };
    if (slots === null) {
      const detail = queueDetail(waiting, memoryBytesMax);
      const forMs = Math.min(SHED_MS_MAX, Math.floor((queueMs ?? 0) / SHED_DIVISOR));
      const shed = {
        flow,
        urgencyFrom: URGENCY_FIRST,
        forMs,
        retryAfterMs: SECOND_MS,
        queueLengthMax,
        ...(memoryBytesMax !== undefined && { memoryBytesMax }),
      };
      return { ...refuse("rejected-queue-full", detail, { ...facts, violated: [queue] }), ...(forMs > 0 && { shed }) };
    }
    const detail = `${slotsDetail(slots, "have")}, and ${waiting} wait for one.`;
    return refuse("rejected-quota", detail, { ...facts, violated: slots.kind === queue.kind ? [slots] : [slots, queue] });
  }

  #refuseForRate(flow: string, waitMs: number, dryMs: number): QuotaRefusal {
    const isNever = waitMs === Infinity;
    const quota = this.#configured[flow];
    const more = { violated: rateStates(quota, isNever ? undefined : waitMs), ...(isNever ? {} : { retryAfterMs: waitMs }) };
    const forMs = Math.min(dryMs, NEVER_MS);
    return { ...refuse("rejected-quota", rateDetail(quota), more), dry: { retryAfterMs: Math.min(waitMs, NEVER_MS), forMs } };
  }
}
