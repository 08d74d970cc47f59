// What edge, Shard and Registry say to a service's pool. Plain data: it crosses RPC.
import type { Outcome } from "../errors/outcomes.ts";
import type { Refusal } from "../errors/refusal.ts";
import type { Region } from "../config/regions.ts";
import type { DemandHistory, HistoryAnswer } from "./demand-history.ts";
import type { DemandStats } from "./demand-stats.ts";
import type { DeviceHealthStats, DeviceNews, DeviceOrders, DeviceStats } from "./device-report.ts";
import type { DrainAnswer, DrainCommand } from "./drain.ts";
import type { ExchangeAnswer, ExchangeMessage } from "./exchange.ts";
import type { FleetStats } from "./fleet-stats.ts";
import type { Renewal, RenewalRequest } from "./lease.ts";
import type { PaceAnswer, PaceQuestion } from "./pace-question.ts";
import type { Telemetry } from "./telemetry.ts";

/** Whoever holds slots: an edge isolate, or a Shard object for the life of a socket. */
export type HolderId = string;

/** Where requests may go: active shards only. A shard's lane is its endpoint's URL. */
export interface ShardRoute {
  readonly shardId: string;
  readonly endpointUrl: string;
  readonly size: number;
}

export interface RouteTable {
  /** Rises with every change. */
  readonly version: number;
  readonly shards: readonly ShardRoute[];
}

/** Requests of the flow, of this urgency or a later one, cannot be served before their deadline: refuse them. */
export interface Shed {
  readonly flow: string;
  readonly urgencyFrom: number;
  /** From the answer on. */
  readonly forMs: number;
  readonly retryAfterMs: number;
  /** Absent: for want of capacity. Else so many of the flow wait, and no more may. */
  readonly queueLengthMax?: number;
  /** The length follows from so much memory. */
  readonly memoryBytesMax?: number;
}

/** A flow's rate is used up: until then asking is of no use to a holder that has no token. */
export interface Dry {
  /** In so long there is a token again, if nobody else takes it. */
  readonly retryAfterMs: number;
  readonly forMs: number;
}

/** What is left of a flow's limits beside what the holder itself has. */
export interface FlowLeft {
  readonly flow: string;
  /** Null: not limited. */
  readonly slots: number | null;
  readonly tokens: number | null;
  /** Of its bandwidth. */
  readonly bytes: number | null;
  /** For so long its service time is used up; 0: it is not. */
  readonly blockedMs: number;
  /** Its tenant's is, over all services. */
  readonly isTotalBlocked?: boolean;
}

export interface RenewMessage {
  readonly service: string;
  /** What the holder knows; a pool that knows less asks the Registry first. */
  readonly configurationVersion: number;
  /** Of the table it has; 0: none. */
  readonly tableVersion: number;
  readonly lease: RenewalRequest;
  readonly telemetry: Telemetry;
  /** To a regional pool: where it is. */
  readonly region?: Region;
  /** From a regional pool to its home: what becomes of the slots that it was lent. */
  readonly use?: LentUse;
}

/** Of a regional pool: its counters are its own, and are told to whoever asks it for them. */
export interface LentUse {
  /** Requests in flight, as its holders last said … */
  readonly inUse: number;
  readonly lanes: readonly { readonly lane: string; readonly inUse: number }[];
  /** … and those in its queue. */
  readonly waiting: number;
}

export interface RenewAnswer {
  readonly lease: Renewal;
  /** Null: the holder's is current. */
  readonly table: RouteTable | null;
  readonly sheds: readonly Shed[];
  /** Of the flows in the renewal that have limits. */
  readonly left: readonly FlowLeft[];
  /** Somebody waits: an isolate asks for little more than it uses. */
  readonly isContended: boolean;
  /** A suspect: sockets go there only where there is no other. */
  readonly avoided?: { readonly shardId: string; readonly forMs: number };
  /** Newer than the holder's: it asks the Registry. */
  readonly configurationVersion: number;
}

