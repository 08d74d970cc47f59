// Sockets of the region simulation: devices that ask a pool of any region for a slot, edges that hand it to a Shard object, Shard objects that
// take it over by way of the pool that named it, and end it. Calls are lost, late, or heard and not answered; instances die between any two
// events. What lives has its slot at home, and nowhere else; what has gone leaves none anywhere.
import { SlotKeeper, type SlotDebt, type SlotDebts, type SlotOwner } from "#durable/shard/slot-keeper.ts";
import type { ReleaseReport } from "#shared/protocol/pool-rpc.ts";
import { repeatPauseMs } from "#shared/protocol/repeat-pause.ts";
import type { SocketAssignment } from "#shared/protocol/shard-rpc.ts";
import type { SeededRandom } from "#test/wasm/seeded-random.ts";
import type { EventQueue } from "./event-queue.ts";
import type { SimulatedCalls } from "./region-calls.ts";
import type { SimulatedPool } from "./region-pool.ts";

/** A device's deadline: until then its edge waits for a slot and for the endpoint. A slot lives longer than that until it is taken over. */
const DEADLINE_MS = 3_000;
export const OPENING_MS = DEADLINE_MS + 3_000;
const UNCONFIRMED_MS = 15_000;
/** How long after its end a slot may be there: a clock that was set back, or an instance that was away. */
const LATE_END_MS = 5_000;
const SHARDS = 3;
const SERVICE = "svc";

export interface Opened {
  readonly slotId: string;
  readonly flow: string;
  readonly lane: string;
  readonly pool: SimulatedPool;
}

interface SessionOnDisk extends SlotOwner {
  readonly lane: string;
  /** When it ends unless its device is heard of; null: it was. */
  untilMs: number | null;
}

interface Disk {
  readonly debts: Map<string, SlotDebt>;
  readonly sessions: Map<string, SessionOnDisk>;
}

interface Instance {
  isAlive: boolean;
  readonly keeper: SlotKeeper;
  readonly relays: Map<string, SessionOnDisk>;
}

interface World {
  readonly random: SeededRandom;
  readonly queue: EventQueue;
  readonly home: SimulatedPool;
  readonly regions: readonly SimulatedPool[];
  readonly calls: SimulatedCalls;
  readonly nowOf: (pool: SimulatedPool) => number;
  readonly kill: (pool: SimulatedPool) => void;
  /** A home pool's answer to `keep`. */
  readonly keepAtHome: (home: SimulatedPool, call: KeepCall) => boolean;
  readonly releaseAtHome: ReleaseAtHome;
  /** An edge gives back what no Shard object took. */
  readonly endAtEdge: (opened: Omit<Opened, "lane">) => Promise<void>;
}

/** Whether it was there. */
export type ReleaseAtHome = (home: SimulatedPool, report: Pick<ReleaseReport, "slotId" | "holder">) => boolean;
export type KeepCall = readonly [slotId: string, from: string, to: string];

export class SimulatedSockets {
  readonly counts = { opened: 0, keptAway: 0, moved: 0, shardsDied: 0 };
  readonly #world: World;
  readonly #disks = Array.from({ length: SHARDS }, (): Disk => ({ debts: new Map(), sessions: new Map() }));
  readonly #instances: (Instance | null)[] = Array.from({ length: SHARDS }, () => null);
  /** Whose endpoint has been asked, and whose slot is not taken over. */
  readonly #opening = new Map<string, Opened>();
  /** By pool, since when a slot is there that ends by itself. */
  readonly #seen = new Map<SimulatedPool, Map<string, number>>();

  constructor(world: World) {
    this.#world = world;
  }

