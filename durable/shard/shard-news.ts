// What a Shard object tells its pool, now and then: what devices report of their sockets in band, by flow, and what endpoints and
// devices say that cannot be followed. In memory: what an eviction takes with it is figures of seconds.
import type { ObjectEnv } from "#durable/lib/env.ts";
import type { NextAlarm } from "#durable/lib/next-alarm.ts";
import { sumOfCounts, type DeviceOrders, type DeviceWord, type FlowReport } from "#shared/protocol/device-report.ts";
import type { GripFault } from "#shared/protocol/grip.ts";
import { poolName } from "#shared/protocol/pool-rpc.ts";
import { SECOND_MS } from "#shared/units.ts";
import type { LoneMoves } from "./lone-moves.ts";

const INTERVAL_MS = 5 * SECOND_MS;
/** What waits is sent at once when it is so much. */
const FLOWS_MAX = 64;
const LATENCIES_MAX = 4_096;
const WORDS_MAX = 256;

interface Shell {
  readonly pools: ObjectEnv["POOL"];
  readonly ctx: DurableObjectState;
  /** Who carries out what the pool answers, for sessions whose devices have just reported. */
  readonly moves: () => Pick<LoneMoves, "letGo">;
  readonly alarm: Pick<NextAlarm, "wakeAt">;
}

/** Whose news it is. */
interface Source {
  readonly service: string;
  readonly shardId: string;
}

export class ShardNews {
  readonly #shell: Shell;
  #source: Source | null = null;
  #reports = new Map<string, FlowReport>();
  #latencies = 0;
  /** By flow and device: the last one's, and the session that it is of. */
  #words = new Map<string, { readonly word: DeviceWord; readonly sessionId: string }>();
  #faults: Record<string, number> = {};
  #dueAtMs = Infinity;

  constructor(shell: Shell) {
    this.#shell = shell;
  }

  /** What an endpoint said that is none of GRIP; `refused`: of its subscriptions, which were too many. */
  countGripFaults(source: Source, faults: readonly GripFault[], refused: number): void {
    for (const fault of faults) this.countFault(source, fault);
    this.countFault(source, "too-many-topics", refused);
  }

  countFault({ service, shardId }: Source, fault: GripFault | "report-too-soon", count = 1): void {
    if (count === 0) return;
    this.#faults[fault] = (this.#faults[fault] ?? 0) + count;
    this.#expect({ service, shardId });
  }

  /** Within DEVICE_REPORT's bounds. */
  report({ service, shardId }: Source, report: FlowReport): void {
    const known = this.#reports.get(report.flow);
    this.#reports.set(report.flow, known === undefined ? report : sumOf(known, report));
    this.#latencies += report.latenciesMs.length;
    this.#expect({ service, shardId });
    if (this.#reports.size >= FLOWS_MAX || this.#latencies >= LATENCIES_MAX) this.#send();
  }

  hear({ service, shardId }: Source, word: DeviceWord, sessionId: string): void {
    this.#words.set(keyOf(word), { word, sessionId });
    this.#expect({ service, shardId });
    if (this.#words.size >= WORDS_MAX) this.#send();
  }

  /** When it is to be called again. */
  onAlarm(nowMs: number): number {
    if (nowMs >= this.#dueAtMs) this.#send();
    return this.#dueAtMs;
  }

  #expect(source: Source): void {
    this.#source = source;
    if (this.#dueAtMs !== Infinity) return;
    this.#dueAtMs = Date.now() + INTERVAL_MS;
    this.#shell.alarm.wakeAt(this.#dueAtMs);
  }

  #send(): void {
    const { pools, ctx } = this.#shell;
    if (this.#source === null) return;
    const { service, shardId } = this.#source;
    const words = this.#words;
    const news = {
      shardId,
      from: "shard",
      words: [...words.values()].map(({ word }) => word),
      reports: [...this.#reports.values()],
      faults: this.#faults,
    } as const;
    this.#reports = new Map();
    this.#words = new Map();
    this.#latencies = 0;
    this.#faults = {};
    this.#dueAtMs = Infinity;
    // The pool follows its configuration by itself.
    const told = Promise.resolve(pools.get(pools.idFromName(poolName(service))).report(service, 0, news));
    const letGo = ({ leave }: DeviceOrders): void =>
      this.#shell.moves().letGo(leave.flatMap((device) => words.get(keyOf(device))?.sessionId ?? []));
    ctx.waitUntil(
      told.then(letGo).catch((error: unknown) => {
        console.warn(JSON.stringify({ level: "warn", event: "shard-news-lost", shardId, error: String(error) }));
      }),
    );
  }
}

function keyOf({ flow, device }: Pick<DeviceWord, "flow" | "device">): string {
  return `${flow} ${device}`;
}

function sumOf(a: FlowReport, b: FlowReport): FlowReport {
  return { ...sumOfCounts(a, b), flow: a.flow, latenciesMs: [...a.latenciesMs, ...b.latenciesMs] };
}
