// From figures to rows with budgets (docs/architecture.md; the budgets are the project's own).
import type { BenchRow } from "../report.ts";
import { CONNECTION_COUNT } from "./callers.ts";
import { haproxyVersion } from "./contenders/haproxy.ts";
import { RATE_FACTOR } from "./contenders/tidegate.ts";
import { costPerMillion, type Cost } from "./cost.ts";
import { COUNTED_PER_SECOND, type Counted } from "./counted.ts";
import { median } from "./median.ts";
import { CAPACITY_PER_SECOND, OVERLOAD, type ClassName, type OverloadFigure } from "./overload.ts";
import { medianRatio, type ClosedFigure, type OpenFigure, type Rounds } from "./steady.ts";

export const TIDEGATE = "Tidegate";
export const SMALLEST = "smallest Worker";
export const HONO = "hono/proxy";
export const NAIVE = "naive design";
export const NAIVE_IN_MEMORY = "naive design, in memory";
const HAPROXY = "HAProxy";

const SWITCHED_ON = [
  "embedded default",
  "token verified (EdDSA) and cached",
  "Connection-Identifier and Priority read, clamped, echoed",
  "admission from the isolate's lease to a slot of one endpoint of 200 in four shards",
  "affinity by device (rendezvous, Wasm)",
  "header hygiene both ways",
  "deadline",
  "outcome and latency counted and sketched (Wasm)",
  `rates and bursts × ${RATE_FACTOR}, so that none is refused for its rate`,
].join("; ");

export interface SteadyFigures {
  readonly closed: Rounds<ClosedFigure>;
  readonly open: Rounds<OpenFigure>;
  readonly ratePerSecond: number;
  readonly whyNoHaproxy: string | null;
}

export function steadyRows({ closed, open, ratePerSecond, whyNoHaproxy }: SteadyFigures): BenchRow[] {
  const of = (name: string, read: (figure: ClosedFigure) => number): number => median((closed.get(name) ?? []).map(read));
  const cpuRatio = (peer: string): number => medianRatio(closed, [TIDEGATE, peer], ({ cpuMicros }) => cpuMicros);
  const failed = [...closed.values()].flat().reduce((sum, figure) => sum + figure.failed, 0);
  const openP99 = (name: string): number => median((open.get(name) ?? []).map(({ p99Ms }) => p99Ms));
  const late = median([...open.values()].flat().map(({ lateMsP99 }) => lateMsP99));
  const openFailed = [...open.values()].flat().reduce((sum, figure) => sum + figure.failed, 0);
  return [
    ...[...closed.keys()].map((name) => ({
      name: `CPU per request, ${name === HAPROXY ? `HAProxy ${haproxyVersion()}` : name}`,
      value: of(name, ({ cpuMicros }) => cpuMicros),
      unit: "µs",
      ...(name === TIDEGATE ? { note: `switched on: ${SWITCHED_ON}` } : {}),
    })),
    ...(whyNoHaproxy === null
      ? []
      : [{ name: "CPU per request, HAProxy", value: Number.NaN, unit: "µs", missing: { HAProxy: whyNoHaproxy } }]),
    atMost("CPU per request ÷ hono/proxy", [cpuRatio(HONO), 1]),
    atMost("CPU per request ÷ smallest Worker", [cpuRatio(SMALLEST), 1.5], { note: "aim: 1.35" }),
    atMost("CPU per request ÷ naive design", [cpuRatio(NAIVE), 0.65], {
      note: "its object writes each slot down, so that it outlives a restart",
    }),
    atMost(`CPU per request ÷ ${NAIVE_IN_MEMORY}`, [cpuRatio(NAIVE_IN_MEMORY), 0.65], {
      note: "forgets its slots with a restart, and then admits more than there are",
    }),
    ...[...closed.keys()].map((name) => ({
      name: `requests/s, closed loop, ${name}`,
      value: of(name, ({ perSecond }) => perSecond),
      unit: "/s",
      note:
        `of a core each: server ${percent(of(name, ({ busyRatio }) => busyRatio))}, ` +
        `backend ${percent(of(name, ({ backendBusyRatio }) => backendBusyRatio))}, ` +
        `generator ${percent(of(name, ({ generatorBusyRatio }) => generatorBusyRatio))}`,
    })),
    atLeast("requests/s ÷ hono/proxy", [medianRatio(closed, [TIDEGATE, HONO], ({ perSecond }) => perSecond), 1]),
    ...[HONO, TIDEGATE].map((name) => ({
      name: `${CONNECTION_COUNT} at once after idling, ${name}`,
      value: of(name, ({ burstMs }) => burstMs),
      unit: "ms",
      note: "until the last answer, connections made meanwhile included; the isolate had given its slots back",
    })),
    atMost("requests not served, closed and open loop", [failed + openFailed, 0], { unit: "requests" }),
    ...[HONO, TIDEGATE].map((name) => ({
      name: `p99 at ${Math.round(ratePerSecond)}/s, open loop, ${name}`,
      value: openP99(name),
      unit: "ms",
      note: `from when a request was due; the generator's own p99 lateness of ${late.toFixed(2)} ms is in it`,
    })),
    atMost("p99 ÷ hono/proxy's, below saturation", [medianRatio(open, [TIDEGATE, HONO], ({ p99Ms }) => p99Ms), 1.1]),
  ];
}