  /** Slots that sockets use at their endpoints. */
  get inUse(): readonly { readonly flow: string; readonly lane: string; readonly slotId: string }[] {
    return [...this.#living.map(({ socket }) => socket), ...this.#opening.values()];
  }

  /** Of one region, those that are not home's yet. */
  openingIn(name: string): readonly Opened[] {
    const { ledger } = this.#world.home;
    return [...this.#opening.values()].filter(({ pool, slotId }) => pool.name === name && ledger.slot(slotId) === undefined);
  }

  get livingCount(): number {
    return this.#living.length;
  }

  get debtCount(): number {
    return this.#disks.reduce((sum, { debts }) => sum + debts.size, 0);
  }

  /** A device's edge has a slot, and hands it to a Shard object. */
  open(opened: Opened, startedAtMs: number): void {
    const { queue, random } = this.#world;
    const leftMs = startedAtMs + DEADLINE_MS - queue.nowMs;
    if (leftMs <= 0) return this.#endAtEdge(opened);
    this.counts.opened += 1;
    const { slotId, flow, lane, pool } = opened;
    this.#opening.set(slotId, opened);
    queue.after(random.next() * leftMs, () => {
      this.#opening.delete(slotId);
      if (random.below(10) === 0) return this.#endAtEdge(opened);
      const region = pool.home === null ? undefined : (pool.name as "enam");
      const assignment = { slotId, flow, service: SERVICE, holder: "edge", region } as SocketAssignment;
      void this.#takeOver(random.below(SHARDS), assignment, lane).then((isKept) => isKept || this.#endAtEdge(opened));
    });
  }

  /** One session goes to another shard, in the place of the slot that it has at home. */
  async move(): Promise<void> {
    const { random, home, nowOf, calls } = this.#world;
    const sessions = this.#living.filter(({ shard, socket }) => this.#diskOf(shard).sessions.has(socket.slotId));
    const { shard, socket } = sessions[random.below(sessions.length)] ?? {};
    if (shard === undefined || socket === undefined) return;
    const slotId = `m${(this.counts.moved += 1)}`;
    const { flow, lane, slotId: inPlaceOf } = socket;
    const slot = { slotId, owner: "edge", flow, lane, shardId: "", lifeMs: OPENING_MS, isDurable: true, device: "d", inPlaceOf };
    const acquire = (): boolean => {
      home.reach(nowOf(home));
      return home.commit(() => home.ledger.acquire(slot, nowOf(home))) !== null;
    };
    const opened = { slotId, flow, pool: home };
    try {
      if (!(await calls.repeated(acquire))) return;
    } catch {
      return this.#endAtEdge(opened);
    }
    const to = (shard + 1) % SHARDS;
    const assignment = { slotId, flow, service: SERVICE, holder: "edge" } as SocketAssignment;
    if (await this.#takeOver(to, assignment, lane)) this.#end(shard, socket);
    else this.#endAtEdge(opened);
  }

  /** One of those that live ends, or all of them. */
  close(isAll = false): void {
    const living = this.#living;
    const chosen = isAll ? living : [living[this.#world.random.below(living.length)]];
    for (const one of chosen) if (one !== undefined) this.#end(one.shard, one.socket);
  }

  die(): void {
    const shard = this.#world.random.below(SHARDS);
    const instance = this.#instances[shard];
    if (instance === null || instance === undefined) return;
    instance.isAlive = false;
    this.#instances[shard] = null;
    this.counts.shardsDied += 1;
  }

  /** With every minute's alarm, and every start. */
  look(): void {
    for (let shard = 0; shard < SHARDS; shard += 1) this.#lookAt(shard, this.#instanceOf(shard));
  }

  /** What lives has its slot: at home, without an end, and no region's. What has a slot without an end lives, or is owed. */
  check(): void {
    const { home, regions } = this.#world;
    const living = this.#living;
    for (const { shard, socket } of living) {
      const slot = home.ledger.slot(socket.slotId);
      if (slot?.owner !== ownerOf(shard) || slot.expiresAtMs !== null) throw new Error(`${socket.slotId} lives without its slot`);
    }
    if (new Set(living.map(({ socket }) => socket.slotId)).size < living.length) throw new Error("two sockets live on one slot");
    this.#checkEnds(home);
    for (const region of regions) this.#checkEnds(region);
  }

  #checkEnds(pool: SimulatedPool): void {
    const { queue, home } = this.#world;
    const seen = this.#seen.get(pool) ?? new Map<string, number>();
    const present = new Map<string, number>();
    this.#seen.set(pool, present);
    for (const { slotId, owner, expiresAtMs, isDurable } of pool.ledger.named) {
      if (!isDurable) continue;
      const shard = shardOf(owner);
      if (shard >= 0 && pool !== home) throw new Error(`${slotId} is a Shard object's at ${pool.name}`);
      if ((expiresAtMs === null) !== shard >= 0) throw new Error(`${slotId} at ${pool.name} is ${owner}'s and ends ${expiresAtMs}`);
      if (shard >= 0) {
        if (!this.#isKnownTo(shard, slotId)) throw new Error(`${slotId} of ${owner} does not live, and nobody owes it`);
        continue;
      }
      const sinceMs = seen.get(slotId) ?? queue.nowMs;
      present.set(slotId, sinceMs);
      if (queue.nowMs > sinceMs + OPENING_MS + LATE_END_MS && !pool.isDown)
        throw new Error(`${slotId} is ${owner}'s at ${pool.name} for ${queue.nowMs - sinceMs} ms`);
    }
  }

  #isKnownTo(shard: number, slotId: string): boolean {
    const { debts, sessions } = this.#diskOf(shard);
    return debts.has(slotId) || sessions.has(slotId) || this.#instances[shard]?.relays.has(slotId) === true;
  }

  /** No slot is anybody's that does not live, unless it is owed by way of a region that is out of reach. */
  checkLeaks(): void {
    const { home, regions } = this.#world;
    const known = new Set(this.#living.map(({ socket }) => socket.slotId));
    for (const { debts } of this.#disks)
      for (const { slotId, region } of debts.values())
        if (regions.some((pool) => pool.name === region && pool.cutOffUntilMs > 0)) known.add(slotId);
    for (const { name, ledger } of [home, ...regions])
      for (const { slotId, owner, isDurable } of ledger.named)
        if (isDurable && !known.has(slotId)) throw new Error(`${slotId} is ${owner}'s at ${name} and does not live`);
  }

  get #living(): readonly { readonly shard: number; readonly socket: SessionOnDisk }[] {
    return this.#disks.flatMap(({ sessions }, shard) => {
      const confirmed = [...sessions.values()].filter(({ untilMs }) => untilMs === null);
      return [...confirmed, ...(this.#instances[shard]?.relays.values() ?? [])].map((socket) => ({ shard, socket }));
    });
  }

  async #takeOver(shard: number, assignment: SocketAssignment, lane: string): Promise<boolean> {
    const { queue, random } = this.#world;
    const [instance, { sessions }] = [this.#instanceOf(shard), this.#diskOf(shard)];
    const { slotId, flow, service, region } = assignment;
    const isSession = random.below(2) === 0;
    const socket: SessionOnDisk = { slotId, flow, service, region, lane, untilMs: null };
    if (isSession) sessions.set(slotId, { ...socket, untilMs: queue.nowMs + UNCONFIRMED_MS });
    const isKept = await instance.keeper.takeOver(assignment, { isOnDisk: isSession });
    if (!instance.isAlive) return true;
    if (!isKept) sessions.delete(slotId);
    if (!isKept) return false;
    if (region !== undefined) this.counts.keptAway += 1;
    const kept = { ...socket, region: undefined };
    if (!isSession) {
      instance.relays.set(slotId, kept);
      return true;
    }
    // It took too long: the session is over, its slot given back.
    if (!sessions.has(slotId)) return true;
    sessions.set(slotId, { ...kept, untilMs: queue.nowMs + UNCONFIRMED_MS });
    instance.keeper.settle(slotId);
    queue.after(random.next() * 3_000, () => instance.isAlive && sessions.has(slotId) && sessions.set(slotId, kept));
    return true;
  }

  #end(shard: number, { slotId, flow, service, region }: SessionOnDisk): void {
    const { keeper, relays } = this.#instanceOf(shard);
    relays.delete(slotId);
    this.#diskOf(shard).sessions.delete(slotId);
    void keeper.release({ slotId, flow, service, region });
  }

  #endAtEdge(opened: Omit<Opened, "lane">): void {
    void this.#world.endAtEdge(opened);
  }

  #instanceOf(shard: number): Instance {
    const known = this.#instances[shard];
    if (known !== null && known !== undefined) return known;
    const instance: Instance = { isAlive: true, relays: new Map(), keeper: this.#keeperOf(shard, () => instance.isAlive) };
    this.#instances[shard] = instance;
    this.#lookAt(shard, instance);
    return instance;
  }

  #lookAt(shard: number, { keeper }: Instance): void {
    const { sessions } = this.#diskOf(shard);
    for (const socket of sessions.values())
      if (socket.untilMs !== null && socket.untilMs <= this.#world.queue.nowMs) this.#end(shard, socket);
    void keeper.look();
  }

  #keeperOf(shard: number, isAlive: () => boolean): SlotKeeper {
    const { debts: kept, sessions } = this.#diskOf(shard);
    const debts: SlotDebts = {
      put: (debt) => isAlive() && void kept.set(debt.slotId, debt),
      drop: (slotId) => isAlive() && void kept.delete(slotId),
      all: () => [...kept.values()],
    };
    const { home, regions, queue, calls, kill } = this.#world;
    return new SlotKeeper({
      debts,
      owner: ownerOf(shard),
      poolOf: ({ region }) => {
        const pool = regions.find(({ name }) => name === region) ?? home;
        return {
          // Its Shard object asks once, and gives back what it was not told of. So a second word comes at the most while it has the slot.
          keep: async (...call) => {
            const mayRepeat = (): boolean => this.#isKnownTo(shard, call[0]);
            return calls.once(async () => this.#keepAt(pool, call), { isAlive, mayRepeat, kill: () => kill(pool) });
          },
          release: async (report) => calls.once(async () => this.releaseAt(pool, report), { isAlive, kill: () => kill(pool) }),
        };
      },
      isHeldOnDisk: (slotId) => sessions.has(slotId),
      wakeAt: () => undefined,
      now: () => queue.nowMs,
      pause: async () => new Promise((wake) => queue.after(repeatPauseMs(0.5), () => isAlive() && wake())),
    });
  }

  // What pools answer

  async #keepAt(pool: SimulatedPool, call: KeepCall): Promise<boolean> {
    pool.reach(this.#world.nowOf(pool));
    if (pool.sockets === null) return this.#world.keepAtHome(pool, call);
    return Promise.race([pool.sockets.keep(...call), pool.death]);
  }

  /** Of an edge, or of a Shard object. */
  async releaseAt(pool: SimulatedPool, report: ReleaseReport): Promise<{ freed: boolean }> {
    const { sockets, death } = pool;
    pool.reach(this.#world.nowOf(pool));
    if (sockets === null) return { freed: this.#world.releaseAtHome(pool, report) };
    if (pool.commit(() => sockets.releaseHere(report))) return { freed: true };
    return Promise.race([sockets.releaseAtHome(report), death]);
  }

  /** A regional pool's own calls to home. */
  callsHome(pool: SimulatedPool) {
    const { home, nowOf, queue, calls, kill, keepAtHome, releaseAtHome } = this.#world;
    const { sockets } = pool;
    const ask = async <T>(run: () => T, mayRepeat?: () => boolean): Promise<T> =>
      calls.once(
        () => {
          if (queue.nowMs < pool.cutOffUntilMs) throw new Error("cut off");
          home.reach(nowOf(home));
          return run();
        },
        { isAlive: () => pool.sockets === sockets || sockets === null, kill: () => kill(home), ...(mayRepeat && { mayRepeat }) },
      );
    return {
      keep: async (...call: KeepCall) =>
        ask(
          () => keepAtHome(home, call),
          () => this.#isKnownTo(shardOf(call[2]), call[0]),
        ),
      release: async (report: ReleaseReport) => ask(() => ({ freed: releaseAtHome(home, report) })),
    };
  }

  #diskOf(shard: number): Disk {
    const disk = this.#disks[shard];
    if (disk === undefined) throw new Error(`shard ${shard} is none`);
    return disk;
  }
}

const OWNERS = Array.from({ length: SHARDS }, (_, shard) => `shard-${shard}`);

function ownerOf(shard: number): string {
  return OWNERS[shard] ?? "";
}

/** -1: an edge's. */
function shardOf(owner: string): number {
  return OWNERS.indexOf(owner);
}
