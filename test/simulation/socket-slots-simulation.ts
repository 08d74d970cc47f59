// Slots of sockets between a pool and its Shard objects: the ledger and the keepers as they run, calls that are late, lost before or
// after they were heard, instances that die between any two events. The pool asks nobody anything. Checked after every event: whatever
// lives has its slot. After the storm: no slot is anybody's that does not live, and nobody wakes any more.
import { LeaseLedger } from "#durable/lease/lease-ledger.ts";
import type { LedgerPolicy } from "#durable/lease/lease-policy.ts";
import { CALL_MS_MAX, SlotKeeper, type SlotDebt, type SlotDebts } from "#durable/shard/slot-keeper.ts";
import { repeatPauseMs } from "#shared/protocol/repeat-pause.ts";
import type { SocketAssignment } from "#shared/protocol/shard-rpc.ts";
import { HOUR_MS, MINUTE_MS, SECOND_MS } from "#shared/units.ts";
import { seededRandom } from "#test/wasm/seeded-random.ts";
import { EventQueue } from "./event-queue.ts";

/** What a canary breaks. */
export interface Broken {
  /** Debts are not kept. */
  readonly isForgetful?: boolean;
  /** A session is written after its slot was taken over. */
  readonly isLate?: boolean;
  /** A debt is given back while a call for it may be on its way. */
  readonly isHasty?: boolean;
  /** What is on disk beside the debts is not looked at. */
  readonly isBlind?: boolean;
}

export interface SlotsResult {
  readonly opened: number;
  readonly deaths: number;
  readonly callsLost: number;
  readonly callsLate: number;
  /** Alarms in the hour after the storm, of objects that hold sessions only. */
  readonly wakeUps: number;
}

interface Disk {
  readonly debts: Map<string, SlotDebt>;
  /** Slot → when it ends unless its device is heard of; null: it was. */
  readonly sessions: Map<string, number | null>;
  alarmAtMs: number | null;
}

interface Instance {
  isAlive: boolean;
  readonly keeper: SlotKeeper;
  readonly relays: Set<string>;
}

const FLOW = "acme/gold";
const LANE = "e";
const CAPACITY = 12;
const POLICY: LedgerPolicy = {
  capacity: CAPACITY,
  lanes: new Map([[LANE, CAPACITY]]),
  classes: new Map([["gold", { weight: 1, reserve: 0 }]]),
  flow: () => ({ className: "gold", weight: 1, slotsMax: CAPACITY, rate: null }),
  requestDurationMsMax: 30_000,
  holdersMax: 3,
  flowsPerHolderMax: 2,
};
const GRANT_MS = 20 * SECOND_MS;
const UNCONFIRMED_MS = 15 * SECOND_MS;
/** Its instances hold no relayed sockets, so it sleeps. */
const SLEEPER = 0;
const SHARDS = 2;

export class SocketSlotsSimulation {
  readonly #random;
  readonly #queue = new EventQueue(1_000_000);
  readonly #broken: Broken;
  #ledger = new LeaseLedger(POLICY, this.#queue.nowMs);
  readonly #disks = Array.from({ length: SHARDS }, (): Disk => ({ debts: new Map(), sessions: new Map(), alarmAtMs: null }));
  readonly #instances: (Instance | null)[] = Array.from({ length: SHARDS }, () => null);
  #isCalm = false;
  readonly #counts = { opened: 0, deaths: 0, callsLost: 0, callsLate: 0, wakeUps: 0 };

  constructor(seed: number, broken: Broken = {}) {
    this.#random = seededRandom(seed);
    this.#broken = broken;
  }