/** The naive design asks its object twice, writes a row and removes it, and keeps the object awake. */
export function costRows(counted: Counted, cpuMicros: ReadonlyMap<string, number>): BenchRow[] {
  const { requests, served, objectRequests, rowsWritten, objectSeconds } = counted;
  const cpuMs = (name: string): number => ((cpuMicros.get(name) ?? Number.NaN) * requests) / 1_000;
  const own = costPerMillion({ ...counted, cpuMs: cpuMs(TIDEGATE) });
  const naive = costPerMillion({
    requests,
    cpuMs: cpuMs(NAIVE),
    objectRequests: 2 * requests,
    objectSeconds: requests / COUNTED_PER_SECOND,
    rowsRead: 0,
    rowsWritten: 2 * requests,
  });
  const load = `${requests} requests, ${served} served, at ${COUNTED_PER_SECOND}/s, one isolate, warm`;
  return [
    {
      ...atMost("object calls per request", [objectRequests / requests, 0.01]),
      note: `calls and alarms of every object, counted; ${load}`,
    },
    { name: "rows written per request", value: rowsWritten / requests, unit: "rows", note: `alarms set are rows; ${load}` },
    {
      name: "cost per million requests",
      value: own.total,
      unit: "USD",
      versus: { [NAIVE]: own.total / naive.total },
      note: `${explain(own)}; objects in memory ${(objectSeconds / (requests / COUNTED_PER_SECOND)).toFixed(1)} s a second`,
    },
    { name: `cost per million requests, ${NAIVE}`, value: naive.total, unit: "USD", note: explain(naive) },
  ];
}

/** `haproxy`: its figures, or why there are none. */
export function overloadRows(own: OverloadFigure, haproxy: OverloadFigure | string): BenchRow[] {
  const { capacity, latencyMs, factor, shares, deadlineMs } = OVERLOAD;
  const mix = Object.entries(shares).map(([name, share]) => `${name} ${Math.round(CAPACITY_PER_SECOND * factor * share)}/s`);
  const setting = `${capacity} slots of ${latencyMs} ms = ${CAPACITY_PER_SECOND}/s; offered ${mix.join(", ")}; deadline ${deadlineMs} ms`;
  const beside = (read: (figure: OverloadFigure) => number): Pick<BenchRow, "versus" | "missing"> =>
    typeof haproxy === "string" ? { missing: { [HAPROXY]: haproxy } } : { versus: { [HAPROXY]: read(own) / read(haproxy) } };
  const goldRatio = own.goldP99Ms / own.goldP99MsUnloaded;
  const bronzeMin = 0.05 * CAPACITY_PER_SECOND;
  const isGoldServed = own.servedRatio.gold >= 0.99;
  return [
    {
      ...atMost(`gold's p99 at ${factor} × overload ÷ unloaded`, [goldRatio, 1.25]),
      ok: goldRatio <= 1.25 && isGoldServed,
      note: `${setting}; holds only where 99 % of gold are served`,
    },
    {
      name: `gold's p99 at ${factor} × overload`,
      value: own.goldP99Ms,
      unit: "ms",
      ...beside(({ goldP99Ms }) => goldP99Ms),
      note: `unloaded ${own.goldP99MsUnloaded.toFixed(1)} ms; the generator's p99 lateness ${own.lateMsP99.toFixed(2)} ms`,
    },
    {
      name: "gold served of offered",
      value: own.servedRatio.gold,
      unit: "ratio",
      ...beside(({ servedRatio }) => servedRatio.gold),
      note: describe(own.servedPerSecond),
    },
    {
      ...atLeast("bronze served ÷ its reserve", [own.servedPerSecond.bronze / bronzeMin, 1]),
      note: `reserve 0.05 of ${CAPACITY_PER_SECOND}/s = ${bronzeMin}/s`,
    },
    {
      name: `goodput at ${factor} × overload`,
      value: own.goodputPerSecond,
      unit: "/s",
      ...beside(({ goodputPerSecond }) => goodputPerSecond),
      ...(typeof haproxy === "string"
        ? {}
        : { note: `HAProxy: ${describe(haproxy.servedPerSecond)}, gold's p99 ${haproxy.goldP99Ms.toFixed(1)} ms` }),
    },
    atMost("in flight at the endpoint, by its own count", [own.inFlightMax, capacity], {
      unit: "requests",
      note:
        `of those that it answered; ${own.inFlightMaxWithCut} with those whose connection closed before: ${own.cutCount} requests were ` +
        "cut at their deadline, and the endpoint works on until it sees that",
    }),
    { ...atMost("the gateway's share of a core meanwhile", [own.busyRatio, 0.5]), ...beside(({ busyRatio }) => busyRatio) },
  ];
}

interface MostOptions {
  readonly unit?: string;
  readonly note?: string;
}

function atMost(name: string, [value, budget]: readonly [number, number], { unit = "ratio", ...note }: MostOptions = {}): BenchRow {
  return { name, value, unit, budget, ok: value <= budget, ...note };
}

function atLeast(name: string, [value, budget]: readonly [number, number]): BenchRow {
  return { name, value, unit: "ratio", budget, isLeast: true, ok: value >= budget };
}

function explain({ parts }: Cost): string {
  return Object.entries(parts)
    .map(([part, dollars]) => `${part} ${dollars.toFixed(4)}`)
    .join(", ");
}

function describe(perSecond: Readonly<Record<ClassName, number>>): string {
  return Object.entries(perSecond)
    .map(([name, each]) => `${name} ${each.toFixed(1)}/s`)
    .join(", ");
}

function percent(ratio: number): string {
  return `${Math.round(ratio * 100)} %`;
}
