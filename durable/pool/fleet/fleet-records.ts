// The records of a fleet, and what changed in them. Every change of state goes through `move`, which knows the ways a life
// may take and writes down why.
import { assert } from "#shared/assert.ts";
import type { FleetShardState } from "#shared/protocol/fleet-stats.ts";
import { FLEET } from "./fleet-settings.ts";
import {
  compareAge,
  isBilled,
  NO_FLEET_FACTS,
  priceOf,
  type FleetChanges,
  type FleetFacts,
  type FleetRows,
  type FleetShard,
  type Reason,
} from "./fleet-state.ts";

const WAYS: Readonly<Record<FleetShardState, ReadonlySet<FleetShardState>>> = {
  planned: new Set(["starting", "gone"]),
  starting: new Set(["warm", "gone"]),
  warm: new Set(["canary", "active", "gone"]),
  canary: new Set(["active", "draining", "gone"]),
  active: new Set(["draining", "gone"]),
  draining: new Set(["canary", "active", "warm", "gone"]),
  gone: new Set(),
};

export interface Move {
  readonly reason: Reason;
  readonly detail?: string;
  readonly nowMs: number;
}

export class FleetRecords {
  readonly #shards = new Map<string, FleetShard>();
  readonly #changed = new Set<string>();
  #facts: FleetFacts;
  #haveFactsChanged = false;
  /** Units that nobody knows, by the last list. */
  readonly strays = new Set<string>();

  constructor({ facts, shards }: FleetRows = { facts: NO_FLEET_FACTS, shards: [] }) {
    this.#facts = facts;
    for (const shard of shards.toSorted(compareAge)) this.#shards.set(shard.shardId, shard);
  }

  get facts(): FleetFacts {
    return this.#facts;
  }

  get all(): readonly FleetShard[] {
    return [...this.#shards.values()];
  }

  get(shardId: string): FleetShard | undefined {
    return this.#shards.get(shardId);
  }

  /** Oldest first. */
  in(states: ReadonlySet<FleetShardState>): FleetShard[] {
    return this.all.filter(({ state }) => states.has(state));
  }

  /** What is paid for, or ordered. */
  get costPerHour(): number {
    return this.all.filter(isBilled).reduce((sum, shard) => sum + priceOf(shard), 0);
  }

  add(shard: Omit<FleetShard, "state" | "sinceMs" | "history">, to: "planned" | "active" | "draining", move: Move): void {
    const known = this.#shards.get(shard.shardId);
    assert(known === undefined || !isBilled(known), "a shard's id is used once at a time");
    this.#shards.delete(shard.shardId);
    this.#put({ ...shard, ...this.#entered(known?.history ?? [], to, move) });
  }

  /** Nothing that has a reason of its own. */
  change(shardId: string, part: Partial<Omit<FleetShard, "shardId" | "state" | "sinceMs" | "history">>): void {
    this.#put({ ...this.#known(shardId), ...part });
  }

  move(shardId: string, to: FleetShardState, move: Move & { readonly part?: Partial<FleetShard> }): void {
    const shard = this.#known(shardId);
    assert(WAYS[shard.state].has(to), `no shard goes from ${shard.state} to ${to}`);
    this.#put({ ...shard, trial: null, ...move.part, ...this.#entered(shard.history, to, move) });
    if (to === "gone") this.#forgetOldest();
  }

  setFacts(part: Partial<FleetFacts>): void {
    this.#facts = { ...this.#facts, ...part };
    this.#haveFactsChanged = true;
  }

  /** Since the last call; a shard that was added and forgotten in between is among those that went. */
  takeChanges(): FleetChanges {
    const ids = [...this.#changed];
    const shards = ids.flatMap((shardId) => this.#shards.get(shardId) ?? []);
    const facts = this.#haveFactsChanged ? this.#facts : null;
    this.#changed.clear();
    this.#haveFactsChanged = false;
    return { facts, shards, shardsGone: ids.filter((shardId) => !this.#shards.has(shardId)) };
  }

  #entered(
    history: FleetShard["history"],
    to: FleetShardState,
    { reason, detail = "", nowMs }: Move,
  ): Pick<FleetShard, "state" | "sinceMs" | "history"> {
    const key = `${to} ${reason}`;
    const { transitions } = this.#facts;
    this.setFacts({ transitions: { ...transitions, [key]: (transitions[key] ?? 0) + 1 } });
    const kept = history.slice(Math.max(0, history.length - FLEET.historyMax + 1));
    return { state: to, sinceMs: nowMs, history: [...kept, { atMs: nowMs, to, reason, detail: detail.slice(0, 200) }] };
  }

  #known(shardId: string): FleetShard {
    const shard = this.#shards.get(shardId);
    assert(shard !== undefined, "a shard that changes is known");
    return shard;
  }

  #put(shard: FleetShard): void {
    this.#shards.set(shard.shardId, shard);
    this.#changed.add(shard.shardId);
  }

  #forgetOldest(): void {
    const ended = this.all.filter((shard) => !isBilled(shard)).toSorted((a, b) => a.sinceMs - b.sinceMs);
    for (const { shardId } of ended.slice(0, Math.max(0, ended.length - FLEET.goneCountMax))) {
      this.#shards.delete(shardId);
      this.#changed.add(shardId);
    }
  }
}
