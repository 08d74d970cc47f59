// What 1,000 idle devices wake in an hour: an hour's pings of theirs, sent in less, while the objects' clock passes that hour with every
// alarm of the pool's; and every event that the Shard objects saw.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import * as z from "zod";
import { bundleWorker } from "#scripts/build.ts";
import { ROOT } from "#scripts/root.ts";
import { RESUME } from "#shared/resume/bounds.ts";
import { HOUR_MS } from "#shared/units.ts";
import type { EchoProcess } from "./echo-process.ts";
import { openDevices, type LoadDevice } from "./load/load-device.ts";
import { startSocketGateway } from "./tidegate.ts";

export interface IdleFigure {
  readonly devices: number;
  readonly shards: number;
  /** Pings that were sent and answered. */
  readonly pings: number;
  /** Events at Shard objects meanwhile, by name; also what the pool asks of them, and their alarms. */
  readonly woken: Readonly<Record<string, number>>;
  /** Of the service's pool meanwhile. */
  readonly poolAlarms: number;
  /** Shard objects that were not in memory any more when the pings were over. */
  readonly asleep: number;
}

const DEVICE_COUNT = 1_000;
/** The largest default shard. */
const SHARD_SIZE = 50;
/** A device that hears nothing pings so often in an hour. */
const PINGS_PER_DEVICE = HOUR_MS / RESUME.silenceMsMax;
const POOL_PREFIX = "pool.";
/** The alarm that looks for a hello comes once after a socket was opened; it is none of an idle device's. */
const SETTLE_MS = RESUME.unconfirmedMsMax + 5_000;
/** The hour's pings are sent in so long: more than the ten seconds without an event after which an object sleeps. */
const PINGING_MS = 15_000;
const PONG_POLL_MS = 50;
const PONGS_MS_MAX = 60_000;

const countsSchema = z.record(z.string(), z.int());
const dueSchema = z.object({ due: z.int() });

export async function measureIdle({ folder, echo }: { folder: string; echo: EchoProcess }): Promise<IdleFigure> {
  const own = join(folder, "idle");
  await mkdir(own, { recursive: true });
  const bundleFile = join(own, "counting.js");
  await bundleWorker(join(ROOT, "bench/sockets/workers/counting-objects.ts"), bundleFile);
  const endpointUrl = `http://127.0.0.1:${echo.port}`;
  const gateway = await startSocketGateway({
    folder: own,
    endpointUrl,
    mode: "http",
    capacity: DEVICE_COUNT,
    shardSize: SHARD_SIZE,
    bundleFile,
  });
  const devices: LoadDevice[] = [];
  const read = async (): Promise<Record<string, number>> => countsSchema.parse(await (await fetch(`${gateway.url}/__counts`)).json());
  try {
    const tokens = await Promise.all(Array.from({ length: DEVICE_COUNT }, (_, index) => gateway.token(`d-${index}`)));
    devices.push(...(await openDevices(tokens.map((token) => ({ port: gateway.port, path: "/connect/echo", token, isResumable: true })))));
    await setTimeout(SETTLE_MS);
    const before = await read();
    await pingAll(devices, gateway.url);
    const after = await read();
    const { due } = dueSchema.parse(await (await fetch(`${gateway.url}/__due`)).json());
    // Whoever slept is constructed anew by the first message.
    for (const device of devices) device.send("awake?");
    await Promise.all(devices.map(async (device) => new Promise<void>((resolve) => (device.onMessage = () => resolve()))));
    const { constructed = 0 } = await read();
    const events = Object.entries(after)
      .map(([name, count]): [string, number] => [name, count - (before[name] ?? 0)])
      .filter(([name, count]) => count > 0 && !name.startsWith(POOL_PREFIX));
    return {
      devices: DEVICE_COUNT,
      shards: DEVICE_COUNT / SHARD_SIZE,
      pings: DEVICE_COUNT * PINGS_PER_DEVICE,
      woken: Object.fromEntries(due === 0 ? events : [...events, ["alarms that were due", due]]),
      poolAlarms: (after[`${POOL_PREFIX}alarm`] ?? 0) - (before[`${POOL_PREFIX}alarm`] ?? 0),
      asleep: constructed - (after["constructed"] ?? 0),
    };
  } finally {
    for (const device of devices) device.destroy();
    await gateway.stop();
  }
}

async function pingAll(devices: readonly LoadDevice[], url: string): Promise<void> {
  const startedAtMs = performance.now();
  for (let ping = 1; ping <= PINGS_PER_DEVICE; ping += 1) {
    for (const device of devices) device.ping();
    await fetch(`${url}/__pass?ms=${RESUME.silenceMsMax}`);
    await setTimeout(Math.max(0, startedAtMs + (ping * PINGING_MS) / PINGS_PER_DEVICE - performance.now()));
  }
  const untilMs = performance.now() + PONGS_MS_MAX;
  while (devices.some(({ pongs }) => pongs < PINGS_PER_DEVICE)) {
    if (performance.now() > untilMs) throw new Error("Cannot measure idle devices: not every ping was answered");
    await setTimeout(PONG_POLL_MS);
  }
}
