// The shards of an isolate's lease: which one a request meets, what runs on each, and which of them are left out for now.
import type { ServiceConfig } from "#shared/config/schema.ts";
import type { HeldLease } from "#shared/lease/held-lease.ts";
import type { RouteTable, ShardRoute } from "#shared/protocol/pool-rpc.ts";
import type { Kernels } from "#wasm/binding/kernels.ts";
import { Balancer, type ChoiceInput } from "./balancer.ts";
import type { HeldSlot, ShardEnd } from "./held-slot.ts";
import { RefusedLanes } from "./refused-lanes.ts";
import { ShardMeters } from "./shard-meters.ts";

export class LeaseShards {
  readonly meters: ShardMeters;
  readonly #held: HeldLease;
  readonly #balancer: Balancer;
  readonly #refused = new RefusedLanes();
  #config: ServiceConfig | null = null;
  #tableVersion = 0;
  /** Units that fail are replaced: where none is open, the pool is where to wait. */
  #isReplaced = false;

  constructor(held: HeldLease, kernels: () => Kernels) {
    this.meters = new ShardMeters(kernels);
    this.#held = held;
    this.#balancer = new Balancer(kernels);
  }

  get tableVersion(): number {
    return this.#tableVersion;
  }

  /** False: it uses it already. */
  use(config: ServiceConfig): boolean {
    if (config === this.#config) return false;
    this.#config = config;
    this.#balancer.use(config.balance);
    this.#isReplaced = config.endpoints.some(({ provider }) => provider === "process");
    return true;
  }

  isRefusing(lane: string): boolean {
    return this.#refused.isClosed(lane);
  }

  indexOf(shardId: string): number {
    return this.#balancer.indexOf(shardId);
  }

  /** Index of the shard, or -1: no endpoint has a slot left here. */
  choose(input: ChoiceInput): number {
    if (this.#refused.isDue(input.nowMs)) for (const lane of this.#refused.takeOpen(input.nowMs)) this.#reopen(lane);
    return this.#balancer.choose(input);
  }

  at(shardIndex: number): ShardRoute | undefined {
    return this.#balancer.shards[shardIndex];
  }

  enter(lane: string, shardIndex: number): void {
    this.#balancer.start(shardIndex);
    this.meters.start(lane);
    if (!this.#held.hasRoomIn(lane)) this.#balancer.setOpen(lane, false);
  }

  leave(slot: HeldSlot, ended: ShardEnd): void {
    const shardIndex = slot.tableVersion === this.#tableVersion ? slot.shardIndex : this.#balancer.indexOf(slot.shardId);
    this.#balancer.end(shardIndex, { latencyMs: ended.upstreamMs, nowMs: ended.nowMs });
    this.meters.end(slot, ended);
    if (ended.upstreamMs !== undefined) this.#refused.answered(slot.lane);
  }

  /** A request has left the lane: there may be room again. */
  freed(lane: string): void {
    this.#reopen(lane);
  }

  /** Another endpoint's slot for the same request, or null. */
  move(slot: HeldSlot, { avoid, ended, ...input }: ChoiceInput & { avoid: ReadonlySet<string>; ended: ShardEnd }): HeldSlot | null {
    for (const lane of avoid) this.#balancer.setOpen(lane, false);
    const shardIndex = this.choose(input);
    const shard = this.at(shardIndex);
    for (const lane of avoid) this.#reopen(lane);
    // A slot that was granted by name lies at its endpoint.
    if (shard === undefined || slot.slotId !== undefined || avoid.has(shard.endpointUrl)) return null;
    if (!this.#held.move(slot.lane, shard.endpointUrl, input.nowMs)) return null;
    this.leave(slot, ended);
    this.#reopen(slot.lane);
    this.enter(shard.endpointUrl, shardIndex);
    const { endpointUrl: lane, shardId } = shard;
    return { ...slot, lane, shardId, shardIndex, tableVersion: this.#tableVersion };
  }

  /** Nobody listens there: it is left out for a moment, unless there is no other and will be none. */
  refuse(lane: string, nowMs: number): void {
    const lanes = this.#balancer.shards.map(({ endpointUrl }) => endpointUrl);
    const isLast = !this.#isReplaced && lanes.every((other) => other === lane || this.#refused.isClosed(other));
    if (isLast) return;
    this.#refused.refuse(lane, nowMs);
    this.#balancer.setOpen(lane, false);
  }

  follow(table: RouteTable): void {
    if (table.version <= this.#tableVersion) return;
    this.#tableVersion = table.version;
    this.#balancer.replace(table.shards);
    this.#refused.keep(table.shards.map(({ endpointUrl }) => endpointUrl));
  }

  /** The lease is another. */
  reopen(): void {
    for (const { endpointUrl } of this.#balancer.shards) this.#reopen(endpointUrl);
  }

  /** Gives the memory back. It must not be used afterwards. */
  release(): void {
    this.#balancer.release();
    this.meters.release();
  }

  #reopen(lane: string): void {
    this.#balancer.setOpen(lane, this.#held.hasRoomIn(lane) && !this.#refused.isClosed(lane));
  }
}
