// What the tenants may use of one service, per (tenant, class). Pure. Slots and rate bind in the ledger, the length of the queue
// and the wait where requests queue; here is what they are, what service time has cost, and what a limit that only casts a
// shadow would have done.
import { byteRateOf } from "#durable/lease/byte-rate.ts";
import { blockedForMs, charged, chargedInShadow, poured, type CostDebt } from "#durable/lease/cost-debt.ts";
import { PassingTime } from "#durable/lease/lease-clock.ts";
import type { RatePolicy } from "#durable/lease/rate-budget.ts";
import { bandwidthOf, isBandwidthCounted, type FlowQuota } from "#shared/config/quota-policies.ts";
import type { QuotaKind } from "#shared/protocol/quota-state.ts";
import { KIB_BYTES, SECOND_MS } from "#shared/units.ts";

/** What a request that waits keeps in the gateway, at the most: its headers, and its entry in the queue. */
export const WAITING_BYTES_MAX = 34 * KIB_BYTES;
/** What a request whose bodies are paced keeps: one chunk each way. */
export const PACED_BYTES_MAX = 128 * KIB_BYTES;

export interface FlowLimits {
  readonly slotsMax: number;
  readonly rate: RatePolicy | null;
  /** In units of BYTE_UNIT. */
  readonly bandwidth: RatePolicy | null;
  readonly queueLengthMax: number;
  readonly waitMsMax: number;
  /** Null: it is not limited. */
  readonly memory: MemoryLimit | null;
}

export interface MemoryLimit {
  readonly bytesMax: number;
  /** It is what bounds who waits, … */
  readonly isQueue: boolean;
  /** … and who runs. */
  readonly isSlots: boolean;
  /** What requests that wait here and sockets have between them. */
  readonly sharedBytes: number;
}

/** Of a flow since the last report. */
export interface FlowUse {
  readonly arrivals: number;
  /** Time that requests took at the endpoint, times the service's costWeight. */
  readonly costMs: number;
  /** Of bodies and messages of sockets, both directions. */
  readonly bytes: number;
  /** Requests in flight, as last heard. */
  readonly running: number;
  readonly waiting: number;
  /** Of its memory, what its sockets have. */
  readonly socketBytes?: number;
}

const UNLIMITED: FlowLimits = {
  slotsMax: Infinity,
  rate: null,
  bandwidth: null,
  queueLengthMax: Infinity,
  waitMsMax: Infinity,
  memory: null,
};

/** Bytes that a flow's requests keep in the gateway, as its memory is counted. */
export function memoryBytesOf(quota: FlowQuota | undefined, { waiting, slots }: { waiting: number; slots: number }): number {
  return waiting * WAITING_BYTES_MAX + (isBandwidthCounted(quota) ? slots * PACED_BYTES_MAX : 0);
}

/** How many may wait beside sockets that have so much of the memory. */
export function besideSockets(limits: FlowLimits, socketBytes: number): FlowLimits {
  const { memory, queueLengthMax } = limits;
  if (memory === null || socketBytes === 0) return limits;
  const waitingMax = Math.max(0, Math.floor((memory.sharedBytes - socketBytes) / WAITING_BYTES_MAX));
  return waitingMax >= queueLengthMax ? limits : { ...limits, queueLengthMax: waitingMax, memory: { ...memory, isQueue: true } };
}

