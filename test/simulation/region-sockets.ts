// Sockets of the region simulation: devices that ask a pool of any region for a slot, edges that hand it to a Shard object, Shard objects that
// take it over by way of the pool that named it, and end it. Calls are lost, late, or heard and not answered; instances die between any two
// events. What lives has its slot at home, and nowhere else; what has gone leaves none anywhere.
import { SlotKeeper, type SlotDebt, type SlotDebts, type SlotOwner } from "#durable/shard/slot-keeper.ts";
import type { ReleaseReport } from "#shared/protocol/pool-rpc.ts";
import { repeatPauseMs } from "#shared/protocol/repeat-pause.ts";
import type { SocketAssignment } from "#shared/protocol/shard-rpc.ts";
import type { SeededRandom } from "#test/wasm/seeded-random.ts";
import type { EventQueue } from "./event-queue.ts";
import type { SimulatedPool } from "./region-pool.ts";

/** A socket's slot lives so long until it is taken over, or has been refused; its endpoint has it for the first part of that. */
export const OPENING_MS = 5_000;
const ENDPOINT_MS = 2_000;
const UNCONFIRMED_MS = 15_000;
const CALL_LATE_MS = 6_000;
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
  readonly isCalm: () => boolean;
  readonly nowOf: (pool: SimulatedPool) => number;
}

export class SimulatedSockets {
  readonly counts = { opened: 0, keptAway: 0, moved: 0, shardsDied: 0, callsFailed: 0 };
  readonly #world: World;
  readonly #disks = Array.from({ length: SHARDS }, (): Disk => ({ debts: new Map(), sessions: new Map() }));
  readonly #instances: (Instance | null)[] = Array.from({ length: SHARDS }, () => null);
  /** Whose endpoint has been asked, and whose slot is not taken over. */
  readonly #opening = new Map<string, Opened>();

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
  open(opened: Opened, grantedAtMs: number): void {
    const { queue, random } = this.#world;
    if (queue.nowMs >= grantedAtMs + ENDPOINT_MS) return this.#endAtEdge(opened);
    this.counts.opened += 1;
    const { slotId, flow, lane, pool } = opened;
    this.#opening.set(slotId, opened);
    const takesMs = random.next() * (grantedAtMs + ENDPOINT_MS - queue.nowMs);
    queue.after(takesMs, () => {
      this.#opening.delete(slotId);
      if (random.below(10) === 0) return this.#endAtEdge(opened);
      const region = pool.home === null ? undefined : (pool.name as "enam");
      const assignment = { slotId, flow, service: SERVICE, holder: "edge", region } as SocketAssignment;
      void this.#takeOver(random.below(SHARDS), assignment, lane).then((isKept) => isKept || this.#endAtEdge(opened));
    });
  }

  /** One session goes to another shard, in the place of the slot that it has at home. */
  move(): void {
    const { random, home, nowOf } = this.#world;
    const sessions = this.#living.filter(({ shard, socket }) => this.#diskOf(shard).sessions.has(socket.slotId));
    const { shard, socket } = sessions[random.below(sessions.length)] ?? {};
    if (shard === undefined || socket === undefined) return;
    const slotId = `m${(this.counts.moved += 1)}`;
    const { flow, lane, slotId: inPlaceOf } = socket;
    const slot = { slotId, owner: "edge", flow, lane, shardId: "", lifeMs: OPENING_MS, isDurable: true, device: "d", inPlaceOf };
    if (home.commit(() => home.ledger.acquire(slot, nowOf(home))) === null) return;
    const to = (shard + 1) % SHARDS;
    const assignment = { slotId, flow, service: SERVICE, holder: "edge" } as SocketAssignment;
    void this.#takeOver(to, assignment, lane).then((isKept) => isKept && this.#end(shard, socket));
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

  /** What lives has its slot: at home, without an end, and no region's. */
  check(): void {
    const { home, regions } = this.#world;
    for (const { shard, socket } of this.#living) {
      const slot = home.ledger.slot(socket.slotId);
      if (slot?.owner !== ownerOf(shard) || slot.expiresAtMs !== null) throw new Error(`${socket.slotId} lives without its slot`);
      for (const { name, ledger } of regions)
        if (ledger.slot(socket.slotId)?.owner === ownerOf(shard)) throw new Error(`${socket.slotId} is counted at ${name}, too`);
    }
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

  /** A refusal: once, and lost like any other call. */
  #endAtEdge({ slotId, flow, pool }: Opened): void {
    const report = { slotId, holder: "edge", flow, outcome: "upstream-failed" as const };
    this.#call(
      () => true,
      () => this.#releaseAt(pool, report),
    ).catch(() => undefined);
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
    const { home, regions, queue } = this.#world;
    return new SlotKeeper({
      debts,
      owner: ownerOf(shard),
      poolOf: ({ region }) => {
        const pool = regions.find(({ name }) => name === region) ?? home;
        return {
          keep: async (slotId, from, to) => this.#call(isAlive, async () => this.#keepAt(pool, [slotId, from, to])),
          release: async (report) => this.#call(isAlive, async () => this.#releaseAt(pool, report)),
        };
      },
      isHeldOnDisk: (slotId) => sessions.has(slotId),
      wakeAt: () => undefined,
      now: () => queue.nowMs,
      pause: async () => new Promise((wake) => queue.after(repeatPauseMs(0.5), () => isAlive() && wake())),
    });
  }

