// From figures to rows with budgets (the budgets are the project's own).
import { median } from "#bench/gateway/median.ts";
import { medianRatio } from "#bench/gateway/steady.ts";
import type { BenchRow } from "../report.ts";
import type { FleetResult } from "#scripts/fleet/fleet.ts";
import { DRAIN_SETTING } from "./drain.ts";
import type { IdleFigure } from "./idle.ts";
import type { MemoryFigure } from "./memory.ts";
import { DIRECT, LOADS, PLAIN, RELAY, RESUMABLE, type Load, type Relayed, type RelayedFigure, type Rounds } from "./relayed.ts";

const PLAIN_RATIO_MIN = 0.85;
const RESUMABLE_RATIO_MIN = 0.5;
/** What a Shard object is billed for after its last event, before it hibernates: ten seconds at a flat 128 MB. */
const AWAKE_SECONDS = 10;
const OBJECT_GB = 0.128;
const HOUR_SECONDS = 3_600;

export function relayedRows({ closed, p99Ms, perSecond }: Relayed): BenchRow[] {
  return [
    ...LOADS.flatMap((load) => closedRows(load, closed.get(load) ?? new Map())),
    ...[DIRECT, RELAY, PLAIN, RESUMABLE].map((name) => ({
      name: `p99 at ${perSecond} messages/s, ${name}`,
      value: median(p99Ms.get(name) ?? []),
      unit: "ms",
    })),
    ...[PLAIN, RESUMABLE].map((name) => ({
      name: `p99 added, ${name}`,
      value: median((p99Ms.get(name) ?? []).map((ms, round) => ms - (p99Ms.get(RELAY)?.[round] ?? Number.NaN))),
      unit: "ms",
      note: "beyond the relaying Worker's of the same round; there and back",
    })),
  ];
}

function closedRows(load: Load, figures: Rounds<RelayedFigure>): BenchRow[] {
  const of = (name: string, read: (figure: RelayedFigure) => number): number => median((figures.get(name) ?? []).map(read));
  const under = `${load.devices} × ${load.inFlight}`;
  const rate = (name: string): number => medianRatio(figures, [name, RELAY], (figure) => figure.perSecond);
  const cpu = (name: string): number => medianRatio(figures, [name, RELAY], (figure) => figure.cpuMicros);
  // One device alone waits for each of its commits, and 50 that each wait for their own message nearly so: only printed.
  const isBudgeted = load === LOADS[0];
  return [
    ...[RELAY, PLAIN, RESUMABLE].map((name) => ({
      name: `messages/s, ${under}, ${name}`,
      value: of(name, ({ perSecond }) => perSecond),
      unit: "/s",
      note:
        `${of(name, ({ cpuMicros }) => cpuMicros).toFixed(1)} µs of CPU a message, there and back; of a core each: relay ` +
        `${percent(of(name, ({ busyRatio }) => busyRatio))}, endpoint ${percent(of(name, ({ endpointBusyRatio }) => endpointBusyRatio))}, ` +
        `generator ${percent(of(name, ({ generatorBusyRatio }) => generatorBusyRatio))}`,
    })),
    { ...atLeast(`messages/s, ${under}, plain ÷ relay`, rate(PLAIN), isBudgeted ? PLAIN_RATIO_MIN : null) },
    { ...atLeast(`messages/s, ${under}, tidegate.v1 ÷ relay`, rate(RESUMABLE), isBudgeted ? RESUMABLE_RATIO_MIN : null) },
    { name: `CPU per message, ${under}, plain ÷ relay`, value: cpu(PLAIN), unit: "ratio" },
    { name: `CPU per message, ${under}, tidegate.v1 ÷ relay`, value: cpu(RESUMABLE), unit: "ratio" },
  ];
}

export function memoryRow(name: string, { bytesPerSocket, socketsPerGib, count }: MemoryFigure): BenchRow {
  return {
    name: `idle sockets held per GiB, ${name}`,
    value: socketsPerGib,
    unit: "sockets",
    note: `${(bytesPerSocket / 1_024).toFixed(1)} KiB each of the gateway's resident set, over ${count} of them; the local process is edge and objects in one`,
  };
}

export function idleRows({ devices, shards, pings, woken, poolAlarms, asleep }: IdleFigure): BenchRow[] {
  const count = Object.values(woken).reduce((sum, each) => sum + each, 0);
  const names = Object.entries(woken).map(([name, each]) => `${name} ${each}`);
  const billed = count * AWAKE_SECONDS * OBJECT_GB;
  const pool = Math.min(HOUR_SECONDS, poolAlarms * AWAKE_SECONDS) * OBJECT_GB;
  return [
    {
      name: `wake-ups by ${devices} idle devices in an hour`,
      value: count,
      unit: "events",
      budget: 0,
      ok: count === 0,
      note:
        `events of ${shards} Shard objects, their alarms and the pool's questions included, while ${pings} pings, an hour's, were sent and ` +
        `answered and the objects' clock passed that hour: ${names.join(", ") || "none"}; ${asleep} of the objects slept when that was over`,
    },
    {
      name: `billed duration of ${devices} idle devices in an hour`,
      value: billed,
      unit: "GB-s",
      budget: 0,
      ok: billed === 0,
      note:
        `${count} wake-ups, each of which keeps a Shard object awake for ${AWAKE_SECONDS} s. Never asleep: ` +
        `${(shards * HOUR_SECONDS * OBJECT_GB).toFixed(0)} GB-s. Tokens outlast the hour: the end of one is a reconnection`,
    },
    {
      name: "billed duration of their service's pool in that hour",
      value: pool,
      unit: "GB-s",
      note: `${poolAlarms} alarms of one object, whatever the number of devices: its forecast takes a bin every ten seconds while slots are in use`,
    },
  ];
}

export function drainRows({ drainMs, devices, sent, received, faultCount, faults, reconnections }: FleetResult): BenchRow[] {
  const { graceMs, messagesPerSecond } = DRAIN_SETTING;
  return [
    {
      name: `drain of a shard with ${devices} devices`,
      value: drainMs,
      unit: "ms",
      note: `until none is left, with a grace of ${graceMs} ms and ${messagesPerSecond} messages a second; ${reconnections} reconnections`,
    },
    {
      name: "messages lost, repeated or out of order, wrong closes",
      value: faultCount,
      unit: "faults",
      budget: 0,
      ok: faultCount === 0,
      note: `${sent} sent, ${received} answered in order${faults.length > 0 ? `: ${faults.slice(0, 3).join("; ")}` : ""}`,
    },
  ];
}

function atLeast(name: string, value: number, budget: number | null): BenchRow {
  const row = { name, value, unit: "ratio" };
  return budget === null ? row : { ...row, budget, isLeast: true, ok: value >= budget };
}

function percent(ratio: number): string {
  return `${Math.round(ratio * 100)} %`;
}