/** The limits that bind. Memory binds by construction: so many bytes a waiting request, so many a paced one. */
export function flowLimitsOf(quota: FlowQuota | undefined): FlowLimits {
  if (quota === undefined || quota.mode === "shadow") return UNLIMITED;
  const { slots = Infinity, ratePerSecond, burst, queueLengthMax = Infinity, waitMsMax = Infinity, memoryBytesMax = Infinity } = quota;
  const isPaced = isBandwidthCounted(quota);
  const [waitingBytes, pacedBytes] = isPaced ? [memoryBytesMax / 2, memoryBytesMax / 2] : [memoryBytesMax, Infinity];
  const [waitingMax, pacedMax] = [Math.floor(waitingBytes / WAITING_BYTES_MAX), Math.floor(pacedBytes / PACED_BYTES_MAX)];
  return {
    slotsMax: Math.min(slots, pacedMax),
    rate: ratePerSecond === undefined ? null : { tokens: ratePerSecond, periodMs: SECOND_MS, burst: burst ?? ratePerSecond },
    bandwidth: byteRateOf(bandwidthOf(quota)),
    queueLengthMax: Math.min(queueLengthMax, waitingMax),
    waitMsMax,
    memory:
      memoryBytesMax === Infinity
        ? null
        : {
            bytesMax: memoryBytesMax,
            isQueue: waitingMax < queueLengthMax,
            isSlots: pacedMax < slots,
            sharedBytes: waitingBytes,
          },
  };
}

/** A rate that is used up is shared out in renewals so far apart, not asked for request by request. */
const DRY_MS = 250;

/** How long asking for a token of a used-up rate is of no use: never so long that the bucket could overflow meanwhile. */
export function dryMsOf({ tokens, periodMs, burst }: RatePolicy, retryAfterMs: number): number {
  const halfFullMs = tokens === 0 ? Infinity : (burst * periodMs) / tokens / 2;
  return Math.max(retryAfterMs, Math.min(DRY_MS, halfFullMs));
}

/** A service's pools each have a queue, and a flow's requests wait in all of them together. */
export interface QueuePart {
  readonly poolCount: number;
  /** Who has the remainder. */
  readonly isHome: boolean;
}

const WHOLE: QueuePart = { poolCount: 1, isHome: true };

/** What the other pools' queues may keep is no part of this one's memory. */
function partOf(whole: FlowLimits, { poolCount, isHome }: QueuePart): FlowLimits {
  const { queueLengthMax: lengthMax, memory } = whole;
  if (lengthMax === Infinity) return whole;
  const part = Math.floor(lengthMax / poolCount);
  const sharedBytes = isHome ? (memory?.sharedBytes ?? 0) - (poolCount - 1) * part * WAITING_BYTES_MAX : part * WAITING_BYTES_MAX;
  return {
    ...whole,
    queueLengthMax: isHome ? lengthMax - (poolCount - 1) * part : part,
    memory: memory === null ? null : { ...memory, sharedBytes },
  };
}

export class FlowQuotas {
  #quotas: Readonly<Record<string, FlowQuota>> = {};
  #part = WHOLE;
  readonly #limits = new Map<string, FlowLimits>();
  /** In milliseconds of service time. */
  readonly #costs = new Map<string, CostDebt>();
  readonly #shadowRates = new Map<string, CostDebt>();
  readonly #shadowBytes = new Map<string, CostDebt>();
  #shadow: Record<string, number> = {};
  readonly #time = new PassingTime();

