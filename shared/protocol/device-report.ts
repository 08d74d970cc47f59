// What a device's SDK measured of one socket since its last report, and what a pool makes of many. Plain data: it crosses RPC.
import { DAY_MS, MINUTE_MS, SECOND_MS } from "../units.ts";

export const DEVICE_REPORT = {
  latencyCountMax: 64,
  latencyMsMax: 10 * MINUTE_MS,
  durationMsMax: DAY_MS,
  countMax: 2 ** 40,
  /** One device's reports are no closer; the SDK's are 10 s apart or more. */
  intervalMsMin: 5 * SECOND_MS,
  bodyBytesMax: 4_096,
} as const;

export interface DeviceReport {
  readonly durationMs: number;
  readonly messagesSent: number;
  readonly messagesReceived: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Connections that broke. */
  readonly drops: number;
  readonly latenciesMs: readonly number[];
}

type Counted = Exclude<keyof DeviceReport, "durationMs" | "latenciesMs">;
const COUNTED: readonly Counted[] = ["messagesSent", "messagesReceived", "bytesSent", "bytesReceived", "drops"];

/** A report in band, from its frame's fields; else what is wrong with it. Unknown fields are ignored. */
export function readDeviceReport(fields: Readonly<Record<string, unknown>>): DeviceReport | string {
  const { durationMs, latenciesMs } = fields;
  const { countMax, durationMsMax, latencyMsMax, latencyCountMax } = DEVICE_REPORT;
  const counts = COUNTED.map((name) => [name, fields[name]] as const);
  const bad = counts.find(([, count]) => !Number.isInteger(count) || !isWithin(count, countMax));
  if (bad !== undefined) return `a report's ${bad[0]} is no whole number from 0 to ${countMax}`;
  if (!isWithin(durationMs, durationMsMax)) return `a report's durationMs is no number from 0 to ${durationMsMax}`;
  if (!Array.isArray(latenciesMs) || latenciesMs.length > latencyCountMax || !latenciesMs.every((ms) => isWithin(ms, latencyMsMax)))
    return `a report's latenciesMs are not at most ${latencyCountMax} numbers from 0 to ${latencyMsMax}`;
  return { ...(Object.fromEntries(counts) as Record<Counted, number>), durationMs, latenciesMs };
}

function isWithin(value: unknown, max: number): value is number {
  return typeof value === "number" && value >= 0 && value <= max;
}

/** Of one flow: one device's report, or the sum of several. */
export interface FlowReport extends DeviceReport {
  readonly flow: string;
  readonly reports: number;
}

type Counts = Omit<FlowReport, "flow" | "latenciesMs">;

/** Without latencies. */
export function sumOfCounts(a: Counts, b: Counts): Counts {
  return {
    reports: a.reports + b.reports,
    durationMs: a.durationMs + b.durationMs,
    messagesSent: a.messagesSent + b.messagesSent,
    messagesReceived: a.messagesReceived + b.messagesReceived,
    bytesSent: a.bytesSent + b.bytesSent,
    bytesReceived: a.bytesReceived + b.bytesReceived,
    drops: a.drops + b.drops,
  };
}

/** What one device said last of its own socket: what health is made of. */
export interface DeviceWord {
  readonly flow: string;
  readonly device: string;
  /** Median; null: nothing was timed. */
  readonly latencyMs: number | null;
  /** Connections that broke; in band only as far as the Shard object saw that there was a new one. */
  readonly drops: number;
}

/** The lower one of the two in the middle; null: of nothing. */
export function medianOf(values: readonly number[]): number | null {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? null;
}

/** What is reported to a pool. */
export interface DeviceNews {
  /** Empty: the device named none. */
  readonly shardId: string;
  /** Whose word it is that the devices are there. A device's own is held against the ledger. */
  readonly from: "shard" | "device";
  readonly words: readonly DeviceWord[];
  readonly reports: readonly FlowReport[];
  /** By kind: what was said at this shard that could not be followed. */
  readonly faults: Readonly<Record<string, number>>;
}

/** What the pool answers a Shard object. */
export interface DeviceOrders {
  /** Devices whose sessions are to go to another shard. */
  readonly leave: readonly Pick<DeviceWord, "flow" | "device">[];
}

/** What devices' words have come to, since the pool's object started. */
export interface DeviceHealthStats {
  /** Null: none. It gets no new sockets, and is drained when that may be. */
  readonly suspect: { readonly shardId: string; readonly sinceMs: number } | null;
  /** Shards that were looked at lately. */
  readonly shards: readonly {
    readonly shardId: string;
    /** Of what makes a suspect; below 0: its devices are well. */
    readonly evidenceRatio: number;
    /** Devices that said something that can be compared, and those of them that are worse off than their flow elsewhere. */
    readonly devices: number;
    readonly worse: number;
  }[];
  readonly shardsDrained: number;
  readonly devicesMoved: number;
}

/** Of the devices of one flow on one shard, since the pool's object started. */
export interface DeviceStats extends Omit<DeviceReport, "latenciesMs"> {
  /** Empty: the device named none that there is. */
  readonly shardId: string;
  readonly flow: string;
  readonly reports: number;
  /** From sending a message to its acknowledgement; null: none was timed. */
  readonly latencyMs: { readonly p50: number; readonly p99: number } | null;
}
