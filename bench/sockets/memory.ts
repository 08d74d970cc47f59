// What an idle device costs in memory: the resident set of the gateway's process, before and after so many devices.
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { residentBytes } from "#scripts/fleet/process-memory.ts";
import { MIB_BYTES } from "#shared/units.ts";
import type { EchoProcess } from "./echo-process.ts";
import { openDevices, type LoadDevice } from "./load/load-device.ts";
import { startSocketGateway, type SocketGateway } from "./tidegate.ts";

export interface MemoryFigure {
  readonly bytesPerSocket: number;
  readonly socketsPerGib: number;
  readonly count: number;
}

export interface MemoryOptions {
  readonly folder: string;
  readonly echo: EchoProcess;
  readonly mode: "http" | "websocket";
  readonly isResumable: boolean;
}

const GIB_BYTES = 1_024 * MIB_BYTES;
/** Before the first measure, so that what is loaded and compiled once is not counted. */
const WARM_COUNT = 200;
const COUNT = 1_000;
/** What the largest default shard holds. */
const SHARD_SIZE = 50;
/** Until what opening left behind is collected, and idle objects have hibernated. */
const SETTLE_MS = 15_000;

export async function measureMemory({ folder, echo, mode, isResumable }: MemoryOptions): Promise<MemoryFigure> {
  const gateway = await startSocketGateway({
    folder: join(folder, `memory-${mode}-${isResumable}`),
    endpointUrl: `http://127.0.0.1:${echo.port}`,
    mode,
    capacity: WARM_COUNT + COUNT,
    shardSize: SHARD_SIZE,
  });
  const devices: LoadDevice[] = [];
  try {
    devices.push(...(await open(gateway, { first: 0, count: WARM_COUNT, isResumable })));
    await setTimeout(SETTLE_MS);
    const before = residentBytes(gateway.pid);
    devices.push(...(await open(gateway, { first: WARM_COUNT, count: COUNT, isResumable })));
    await setTimeout(SETTLE_MS);
    const bytesPerSocket = (residentBytes(gateway.pid) - before) / COUNT;
    return { bytesPerSocket, socketsPerGib: GIB_BYTES / bytesPerSocket, count: COUNT };
  } finally {
    for (const device of devices) device.destroy();
    await gateway.stop();
  }
}

async function open(
  gateway: SocketGateway,
  { first, count, isResumable }: { first: number; count: number; isResumable: boolean },
): Promise<LoadDevice[]> {
  const tokens = await Promise.all(Array.from({ length: count }, (_, index) => gateway.token(`d-${first + index}`)));
  return openDevices(tokens.map((token) => ({ port: gateway.port, path: "/connect/echo", token, isResumable })));
}