  /** By flow, `tenant/class`. What is owed stays owed. `part`: of the flows' queues, what may wait in this pool. */
  configure(quotas: Readonly<Record<string, FlowQuota>>, part: QueuePart = WHOLE): void {
    this.#quotas = quotas;
    this.#part = part;
    this.#limits.clear();
    for (const debts of [this.#costs, this.#shadowRates, this.#shadowBytes])
      for (const flow of debts.keys()) if (!Object.hasOwn(quotas, flow)) debts.delete(flow);
  }

  limitsOf(flow: string): FlowLimits {
    let limits = this.#limits.get(flow);
    if (limits === undefined && Object.hasOwn(this.#quotas, flow)) {
      this.#limits.set(flow, (limits = partOf(flowLimitsOf(this.#quotas[flow]), this.#part)));
    }
    return limits ?? UNLIMITED;
  }

  /** Those that would bind if the quota were enforced. */
  shadowOf(flow: string): FlowLimits {
    const quota = Object.hasOwn(this.#quotas, flow) ? this.#quotas[flow] : undefined;
    return quota?.mode === "shadow" ? partOf(flowLimitsOf({ ...quota, mode: "enforce" }), this.#part) : this.limitsOf(flow);
  }

  /** Takes what a holder measured. Service time is known afterwards only: a flow goes over by what runs when it is used up. */
  observe(flow: string, use: FlowUse, nowMs: number): void {
    const quota = Object.hasOwn(this.#quotas, flow) ? this.#quotas[flow] : undefined;
    if (quota === undefined) return;
    const atMs = this.#time.at(nowMs);
    this.#charge(flow, quota, { cost: use.costMs, nowMs: atMs });
    if (quota.mode === "shadow") this.#castShadow(flow, { quota, use, nowMs: atMs });
  }

  /** In how long the flow's service time is below its limit again; 0: it is, or is not limited. */
  blockedForMs(flow: string, nowMs: number): number {
    const quota = Object.hasOwn(this.#quotas, flow) ? this.#quotas[flow] : undefined;
    const rate = quota?.cpuSecondsPerSecond;
    return rate === undefined || quota?.mode === "shadow" ? 0 : blockedForMs(this.#costs.get(flow), rate, this.#time.at(nowMs));
  }

  /** `${flow} ${kind}` → what would have been refused or held back since the last time, handed over. */
  takeShadow(): Readonly<Record<string, number>> {
    const shadow = this.#shadow;
    this.#shadow = {};
    return shadow;
  }

  /** Something of a quota in shadow would have been refused. */
  noteShadow(flow: string, kind: QuotaKind): void {
    this.#count(flow, kind, 1);
  }

  #castShadow(flow: string, { quota, use, nowMs }: { quota: FlowQuota; use: FlowUse; nowMs: number }): void {
    const limits = besideSockets(flowLimitsOf({ ...quota, mode: "enforce" }), use.socketBytes ?? 0);
    const bandwidth = bandwidthOf(quota);
    if (limits.rate !== null) {
      const { tokens: perSecond, burst } = limits.rate;
      this.#count(flow, "rate", pour(this.#shadowRates, flow, { count: use.arrivals, perSecond, burst, nowMs }));
    }
    if (bandwidth !== null) {
      const { bytesPerSecond: perSecond, burstBytes: burst } = bandwidth;
      this.#count(flow, "bandwidth", pour(this.#shadowBytes, flow, { count: use.bytes, perSecond, burst, nowMs }));
    }
    this.#count(flow, limits.memory?.isSlots === true ? "memory" : "slots", Math.max(0, use.running - limits.slotsMax));
    this.#count(flow, limits.memory?.isQueue === true ? "memory" : "queue", Math.max(0, use.waiting - limits.queueLengthMax));
    if (quota.cpuSecondsPerSecond !== undefined && blockedForMs(this.#costs.get(flow), quota.cpuSecondsPerSecond, nowMs) > 0)
      this.#count(flow, "cpu", use.arrivals);
  }

  #charge(flow: string, { cpuSecondsPerSecond, mode }: FlowQuota, now: { readonly cost: number; readonly nowMs: number }): void {
    if (cpuSecondsPerSecond === undefined) return;
    const before = this.#costs.get(flow);
    const debt =
      mode === "shadow" ? chargedInShadow(before, cpuSecondsPerSecond, now) : charged(before, cpuSecondsPerSecond * SECOND_MS, now);
    if (debt !== undefined) this.#costs.set(flow, debt);
  }

  #count(flow: string, kind: QuotaKind, count: number): void {
    if (count === 0) return;
    const key = `${flow} ${kind}`;
    this.#shadow[key] = (this.#shadow[key] ?? 0) + count;
  }
}

/** Into a bucket that drains: how many did not fit. */
function pour(debts: Map<string, CostDebt>, flow: string, into: Parameters<typeof poured>[1]): number {
  const { debt, over } = poured(debts.get(flow), into);
  debts.set(flow, debt);
  return over;
}
