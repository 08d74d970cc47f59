import { tenantOf } from "#shared/identifier/entitlement.ts";
import { countBy } from "./count-by.ts";
import { SocketMemory } from "./socket-memory.ts";

/** How many sockets a flow has, and how many a device of a tenant over all its classes; and who has any on which shard. */
export class SocketCounts {
  readonly memory = new SocketMemory();
  readonly #counts = new Map<string, number>();
  /** Shard → tenant, or its device → count. */
  readonly #onShards = new Map<string, Map<string, number>>();

  ofFlow(flow: string): number {
    return this.#counts.get(flow) ?? 0;
  }

  ofDevice(flow: string, device: string): number {
    return this.#counts.get(deviceKey(flow, device)) ?? 0;
  }

  isOn(shardId: string, flow: string, device: string): boolean {
    return this.#onShards.get(shardId)?.has(deviceKey(flow, device)) === true;
  }

  tenantsOn(shardId: string): number {
    return [...(this.#onShards.get(shardId)?.keys() ?? [])].filter((key) => !key.includes(" ")).length;
  }

  /** `change`: 1 or −1. */
  count({ flow, device, shardId }: Counted, change: number): void {
    const ofDevice = device === undefined ? [] : [deviceKey(flow, device)];
    for (const key of [flow, ...ofDevice]) countBy(this.#counts, key, change);
    const onShard = this.#onShards.get(shardId) ?? new Map<string, number>();
    for (const key of [tenantOf(flow), ...ofDevice]) countBy(onShard, key, change);
    if (onShard.size === 0) this.#onShards.delete(shardId);
    else this.#onShards.set(shardId, onShard);
  }
}

interface Counted {
  readonly flow: string;
  readonly shardId: string;
  readonly device?: string | undefined;
}

/** Neither names nor devices have a blank. */
function deviceKey(flow: string, device: string): string {
  return `${tenantOf(flow)} ${device}`;
}
