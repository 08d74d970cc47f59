// Which shard a request meets, of those whose endpoint has a slot left at this isolate. What an endpoint may take over all
// isolates is the lease's business (its lanes); here a full lane closes its shards.
import type { ServiceConfig } from "#shared/config/schema.ts";
import { LIMITS } from "#shared/limits.ts";
import type { ShardRoute } from "#shared/protocol/pool-rpc.ts";
import type { Kernels } from "#wasm/binding/kernels.ts";
import { LeastConnections } from "#wasm/binding/least-connections.ts";
import { PeakEwma } from "#wasm/binding/peak-ewma.ts";
import { ShardTable } from "#wasm/binding/shard-table.ts";
import { SmoothRoundRobin } from "#wasm/binding/smooth-round-robin.ts";

/** A shard may have so much more than its part of this isolate's slots before keys go to their next one. */
const LOAD_RATIO = 1.25;
const WORD_COUNT = 2 ** 32;

type Rule = ServiceConfig["balance"];

/** One way to choose; indices are the shards'. */
interface Chooser {
  replace(shards: readonly ShardRoute[]): void;
  setOpen(index: number, isOpen: boolean): void;
  /** -1: none is open. */
  choose(input: ChoiceInput): number;
  start(index: number, running: number): void;
  end(index: number, input: { running: number; latencyMs: number | undefined; nowMs: number }): void;
  release(): void;
}

export interface ChoiceInput {
  readonly key: string;
  readonly nowMs: number;
  /** Slots that the isolate holds. */
  readonly slots: number;
  /** Requests that run here. */
  readonly running: number;
}

export class Balancer {
  readonly #kernels: () => Kernels;
  readonly #choosers = new Map<Rule, Chooser>();
  #rule: Rule = "rendezvous";
  #chooser: Chooser | null = null;
  #shards: readonly ShardRoute[] = [];
  #running = new Uint32Array(0);
  readonly #isOpen = new Map<string, boolean>();

  constructor(kernels: () => Kernels) {
    this.#kernels = kernels;
  }

  get shards(): readonly ShardRoute[] {
    return this.#shards;
  }