export interface AcquireRequest {
  /** Chosen by the holder: asking again with the same id gives the same slot, or the same place in the queue. */
  readonly slotId: string;
  readonly holder: HolderId;
  readonly service: string;
  /** (tenant, class). */
  readonly flow: string;
  readonly urgency: number;
  /** Requests with the same key go to the same shard while it has room; null: any shard. */
  readonly affinityKey: string | null;
  readonly kind: "request" | "socket";
  /** Of a socket. */
  readonly device?: string;
  /** A socket's, which has a slot already that goes back at once: its device is not limited by it. */
  readonly isMove?: boolean;
  /** That slot: where the new one is of the same endpoint, the two count as one until either is released. */
  readonly inPlaceOf?: string | undefined;
  /** How long it may wait from now on: until its deadline. */
  readonly waitMsMax: number;
  /** The endpoint that has just refused it a connection. */
  readonly refusedBy?: string;
  /** Its holder has put a token aside for it: it takes none here. */
  readonly isPaid?: true;
  readonly configurationVersion: number;
  /** To a regional pool: where it is. */
  readonly region?: Region;
}

export interface GrantedSlot {
  readonly slotId: string;
  readonly shardId: string;
  readonly endpointUrl: string;
  readonly waitedMs: number;
  /** Good for so long after `waitedMs` from the sending of the call: a renewal names it before, or it is returned. */
  readonly lifeMs: number;
  /** A socket's: what its messages may take of its flow's memory, both ways. Absent: that is not limited. */
  readonly memoryBytes?: number;
}

export type AcquireVerdict = ({ readonly ok: true; readonly slot: GrantedSlot } | Refusal) & {
  /** For this flow; with a refusal for want of capacity. */
  readonly shed?: Shed;
  /** With a refusal for want of a token. */
  readonly dry?: Dry;
};

export type AcquireAnswer = AcquireVerdict & { readonly configurationVersion: number };

/** What became of a socket's slot. */
export interface ReleaseReport {
  readonly slotId: string;
  readonly holder: HolderId;
  readonly flow: string;
  readonly outcome: Outcome;
}

export interface ReleaseAnswer {
  readonly freed: boolean;
}

/** Where one that waits stands. */
export interface WaitingPlace {
  /** At most so many are served before it, if nothing else comes. */
  readonly aheadMax: number;
  /** Null: nothing has been served lately to estimate from. */
  readonly waitMs: number | null;
}

export interface PoolStats {
  readonly service: string;
  readonly endpoints: readonly {
    readonly endpointUrl: string;
    readonly capacity: number;
    /** What is given out of it now: less where the service's concurrency is adaptive. */
    readonly limit: number;
    /** As the endpoint last said of its own load, 1 is full; null: it says nothing, or nobody asks. */
    readonly utilization: number | null;
    /** Promised or used: leased, held, named. */
    readonly slotsOut: number;
    /** Known to be used, as last heard. */
    readonly slotsInUse: number;
    /** Milliseconds to response headers since the last start of the object; null: none yet. */
    readonly latencyMs: { readonly p50: number; readonly p99: number } | null;
  }[];
  readonly shards: readonly {
    readonly shardId: string;
    readonly endpointUrl: string;
    readonly size: number;
    readonly state: string;
    readonly requests: number;
    readonly failures: number;
  }[];
  readonly holderCount: number;
  readonly queueLength: number;
  readonly longestWaitMsNow: number;
  readonly counters: PoolCounters;
  /** Of flows that have, or had, anything here. */
  readonly flows?: readonly FlowStats[];
  readonly demand: DemandStats;
  /** As devices report. */
  readonly devices?: readonly DeviceStats[];
  readonly deviceHealth?: DeviceHealthStats;
  /** Null: the service's shards are its configuration's. */
  readonly fleet: FleetStats | null;
  /** Of its regional pools, which are part of the sums: requests and sockets that were counted there. */
  readonly regions?: readonly { readonly region: Region; readonly requests: number }[];
}

/** What a flow has now, as its limits count it. */
export interface FlowStats {
  readonly flow: string;
  /** Leased, held and named; with what a region has. */
  readonly slotsOut: number;
  /** As holders last said; a region uses what it has lent on. */
  readonly slotsInUse: number;
  readonly waiting: number;
  /** What counts against its memory; null: that is not limited. */
  readonly memoryBytes: number | null;
}

