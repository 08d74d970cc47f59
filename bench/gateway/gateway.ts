// npm run bench -- gateway: what Tidegate costs and whom it serves, beside a Worker that only forwards, an idiomatic proxy, the
// naive design and HAProxy. One run, one machine, one backend; everything in turn.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BenchOptions } from "../bench.ts";
import type { BenchRow } from "../report.ts";
import { startBackend, type BackendProcess } from "./backend-process.ts";
import { requestsOf } from "./callers.ts";
import type { Contender } from "./contenders/contender.ts";
import { startHaproxy, whyNoHaproxy } from "./contenders/haproxy.ts";
import { startPlainWorker } from "./contenders/plain-worker.ts";
import { startTidegate, type Tidegate } from "./contenders/tidegate.ts";
import { countTidegate } from "./counted.ts";
import { median } from "./median.ts";
import { measureOverload, OVERLOAD, type OverloadFigure } from "./overload.ts";
import { costRows, HONO, NAIVE, NAIVE_IN_MEMORY, overloadRows, SMALLEST, steadyRows, TIDEGATE } from "./rows.ts";
import { measureClosed, measureOpen } from "./steady.ts";

const PLAIN_WORKERS = [
  { name: SMALLEST, file: "smallest.ts" },
  { name: HONO, file: "hono-proxy.ts" },
  { name: NAIVE, file: "naive.ts", objectClass: "Slots" },
  { name: NAIVE_IN_MEMORY, file: "naive.ts", objectClass: "MemorySlots" },
] as const;
/** Below saturation: this part of what the slower of the two proxies can do. */
const OPEN_LOAD_RATIO = 0.25;
const HAPROXY_CAPACITY = 200;

export async function gateway(options: BenchOptions): Promise<BenchRow[]> {
  const folder = await mkdtemp(join(tmpdir(), "tidegate-bench-"));
  const backend = await startBackend();
  try {
    const bench: Bench = { ...options, folder, backend };
    const steady = await measureSteady(bench);
    options.onProgress("counting object calls and rows");
    const counted = await countTidegate({ folder: join(folder, "counting"), backendPort: backend.port });
    const overload = await measureOverloads(bench);
    return [...steady.rows, ...costRows(counted, steady.cpuMicros), ...overload];
  } finally {
    await backend.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

interface Bench extends BenchOptions {
  readonly folder: string;
  readonly backend: BackendProcess;
}

async function measureSteady({
  folder,
  backend,
  rounds,
  onProgress,
}: Bench): Promise<{ rows: BenchRow[]; cpuMicros: Map<string, number> }> {
  const where = { folder, backendPort: backend.port };
  const started: Contender[] = [];
  try {
    const tidegate = await startTidegate({ folder: join(folder, "tidegate"), backendPort: backend.port });
    started.push(tidegate);
    for (const plain of PLAIN_WORKERS) started.push(await startPlainWorker(plain, where));
    if (whyNoHaproxy() === null)
      started.push(
        await startHaproxy({ ...where, folder: join(folder, "haproxy"), capacity: HAPROXY_CAPACITY, waitMsMax: OVERLOAD.deadlineMs }),
      );
    const requests = await requestsOf(tidegate);
    onProgress(`warming up ${started.map(({ name }) => name).join(", ")}`);
    const closed = await measureClosed({ contenders: started, backend, requests, rounds, onProgress });
    const most = (name: string): number => median((closed.get(name) ?? []).map(({ perSecond }) => perSecond));
    const ratePerSecond = Math.min(most(HONO), most(TIDEGATE)) * OPEN_LOAD_RATIO;
    const proxies = started.filter(({ name }) => name === TIDEGATE || name === HONO);
    const open = await measureOpen({ contenders: proxies, requests, rounds, ratePerSecond, onProgress });
    return {
      rows: steadyRows({ closed, open, ratePerSecond, whyNoHaproxy: whyNoHaproxy() }),
      cpuMicros: new Map([...closed].map(([name, of]) => [name, median(of.map(({ cpuMicros }) => cpuMicros))])),
    };
  } finally {
    await Promise.all(started.map((contender) => contender.stop()));
  }
}

async function measureOverloads({ folder, backend, onProgress }: Bench): Promise<BenchRow[]> {
  const { capacity, deadlineMs } = OVERLOAD;
  const where = { backendPort: backend.port, capacity };
  onProgress("overload: Tidegate");
  const tidegate = await startTidegate({ ...where, folder: join(folder, "tidegate-overload"), deadlineMs });
  try {
    const own = await measureOverload(tidegate, { backend, tokens: tidegate });
    return overloadRows(own, await measureHaproxy({ ...where, folder, backend, tokens: tidegate, onProgress }));
  } finally {
    await tidegate.stop();
  }
}

interface HaproxyOverload extends Omit<Bench, "rounds"> {
  readonly backendPort: number;
  readonly capacity: number;
  readonly tokens: Tidegate;
}

async function measureHaproxy({ folder, backend, tokens, onProgress, ...where }: HaproxyOverload): Promise<OverloadFigure | string> {
  const absent = whyNoHaproxy();
  if (absent !== null) return absent;
  onProgress("overload: HAProxy");
  const haproxy = await startHaproxy({ ...where, folder: join(folder, "haproxy-overload"), waitMsMax: OVERLOAD.deadlineMs });
  try {
    return await measureOverload(haproxy, { backend, tokens });
  } finally {
    await haproxy.stop();
  }
}
