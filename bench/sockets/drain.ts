// How long it takes until 1,000 talking devices have left a shard, with the operator's own command, and what became of their messages.
import { join } from "node:path";
import { echoOf, startEchoEndpoint } from "#scripts/fleet/echo-endpoint.ts";
import { Fleet, type FleetResult } from "#scripts/fleet/fleet.ts";
import { startSocketGateway } from "./tidegate.ts";

export const DRAIN_SETTING = { devices: 1_000, graceMs: 1_000, messagesPerSecond: 100 } as const;

export async function measureDrain({ folder, onProgress }: { folder: string; onProgress: (what: string) => void }): Promise<FleetResult> {
  const { devices, graceMs, messagesPerSecond } = DRAIN_SETTING;
  const endpoint = await startEchoEndpoint();
  // All on one shard, and as many slots again: each device has one on both shards for a moment.
  const gateway = await startSocketGateway({
    folder: join(folder, "drain"),
    endpointUrl: endpoint.url,
    mode: "http",
    capacity: 2 * devices,
    shardSize: 2 * devices,
  });
  const fleet = new Fleet({
    url: gateway.url,
    operatorKey: gateway.operatorKey,
    service: "echo",
    count: devices,
    messagesPerSecond,
    drainGraceMs: graceMs,
    tokenOf: (device) => gateway.token(device),
    answerTo: echoOf,
    onProgress,
  });
  try {
    return await fleet.run(() => undefined);
  } finally {
    await fleet.stop();
    await Promise.all([gateway.stop(), endpoint.close()]);
  }
}