  /** Follows a new table: what runs on shards that stay, is kept. */
  replace(shards: readonly ShardRoute[]): void {
    const before = new Map(this.#shards.map(({ shardId }, index) => [shardId, this.#running[index] ?? 0]));
    this.#shards = shards;
    this.#running = Uint32Array.from(shards, ({ shardId }) => before.get(shardId) ?? 0);
    this.#isOpen.clear();
    for (const { endpointUrl } of shards) this.#isOpen.set(endpointUrl, true);
    this.#adopt();
  }

  use(rule: Rule): void {
    if (rule === this.#rule) return;
    this.#rule = rule;
    this.#adopt();
  }

  indexOf(shardId: string): number {
    return this.#shards.findIndex((shard) => shard.shardId === shardId);
  }

  /** Of the shard's endpoint, whether a slot is left here. */
  setOpen(lane: string, isOpen: boolean): void {
    if (this.#isOpen.get(lane) === isOpen || !this.#isOpen.has(lane)) return;
    this.#isOpen.set(lane, isOpen);
    if (this.#chooser === null) return;
    for (const [index, { endpointUrl }] of this.#shards.entries()) if (endpointUrl === lane) this.#chooser.setOpen(index, isOpen);
  }

  /** Index of the shard, or -1: no endpoint has a slot left here. */
  choose(input: ChoiceInput): number {
    if (this.#chooser !== null) return this.#chooser.choose(input);
    const [only] = this.#shards;
    return only !== undefined && this.#isOpen.get(only.endpointUrl) === true ? 0 : -1;
  }

  start(index: number): void {
    if (index < 0 || index >= this.#running.length) return;
    const running = (this.#running[index] ?? 0) + 1;
    this.#running[index] = running;
    this.#chooser?.start(index, running);
  }

  end(index: number, { latencyMs, nowMs }: { latencyMs: number | undefined; nowMs: number }): void {
    if (index < 0 || index >= this.#running.length || this.#running[index] === 0) return;
    const running = (this.#running[index] ?? 0) - 1;
    this.#running[index] = running;
    this.#chooser?.end(index, { running, latencyMs, nowMs });
  }

  /** Gives the memory back. It must not be used afterwards. */
  release(): void {
    for (const chooser of this.#choosers.values()) chooser.release();
  }

  /** One shard needs no arithmetic and no memory. */
  #adopt(): void {
    if (this.#shards.length <= 1) {
      this.#chooser = null;
      return;
    }
    let chooser = this.#choosers.get(this.#rule);
    if (chooser === undefined) this.#choosers.set(this.#rule, (chooser = CHOOSERS[this.#rule](this.#kernels())));
    this.#chooser = chooser;
    chooser.replace(this.#shards);
    for (const [index, { endpointUrl }] of this.#shards.entries()) {
      for (let running = 1; running <= (this.#running[index] ?? 0); running += 1) chooser.start(index, running);
      if (this.#isOpen.get(endpointUrl) === false) chooser.setOpen(index, false);
    }
  }
}

const CHOOSERS: Readonly<Record<Rule, (kernels: Kernels) => Chooser>> = {
  rendezvous: (kernels) => {
    const table = new ShardTable(kernels);
    let shards: readonly ShardRoute[] = [];
    return {
      replace: (next) => table.replace((shards = next).map(({ shardId, size }) => ({ shardId, weight: size }))),
      setOpen: (index, isOpen) => table.setWeight(index, isOpen ? (shards[index]?.size ?? 0) : 0),
      // The bound is a part of the slots held here, not of the few that run: else two requests would part a session.
      choose: ({ key, slots, running }) => table.chooseBounded(key, Math.max(1, (LOAD_RATIO * slots) / (running + 1))),
      start: (index, running) => table.setLoad(index, running),
      end: (index, { running }) => table.setLoad(index, running),
      release: () => table.release(),
    };
  },
  roundRobin: (kernels) => {
    const table = new SmoothRoundRobin(kernels, LIMITS.shardCountMax);
    let shards: readonly ShardRoute[] = [];
    return {
      replace: (next) => table.replace((shards = next).map(({ size }) => size)),
      setOpen: (index, isOpen) => table.setWeight(index, isOpen ? (shards[index]?.size ?? 0) : 0),
      choose: () => table.next(),
      start: () => undefined,
      end: () => undefined,
      release: () => table.release(),
    };
  },
  leastConnections: (kernels) => {
    const table = new LeastConnections(kernels, LIMITS.shardCountMax);
    let shards: readonly ShardRoute[] = [];
    let turn = 0;
    return {
      replace: (next) => table.replace((shards = next).map(({ size }) => size)),
      setOpen: (index, isOpen) => table.setWeight(index, isOpen ? (shards[index]?.size ?? 0) : 0),
      choose: () => table.choose((turn = (turn + 1) % WORD_COUNT)),
      start: (index, running) => table.setActive(index, running),
      end: (index, { running }) => table.setActive(index, running),
      release: () => table.release(),
    };
  },
  twoChoices: (kernels) => {
    const table = new PeakEwma(kernels, LIMITS.shardCountMax);
    return {
      replace: (next) => table.reset(next.length),
      setOpen: (index, isOpen) => table.setOpen(index, isOpen),
      choose: ({ nowMs }) => table.choose([randomWord(), randomWord()], nowMs),
      start: (index) => table.start(index),
      // Without a response there is no latency to learn from: the time it was waited for is one.
      end: (index, { latencyMs, nowMs }) => table.end(index, latencyMs ?? 0, nowMs),
      release: () => table.release(),
    };
  },
};

function randomWord(): number {
  return Math.floor(Math.random() * WORD_COUNT);
}
