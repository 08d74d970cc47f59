// The edges of the region simulation's sockets: each asks the pool of its region for a slot by name, again where the call failed, and gives back
// what it does not hand over to a Shard object. What gateway/lease/socket-admission.ts and regional-pool-object.ts do, without a network.
import type { ReleaseReport } from "#shared/protocol/pool-rpc.ts";
import type { SimulatedCalls } from "./region-calls.ts";
import type { SimulatedPool } from "./region-pool.ts";
import { OPENING_MS, type Opened } from "./region-sockets.ts";

/** How often somebody who waits is looked at, and how often at the most. */
const TURN_MS = 50;
const TURNS_MAX = 30;

interface EdgesInput {
  readonly calls: SimulatedCalls;
  readonly now: () => number;
  readonly nowOf: (pool: SimulatedPool) => number;
  readonly laneOf: (pool: SimulatedPool) => string;
  /** Waits for the pool's lease at home, where that has to be asked for. */
  readonly ensure: (pool: SimulatedPool, flow: string) => Promise<void>;
  readonly kill: (pool: SimulatedPool) => void;
  readonly release: (pool: SimulatedPool, report: ReleaseReport) => Promise<unknown>;
  readonly open: (opened: Opened, startedAtMs: number) => void;
}

export class SimulatedEdges {
  readonly counts = { asked: 0, grantedAgain: 0 };
  readonly #input: EdgesInput;
  /** By name, how often a pool granted it. */
  readonly #granted = new Map<string, number>();

  constructor(input: EdgesInput) {
    this.#input = input;
  }

  /** One device opens a socket. */
  async open(slotId: string, { pool, flow }: Pick<Opened, "pool" | "flow">): Promise<void> {
    const { calls, kill, now } = this.#input;
    this.counts.asked += 1;
    const startedAtMs = now();
    try {
      const lane = await calls.repeated(async () => this.#acquireAt(pool, { slotId, flow }), { kill: () => kill(pool) });
      if (lane !== null) this.#input.open({ slotId, flow, lane, pool }, startedAtMs);
    } catch {
      await this.end({ slotId, flow, pool });
    }
  }

  /** Of what nobody took over: asked again where the call failed, and then left to its end. */
  async end({ slotId, flow, pool }: Omit<Opened, "lane">): Promise<void> {
    const { calls, kill, release } = this.#input;
    const report = { slotId, holder: "edge", flow, outcome: "upstream-failed" as const };
    await calls.repeated(async () => release(pool, report), { kill: () => kill(pool) }).catch(() => undefined);
  }

  async #acquireAt(pool: SimulatedPool, { slotId, flow }: Pick<Opened, "slotId" | "flow">): Promise<string | null> {
    const { calls, nowOf, laneOf, ensure } = this.#input;
    pool.reach(nowOf(pool));
    const { death } = pool;
    // What was granted before goes home with the next call, and would be granted twice after it.
    if (pool.home !== null && pool.ledger.slot(slotId) === undefined) await ensure(pool, flow);
    if (pool.death !== death) throw new Error("evicted");
    const input = { slotId, owner: "edge", flow, shardId: "", lifeMs: OPENING_MS, isDurable: true, device: "d" };
    for (let turn = 0; turn < TURNS_MAX; turn += 1) {
      const slot = pool.commit(() => pool.ledger.acquire({ ...input, lane: laneOf(pool) }, nowOf(pool)));
      // As one that waits in a queue.
      pool.ledger.setWaiting(flow, slot === null ? 1 : 0);
      if (slot !== null) return this.#noted(slotId, slot.lane);
      await calls.wait(TURN_MS);
      if (pool.death !== death) throw new Error("evicted");
      pool.reach(nowOf(pool));
    }
    pool.ledger.setWaiting(flow, 0);
    return null;
  }

  #noted(slotId: string, lane: string): string {
    const times = (this.#granted.get(slotId) ?? 0) + 1;
    this.#granted.set(slotId, times);
    if (times === 2) this.counts.grantedAgain += 1;
    return lane;
  }
}
