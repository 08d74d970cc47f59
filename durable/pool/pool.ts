// One service's pool: the ledger, the shard table over it, and the decision who gets a slot where. Pure but
// for the Wasm memory it owns; pool-object.ts gives it time, storage and a network.
import { SlotLedger, type Slot } from "#durable/lease/ledger.ts";
import { refuse, type Refusal } from "#shared/errors/refusal.ts";
import { SLOT_EXTENSION_MS, SLOT_GRACE_MS, type AcquireRequest } from "#shared/protocol/pool-rpc.ts";
import { SECOND_MS } from "#shared/units.ts";
import type { Kernels } from "#wasm/binding/kernels.ts";
import { ShardTable } from "#wasm/binding/shard-table.ts";
import { layoutShards } from "./layout.ts";
import type { PoolConfiguration } from "./store.ts";

/** Without a queue there is no better forecast of when a slot is free than soon. */
const RETRY_AFTER_MS = SECOND_MS;

export type Acquired = { readonly ok: true; readonly slot: Slot; readonly endpointUrl: string; readonly isNew: boolean } | Refusal;

export class Pool {
  readonly ledger: SlotLedger;
  readonly #table: ShardTable;
  #configuration: PoolConfiguration = { version: 0, name: "", service: null };
  #indexOf = new Map<string, number>();

  constructor(kernels: Kernels, ledger = new SlotLedger()) {
    this.ledger = ledger;
    this.#table = new ShardTable(kernels);
  }

  get configuration(): PoolConfiguration {
    return this.#configuration;
  }

  /** Follows a new configuration; returns the number of the next new shard. */
  configure(configuration: PoolConfiguration, nextNumber: number): number {
    const endpoints = configuration.service?.endpoints ?? [];
    const service = configuration.service ?? {
      service: configuration.name,
      endpoints,
      shards: { sizeMin: 1, sizeMax: 1, countMin: 0, countMax: 0 },
    };
    const layout = layoutShards({ service, current: this.ledger.shards, inUse: (shardId) => this.ledger.inUse(shardId), nextNumber });
    this.ledger.configure(layout.shards, new Map(endpoints.map(({ url, capacity }) => [url, capacity])));
    this.follow(configuration);
    return layout.nextNumber;
  }

  /** Takes over a configuration whose shards the ledger has already, as after a restart. */
  follow(configuration: PoolConfiguration): void {
    this.#configuration = configuration;
    const { shards } = this.ledger;
    this.#indexOf = new Map(shards.map(({ shardId }, index) => [shardId, index]));
    this.#table.replace(shards.map(({ shardId, size }) => ({ shardId, weight: this.ledger.hasRoom(shardId) ? size : 0 })));
  }

  acquire(request: AcquireRequest, nowMs: number): Acquired {
    const { service } = this.#configuration;
    if (service === null) return refuse("unknown-service", `There is no service ${request.service} here.`);
    const repeated = this.ledger.slot(request.slotId);
    if (repeated !== undefined) {
      if (repeated.holder !== request.holder) return refuse("internal", "The slot's id belongs to another holder.");
      return { ok: true, slot: repeated, endpointUrl: this.#endpointOf(repeated.shardId), isNew: false };
    }
    const { shards } = this.ledger;
    if (!shards.some(({ state }) => state === "active"))
      return refuse("no-endpoint", `Service ${request.service} has no endpoint in service.`);
    const shard = shards[this.#table.choose(request.affinityKey ?? request.slotId)];
    if (shard === undefined) {
      return refuse("rejected-capacity", `All slots of service ${request.service} are in use.`, {
        retryAfterMs: RETRY_AFTER_MS,
      });
    }
    const { slotId, holder, flow, kind } = request;
    const slot = this.ledger.acquire({
      slotId,
      shardId: shard.shardId,
      holder,
      flow,
      kind,
      nowMs,
      expiresAtMs: nowMs + service.deadlineMs + SLOT_GRACE_MS,
    });
    this.#weigh(slot.shardId);
    return { ok: true, slot, endpointUrl: shard.endpointUrl, isNew: true };
  }

  release(slotId: string, holder: string): Slot | undefined {
    const slot = this.ledger.release(slotId, holder);
    if (slot !== undefined) this.#weigh(slot.shardId);
    return slot;
  }

  extend(slotId: string, holder: string, nowMs: number): Slot | undefined {
    return this.ledger.extend(slotId, holder, nowMs + SLOT_EXTENSION_MS);
  }

  /** Ends the draining shards whose last slot is back; says whether there were any. */
  dropDrained(): boolean {
    const { endpoints = [] } = this.#configuration.service ?? {};
    const left = this.ledger.shards.filter(({ shardId, state }) => state === "active" || this.ledger.inUse(shardId) > 0);
    if (left.length === this.ledger.shards.length) return false;
    this.ledger.configure(left, new Map(endpoints.map(({ url, capacity }) => [url, capacity])));
    this.follow(this.#configuration);
    return true;
  }

  expire(nowMs: number): readonly Slot[] {
    const expired = this.ledger.expire(nowMs);
    for (const { shardId } of expired) this.#weigh(shardId);
    return expired;
  }

  /** An endpoint's last slot may close or open all of its shards, so all of them are weighed again. */
  #weigh(shardId: string): void {
    const endpointUrl = this.#endpointOf(shardId);
    for (const shard of this.ledger.shards) {
      const index = this.#indexOf.get(shard.shardId);
      if (shard.endpointUrl !== endpointUrl || index === undefined) continue;
      this.#table.setWeight(index, this.ledger.hasRoom(shard.shardId) ? shard.size : 0);
    }
  }

  #endpointOf(shardId: string): string {
    return this.ledger.shards.find((shard) => shard.shardId === shardId)?.endpointUrl ?? "";
  }
}