  async run(stormMs: number): Promise<SlotsResult> {
    const startMs = this.#queue.nowMs;
    this.#queue.every(
      () => this.#random.exponential() * 2_000,
      () => this.#isCalm || this.#strike(),
    );
    this.#queue.every(
      () => SECOND_MS,
      () => void this.#ledger.tick(this.#queue.nowMs),
    );
    await this.#until(startMs + stormMs);
    this.#isCalm = true;
    await this.#until(startMs + stormMs + 5 * MINUTE_MS);
    this.#checkLeaks();
    this.#counts.wakeUps = 0;
    await this.#until(startMs + stormMs + HOUR_MS);
    this.#checkLeaks();
    return this.#counts;
  }

  async #until(endMs: number): Promise<void> {
    while (this.#queue.step(endMs)) {
      // What was promised is done before the next event.
      await new Promise((resolve) => setImmediate(resolve));
      this.#checkSlots();
    }
  }

  #strike(): void {
    const shard = this.#random.below(SHARDS);
    const dice = this.#random.below(20);
    if (dice < 9) void this.#open(shard);
    else if (dice < 15) this.#close(shard);
    else if (dice < 18) this.#die(shard);
    // Every promise is on its disk.
    else this.#ledger = LeaseLedger.fromRows(POLICY, this.#ledger.toRows(), this.#queue.nowMs);
  }

  async #open(shard: number): Promise<void> {
    const slotId = `s${(this.#counts.opened += 1)}`;
    const granted = { slotId, owner: "edge", flow: FLOW, lane: LANE, shardId: String(shard), lifeMs: GRANT_MS, isDurable: true };
    if (this.#ledger.acquire(granted, this.#queue.nowMs) === null) return;
    const kind = this.#random.below(shard === SLEEPER ? 2 : 3);
    const [instance, { sessions }] = [this.#instanceOf(shard), this.#diskOf(shard)];
    const { keeper, relays } = instance;
    const assignment = { slotId, flow: FLOW, service: "echo", holder: "edge" } as SocketAssignment;
    if (kind === 0) {
      const untilMs = this.#queue.nowMs + UNCONFIRMED_MS;
      const begin = (): void => {
        sessions.set(slotId, untilMs);
        this.#wakeAt(shard, untilMs);
      };
      if (this.#broken.isLate !== true) begin();
      const isKept = await keeper.takeOver(assignment, { isOnDisk: true });
      if (!instance.isAlive) return;
      if (!isKept) return void sessions.delete(slotId);
      // It took too long: the session is over, its slot given back.
      if (this.#broken.isLate === true) begin();
      else if (!sessions.has(slotId)) return;
      keeper.settle(slotId);
      this.#queue.after(this.#random.next() * 5_000, () => instance.isAlive && sessions.has(slotId) && sessions.set(slotId, null));
    } else if (await keeper.takeOver(assignment)) {
      if (!instance.isAlive) return;
      if (kind === 2) return void relays.add(slotId);
      // A session of another shard: its rows come with another call.
      this.#queue.after(this.#random.next() * 3_000, () => {
        if (!instance.isAlive) return;
        sessions.set(slotId, null);
        this.#queue.after(this.#random.next() * 3_000, () => instance.isAlive && keeper.settle(slotId));
      });
    }
  }

  #close(shard: number): void {
    const [{ keeper, relays }, { sessions }] = [this.#instanceOf(shard), this.#diskOf(shard)];
    const living = [...relays, ...[...sessions].flatMap(([slotId, untilMs]) => (untilMs === null ? [slotId] : []))];
    const slotId = living[this.#random.below(living.length)];
    if (slotId === undefined) return;
    relays.delete(slotId);
    sessions.delete(slotId);
    void keeper.release({ slotId, flow: FLOW, service: "echo" });
  }

  #die(shard: number): void {
    const instance = this.#instances[shard];
    if (instance === null || instance === undefined) return;
    instance.isAlive = false;
    this.#instances[shard] = null;
    this.#counts.deaths += 1;
  }

  #instanceOf(shard: number): Instance {
    const known = this.#instances[shard];
    if (known !== null && known !== undefined) return known;
    const disk = this.#diskOf(shard);
    const instance: Instance = { isAlive: true, relays: new Set(), keeper: this.#keeperOf(shard, () => instance.isAlive) };
    this.#instances[shard] = instance;
    for (const dueAtMs of disk.sessions.values()) if (dueAtMs !== null) this.#wakeAt(shard, dueAtMs);
    this.#look(shard, instance);
    return instance;
  }

  #keeperOf(shard: number, isAlive: () => boolean): SlotKeeper {
    const { debts: kept, sessions } = this.#diskOf(shard);
    const { isForgetful = false, isHasty = false, isBlind = false } = this.#broken;
    // What is dead writes nothing.
    const debts: SlotDebts = {
      put: (debt) => isAlive() && !isForgetful && void kept.set(debt.slotId, isHasty ? { ...debt, sinceMs: 0 } : debt),
      drop: (slotId) => isAlive() && void kept.delete(slotId),
      all: () => [...kept.values()],
    };
    const owner = `shard-${shard}`;
    return new SlotKeeper({
      debts,
      owner,
      poolOf: () => ({
        keep: async (slotId, from, to) => this.#call(isAlive, () => this.#ledger.keep(slotId, from, to) !== null),
        release: async ({ slotId, holder }) => this.#call(isAlive, () => this.#ledger.release(slotId, holder)),
      }),
      isHeldOnDisk: (slotId) => !isBlind && sessions.has(slotId),
      wakeAt: (atMs) => isAlive() && this.#wakeAt(shard, atMs),
      pause: async () => new Promise((wake) => this.#queue.after(repeatPauseMs(0.5), () => isAlive() && wake())),
      now: () => this.#queue.nowMs,
    });
  }

  /** Sent, heard, answered: late, or lost on either way; also after the caller was told that it failed, or has died. */
  async #call<T>(isAlive: () => boolean, heard: () => T): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const answer = (settle: () => void, delayMs: number): void => this.#queue.after(delayMs, () => isAlive() && settle());
    const fate = this.#isCalm ? 0 : this.#random.below(10);
    const delayMs = this.#random.next() * (this.#isCalm ? 100 : CALL_MS_MAX / 3);
    if (!isAlive()) return promise;
    if (fate === 1) {
      this.#counts.callsLost += 1;
      answer(() => reject(new Error("lost")), delayMs);
    } else if (fate === 2) {
      this.#counts.callsLate += 1;
      answer(() => reject(new Error("given up")), delayMs);
      this.#queue.after(delayMs + (this.#random.next() * CALL_MS_MAX) / 2, () => void heard());
    } else {
      this.#queue.after(delayMs, () => {
        const value = heard();
        if (fate === 3) answer(() => reject(new Error("unheard")), delayMs);
        else answer(() => resolve(value), delayMs);
      });
    }
    return promise;
  }

  #wakeAt(shard: number, atMs: number): void {
    const disk = this.#diskOf(shard);
    if (atMs === Infinity || (disk.alarmAtMs !== null && disk.alarmAtMs <= atMs)) return;
    disk.alarmAtMs = atMs;
    this.#queue.after(atMs - this.#queue.nowMs, () => this.#alarm(shard));
  }

  #alarm(shard: number): void {
    const disk = this.#diskOf(shard);
    const { nowMs } = this.#queue;
    if (disk.alarmAtMs === null || disk.alarmAtMs > nowMs) return;
    disk.alarmAtMs = null;
    if (shard === SLEEPER) this.#counts.wakeUps += 1;
    const instance = this.#instanceOf(shard);
    for (const [slotId, dueAtMs] of disk.sessions) {
      if (dueAtMs === null) continue;
      if (dueAtMs > nowMs) this.#wakeAt(shard, dueAtMs);
      else {
        disk.sessions.delete(slotId);
        void instance.keeper.release({ slotId, flow: FLOW, service: "echo" });
      }
    }
    this.#look(shard, instance);
  }

  #look(shard: number, instance: Instance): void {
    void instance.keeper.look().then((atMs) => instance.isAlive && this.#wakeAt(shard, atMs));
  }

  #diskOf(shard: number): Disk {
    const disk = this.#disks[shard];
    if (disk === undefined) throw new Error(`shard ${shard} is none`);
    return disk;
  }

  #living(shard: number): string[] {
    const confirmed = [...this.#diskOf(shard).sessions].flatMap(([slotId, untilMs]) => (untilMs === null ? [slotId] : []));
    return [...confirmed, ...(this.#instances[shard]?.relays ?? [])];
  }

  /** Nothing that lives uses a slot that the ledger might give to another. */
  #checkSlots(): void {
    for (let shard = 0; shard < SHARDS; shard += 1)
      for (const slotId of this.#living(shard)) {
        const slot = this.#ledger.slot(slotId);
        if (slot?.owner !== `shard-${shard}` || slot.expiresAtMs !== null) throw new Error(`${slotId} lives without its slot`);
      }
  }

  #checkLeaks(): void {
    const living = new Set(this.#instances.flatMap((_, shard) => this.#living(shard)));
    for (const { slotId, owner } of this.#ledger.named)
      if (!living.has(slotId)) throw new Error(`${slotId} is ${owner}'s and does not live`);
  }
}
