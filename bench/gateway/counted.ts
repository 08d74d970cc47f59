// Object calls, alarms and rows of Tidegate under a steady load, counted by a build that counts them (workers/counting.ts).
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { bundleWorker } from "#scripts/build.ts";
import { ROOT } from "#scripts/root.ts";
import { startTidegate } from "./contenders/tidegate.ts";
import type { Usage } from "./cost.ts";
import { openLoop } from "./load/open-loop.ts";
import { requestsOf } from "./callers.ts";

export interface CountedOptions {
  readonly folder: string;
  readonly backendPort: number;
}

export interface Counted extends Omit<Usage, "cpuMs"> {
  readonly served: number;
}

/** DESIGN.md's steady state. */
export const COUNTED_PER_SECOND = 1_000;
const COUNTED_MS = 6_000;
const WARM_UP_MS = 2_000;

const countsSchema = z.object({
  calls: z.int(),
  alarms: z.int(),
  rowsRead: z.int(),
  rowsWritten: z.int(),
  objects: z.int(),
});

export async function countTidegate({ folder, backendPort }: CountedOptions): Promise<Counted> {
  await mkdir(folder, { recursive: true });
  const bundleFile = join(folder, "counting.js");
  await bundleWorker(join(ROOT, "bench/gateway/workers/counting.ts"), bundleFile);
  const tidegate = await startTidegate({ folder, backendPort, bundleFile });
  try {
    const requests = await requestsOf(tidegate);
    const stream = { name: "steady", ratePerSecond: COUNTED_PER_SECOND, requests };
    const read = async () => countsSchema.parse(await (await fetch(`http://127.0.0.1:${tidegate.port}/__counts`)).json());
    await openLoop({ port: tidegate.port, streams: [stream], durationMs: WARM_UP_MS, seed: 1 });
    const before = await read();
    const { tallies, countedMs } = await openLoop({ port: tidegate.port, streams: [stream], durationMs: COUNTED_MS, seed: 2 });
    const after = await read();
    const tally = tallies.get("steady");
    return {
      requests: tally?.total ?? 0,
      served: tally?.count2xx ?? 0,
      objectRequests: after.calls + after.alarms - before.calls - before.alarms,
      objectSeconds: (after.objects * countedMs) / 1_000,
      rowsRead: after.rowsRead - before.rowsRead,
      rowsWritten: after.rowsWritten - before.rowsWritten,
    };
  } finally {
    await tidegate.stop();
  }
}
