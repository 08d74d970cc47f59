// How many slots each endpoint's lane has while the service's concurrency is adaptive: EndpointLimits, fed with what all holders
// measured, and followed by the ledger in steps that are worth a renewal. Pure but for the Wasm memory of the limits.
//
// Promise: never above the configured capacity, never below `capacityRatioMin` of it, and whatever number of isolates reports, a
// limit moves once a report interval at the most. What was measured while more was out than the limit says nothing of the limit.
import type { LeaseLedger } from "#durable/lease/lease-ledger.ts";
import { concurrencyOf } from "#shared/config/concurrency.ts";
import type { ServiceConfig } from "#shared/config/schema.ts";
import type { LaneTelemetry } from "#shared/protocol/telemetry.ts";
import { SECOND_MS } from "#shared/units.ts";
import type { Kernels } from "#wasm/binding/kernels.ts";
import { EndpointLimits } from "./endpoint-limits.ts";
import type { LentSlots } from "./lent-slots.ts";

/** Reports of all holders are gathered for so long. */
const REPORT_MS = SECOND_MS / 2;
/** After a fall the leases follow with their next renewals; requests that run longer than this are not waited for. */
const SETTLE_MS_MAX = 3 * SECOND_MS;
/** The lane follows a limit that differs by more than this part of it. Less than a breath of the gradient, which is a fifth. */
const STEP_DIVISOR = 8;

/** As the ledger has it. */
export interface LaneUse {
  /** Known to be used, sockets included. */
  readonly inUse: number;
  /** Promised or used. */
  readonly out: number;
  readonly sockets: number;
}

type Gathered = Omit<LaneTelemetry, "lane">;

const NOTHING: Gathered = { answers: 0, latencyMsSum: 0, drops: 0, utilization: null };

interface Lane {
  readonly capacity: number;
  readonly limitMin: number;
  /** Requests at once. */
  limit: number;
  /** Beside them: a socket has a slot of the endpoint's capacity, and no latency that would tell of it. */
  sockets: number;
  /** Of all holders, since `reportedAtMs`. */
  gathered: Gathered;
  reportedAtMs: number;
  /** Until then reports are of the time before the last fall; null: they are not. */
  settlesByMs: number | null;
  utilization: number | null;
}

export class AdaptiveLanes {
  readonly #limits: EndpointLimits;
  readonly #lanes = new Map<string, Lane>();

  constructor(kernels: Kernels) {
    this.#limits = new EndpointLimits(kernels);
  }

  /** What was learned stays while an endpoint's capacity does. `known`: limits from before a restart. */
  configure(service: ServiceConfig | null, known: Readonly<Record<string, number>> = {}): void {
    const { mode, capacityRatioMin } = concurrencyOf(service);
    const adaptive = mode === "adaptive" ? (service?.endpoints ?? []) : [];
    const endpoints = adaptive.map(({ url, capacity }) => {
      const limitMin = Math.max(1, Math.ceil(capacity * capacityRatioMin));
      const limitInitial = Math.min(capacity, Math.max(limitMin, known[url] ?? capacity));
      return { url, capacity, limitMin, limitInitial };
    });
    this.#limits.configure(endpoints);
    const before = new Map(this.#lanes);
    this.#lanes.clear();
    for (const { url, capacity, limitMin } of endpoints) {
      const lane = before.get(url);
      const isSame = lane?.capacity === capacity && lane.limitMin === limitMin;
      this.#lanes.set(url, isSame ? lane : laneOf({ capacity, limitMin, limit: this.#limits.limitOf(url) }));
    }
  }

  /** Slots that the lane may have now; Infinity: only its capacity limits it. */
  slotsMaxOf(url: string): number {
    const lane = this.#lanes.get(url);
    return lane === undefined ? Infinity : lane.limit + lane.sockets;
  }

  /** What the endpoint last said of its own load; null: nothing lately, or nobody asks. */
  utilizationOf(url: string): number | null {
    return this.#lanes.get(url)?.utilization ?? null;
  }

  /** By endpoint; for a restart. */
  get snapshot(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#lanes].map(([url, { limit }]) => [url, limit]));
  }

  /** Takes what holders measured. True: some lane has another number of slots from now on. */
  observe(reports: readonly LaneTelemetry[], useOf: (url: string) => LaneUse, nowMs: number): boolean {
    let hasChanged = false;
    for (const report of reports) {
      const lane = this.#lanes.get(report.lane);
      if (lane === undefined) continue;
      lane.gathered = together(lane.gathered, report);
      if (nowMs >= lane.reportedAtMs && nowMs - lane.reportedAtMs < REPORT_MS) continue;
      hasChanged = this.#follow(report.lane, lane, { use: useOf(report.lane), nowMs }) || hasChanged;
    }
    return hasChanged;
  }

  #follow(url: string, lane: Lane, { use, nowMs }: { use: LaneUse; nowMs: number }): boolean {
    const slotsBefore = lane.limit + lane.sockets;
    const { gathered } = lane;
    lane.gathered = NOTHING;
    lane.reportedAtMs = nowMs;
    lane.sockets = use.sockets;
    if (lane.settlesByMs !== null) {
      // With this report the old leases are gone: the next one is of the limit.
      if (use.out - use.sockets <= lane.limit || nowMs >= lane.settlesByMs) lane.settlesByMs = null;
      return slotsBefore !== lane.limit + lane.sockets;
    }
    lane.utilization = gathered.utilization;
    this.#limits.observe(url, { ...gathered, inFlight: Math.max(0, use.inUse - use.sockets) }, nowMs);
    const limit = this.#limits.limitOf(url);
    const isAtEnd = limit === lane.capacity || limit === lane.limitMin;
    if (limit !== lane.limit && (isAtEnd || Math.abs(limit - lane.limit) * STEP_DIVISOR > lane.limit)) {
      if (limit < lane.limit) lane.settlesByMs = nowMs + SETTLE_MS_MAX;
      lane.limit = limit;
    }
    return slotsBefore !== lane.limit + lane.sockets;
  }
}

/** As the ledger has them now. */
export function laneUseOf(ledger: LeaseLedger, lent: Pick<LentSlots, "idleIn">): (lane: string) => LaneUse {
  return (lane) => ({
    inUse: ledger.flows.lanes.runningOf(lane) - lent.idleIn(lane),
    out: ledger.slotsOfLane(lane),
    sockets: ledger.counts.durable === 0 ? 0 : ledger.named.filter((slot) => slot.isDurable && slot.lane === lane).length,
  });
}

function laneOf(of: { capacity: number; limitMin: number; limit: number }): Lane {
  return { ...of, sockets: 0, gathered: NOTHING, reportedAtMs: -Infinity, settlesByMs: null, utilization: null };
}

function together(before: Gathered, { answers, latencyMsSum, drops, utilization }: Gathered): Gathered {
  return {
    answers: before.answers + answers,
    latencyMsSum: before.latencyMsSum + latencyMsSum,
    drops: before.drops + drops,
    // The last word counts.
    utilization: utilization ?? before.utilization,
  };
}