/** Monotonic since the pool's creation; on disk within seconds. */
export interface PoolCounters {
  /** `${flow} ${outcome}` → count. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** Outcome → count, decided without this pool but reported to it. */
  readonly edgeOutcomes: Readonly<Record<string, number>>;
  /** `${flow} ${kind}` → what a limit in shadow would have refused or held back. */
  readonly shadow: Readonly<Record<string, number>>;
  /** Flow → bytes of bodies, both directions, where its bandwidth is limited, or would be. */
  readonly bytes: Readonly<Record<string, number>>;
  /** Flow → time that its requests held slots, times the service's costWeight; absent: of a pool that had none yet. */
  readonly serviceMs?: Readonly<Record<string, number>>;
  /** Flow → histogram of latency, counts per bucket of LATENCY_BUCKETS_MS, the last one +Inf. */
  readonly latency: Readonly<Record<string, { readonly buckets: readonly number[]; readonly sumMs: number }>>;
  /** Slots that came back by expiry or reconciliation, not by a message. */
  readonly slotsReclaimed: number;
  /** Requests that ran at a holder and that the ledger had not counted for it. */
  readonly slotsOvershot: number;
  /** Releases that freed nothing: repeated, late, or not the owner's. */
  readonly staleReleases: number;
  /** By kind: what endpoints and devices said at Shard objects that could not be followed. */
  readonly socketFaults: Readonly<Record<string, number>>;
  readonly renewCalls: number;
  /** Of sockets. */
  readonly acquireCalls: number;
  /** Of requests that had no slot in their isolates, many in one. */
  readonly exchangeCalls: number;
  readonly releaseCalls: number;
  /** Questions of Shard objects; on disk with what changes next. */
  readonly paceCalls: number;
  /** Requests and sockets that waited, and how long in all. */
  readonly waits: number;
  readonly waitMsSum: number;
  readonly waitMsMax: number;
  /** Time in which a slot lay idle that somebody who waited might have used. */
  readonly idleWhileWaitingMs: number;
}

/** A socket's slot lasts this much longer than the service's deadline, until its Shard object takes it over. */
export const SLOT_GRACE_MS = 5_000;

export interface PoolRpc {
  /** Renews a holder's lease of the service, and takes what it measured. */
  renew(message: RenewMessage): Promise<RenewAnswer> | RenewAnswer;
  /** A slot by name; waits in the pool's queue where there is none. */
  acquire(request: AcquireRequest): Promise<AcquireAnswer> | AcquireAnswer;
  /** Takes who asks, who waits no longer and whose slots by name are free; brings back what became of those that asked. Idempotent. */
  exchange(message: ExchangeMessage): Promise<ExchangeAnswer>;
  /** Where a waiting request stands; null: it does not wait. */
  place(slotId: string): Promise<WaitingPlace | null> | WaitingPlace | null;
  /** Ends a socket's slot. Idempotent: a stale release frees nothing and says so. */
  release(report: ReleaseReport): Promise<ReleaseAnswer> | ReleaseAnswer;
  /** Takes over a granted slot for the life of a socket: no expiry, owned by the Shard object. */
  keep(slotId: string, from: HolderId, shardObject: HolderId): Promise<boolean> | boolean;
  /** Changes nothing. */
  paces(question: PaceQuestion): Promise<PaceAnswer> | PaceAnswer;
  /** Takes what devices measured, and what could not be followed; a shard that is none of the service's counts as none. */
  report(service: string, configurationVersion: number, news: DeviceNews): Promise<DeviceOrders> | DeviceOrders;
  /** Empties shards one after the other, turns back, or tells how far it is. */
  drain(service: string, configurationVersion: number, command: DrainCommand): Promise<DrainAnswer> | DrainAnswer;
  /** Takes in what was wanted before the pool saw any of it. */
  learn(service: string, configurationVersion: number, history: DemandHistory): Promise<HistoryAnswer> | HistoryAnswer;
  stats(service: string, configurationVersion: number, telemetry?: Telemetry): Promise<PoolStats> | PoolStats;
}

/** What a pool of a region counted by itself, and has now; what its slots are is the home pool's to tell. */
export type RegionalStats = Pick<PoolStats, "holderCount" | "queueLength" | "longestWaitMsNow" | "counters" | "flows">;

/** A service's pool of one region but the home's. A socket's slot is granted here, and is the home pool's own from `keep` on. */
export interface RegionalPoolRpc extends Pick<PoolRpc, "renew" | "acquire" | "exchange" | "keep" | "release"> {
  stats(): Promise<RegionalStats> | RegionalStats;
}

export const poolName = (service: string): string => service;

/** Services have no @ in their names. */
export const regionalPoolName = (service: string, region: Region): string => `${service}@${region}`;
