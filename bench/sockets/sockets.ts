// npm run bench -- sockets: what a socket costs through a shard, relayed, idle, in memory and while its shard is drained.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BenchOptions } from "../bench.ts";
import type { BenchRow } from "../report.ts";
import { measureDrain } from "./drain.ts";
import { startEcho } from "./echo-process.ts";
import { measureIdle } from "./idle.ts";
import { measureMemory } from "./memory.ts";
import { measureRelayed } from "./relayed.ts";
import { drainRows, idleRows, memoryRow, relayedRows } from "./rows.ts";

export async function sockets({ rounds, onProgress }: BenchOptions): Promise<BenchRow[]> {
  const folder = await mkdtemp(join(tmpdir(), "tidegate-bench-"));
  const echo = await startEcho();
  try {
    const relayed = await measureRelayed({ folder, echo, rounds, onProgress });
    onProgress("a shard of 1,000 devices, drained");
    const drained = await measureDrain({ folder, onProgress });
    onProgress("idle devices, and what they hold in memory");
    // Each has a gateway of its own, and waits most of the time; none measures how fast anything is.
    const [idle, asleep, plain] = await Promise.all([
      measureIdle({ folder, echo }),
      measureMemory({ folder, echo, mode: "http", isResumable: true }),
      measureMemory({ folder, echo, mode: "websocket", isResumable: false }),
    ]);
    return [
      ...relayedRows(relayed),
      memoryRow("tidegate.v1, http", asleep),
      memoryRow("plain, each with one of the endpoint's", plain),
      ...idleRows(idle),
      ...drainRows(drained),
    ];
  } finally {
    await echo.stop();
    await rm(folder, { recursive: true, force: true });
  }
}