  // What pools answer

  async #keepAt(pool: SimulatedPool, call: readonly [slotId: string, from: string, to: string]): Promise<boolean> {
    if (pool.sockets === null) return pool.commit(() => pool.ledger.keep(...call) !== null);
    pool.tick(this.#world.nowOf(pool));
    return Promise.race([pool.sockets.keep(...call), pool.death]);
  }

  async #releaseAt(pool: SimulatedPool, report: ReleaseReport): Promise<{ freed: boolean }> {
    const { slotId, holder } = report;
    pool.tick(this.#world.nowOf(pool));
    const isFreed = pool.commit(() => pool.sockets?.releaseHere(report) ?? pool.ledger.release(slotId, holder));
    if (isFreed || pool.sockets === null) return { freed: isFreed };
    return Promise.race([pool.sockets.releaseAtHome(report), pool.death]);
  }

  /** A regional pool's own calls to home. */
  callsHome(pool: SimulatedPool) {
    const { home, nowOf, queue } = this.#world;
    const { sockets } = pool;
    const ask = async <T>(run: () => T): Promise<T> =>
      this.#call(
        () => pool.sockets === sockets || sockets === null,
        () => {
          if (queue.nowMs < pool.cutOffUntilMs) throw new Error("cut off");
          home.tick(nowOf(home));
          return home.commit(run);
        },
      );
    return {
      keep: async (slotId: string, from: string, to: string) => ask(() => home.ledger.keep(slotId, from, to) !== null),
      release: async ({ slotId, holder }: ReleaseReport) => ask(() => ({ freed: home.ledger.release(slotId, holder) })),
    };
  }

  /** Sent, heard, answered: late, or lost on either way; also after the caller was told that it failed, or has died. */
  async #call<T>(isAlive: () => boolean, heard: () => T | Promise<T>): Promise<T> {
    const { queue, random, isCalm } = this.#world;
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    if (!isAlive()) return promise;
    const fate = isCalm() ? 0 : random.below(12);
    const delayMs = isCalm() ? 5 : 1 + random.below(60);
    if (fate <= 3 && fate >= 1) this.counts.callsFailed += 1;
    const answer = (settle: () => void): void => queue.after(delayMs, () => isAlive() && settle());
    const hear = async (): Promise<T> => heard();
    const listen = (then: (value: T) => void): void =>
      void hear().then(then, (error: unknown) => answer(() => reject(error instanceof Error ? error : new Error(String(error)))));
    if (fate === 1) answer(() => reject(new Error("lost")));
    else if (fate === 2) {
      answer(() => reject(new Error("given up")));
      queue.after(random.below(CALL_LATE_MS), () => listen(() => undefined));
    } else queue.after(delayMs, () => listen((value) => answer(() => (fate === 3 ? reject(new Error("unheard")) : resolve(value)))));
    return promise;
  }

  #diskOf(shard: number): Disk {
    const disk = this.#disks[shard];
    if (disk === undefined) throw new Error(`shard ${shard} is none`);
    return disk;
  }
}

function ownerOf(shard: number): string {
  return `shard-${shard}`;
}
