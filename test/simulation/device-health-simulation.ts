// Tenants' devices on the shards of one service, what they measure and what liars say, from a seed and in virtual time; the pool's
// decisions as they run, carried out as its shell does. It knows which shard is at fault: nothing else may be drained.
import { DeviceHealth, type Surroundings } from "#durable/pool/health/device-health.ts";
import type { HealthSettings } from "#durable/pool/health/health-settings.ts";
import type { DeviceWord } from "#shared/protocol/device-report.ts";
import { SECOND_MS } from "#shared/units.ts";
import { seededRandom, type SeededRandom } from "#test/wasm/seeded-random.ts";

/** What a liar says of the shard that it is on; null: the truth. */
export type Lie = (
  device: SimulatedDevice,
  world: { readonly shards: readonly SimulatedShard[] },
) => Omit<DeviceWord, "flow" | "device"> | null;

export interface Scenario {
  readonly shards: readonly { readonly shardId: string; readonly lane: string }[];
  readonly tenants: readonly {
    readonly tenant: string;
    readonly devices: number;
    /** Only on these shards, at first; left out: on any. */
    readonly on?: readonly string[];
    readonly lie?: Lie;
    /** Has sockets, and says nothing. */
    readonly isSilent?: boolean;
    /** Liars; left out: all of its devices, where it has a lie. */
    readonly liars?: number;
  }[];
  /** Part of the devices whose own network is bad wherever they are; 0: nobody's connection breaks either. */
  readonly badNetworks: number;
  readonly reportMs: number;
  /** So often one device comes anew, anywhere; left out: never. */
  readonly churnMs?: number;
  /** From `fromMs` on, of a shard, or of all shards of an endpoint, those that come later too. */
  readonly fault?: { readonly fromMs: number; readonly at: string; readonly kind: "slow" | "dropping" };
}

export interface SimulatedDevice {
  readonly tenant: string;
  readonly device: string;
  readonly usualMs: number;
  readonly isBad: boolean;
  readonly lie: Lie;
  shardId: string;
  nextAtMs: number;
}

interface SimulatedShard {
  readonly shardId: string;
  readonly lane: string;
  /** Null: in use. */
  goneAtMs: number | null;
}

export interface HealthResult {
  readonly drains: readonly { readonly shardId: string; readonly atMs: number; readonly isFault: boolean }[];
  /** Tenant → its devices that left by themselves, and those that a drain sent away. */
  readonly left: ReadonlyMap<string, number>;
  readonly sentAway: ReadonlyMap<string, number>;
  /** When the fault was suspected; null: never. */
  readonly suspectedAtMs: number | null;
}

type NewDevice = Pick<Scenario["tenants"][number], "tenant" | "on" | "isSilent"> & { readonly lie?: Lie };

const TRUTH: Lie = () => null;
const STEP_MS = SECOND_MS;
const NEWS_MS = 5 * SECOND_MS;
const GRACE_MS = 30 * SECOND_MS;
const SLOW_MS = 900;
const BAD_NETWORK_MS = 1_500;

export class DeviceHealthSimulation {
  readonly #random: SeededRandom;
  readonly #scenario: Scenario;
  readonly #health: DeviceHealth;
  readonly #devices: SimulatedDevice[];
  #shards: SimulatedShard[];
  #heard = new Map<string, DeviceWord[]>();
  #nextNumber = 100;
  #nowMs = 0;
  readonly #drains: { shardId: string; atMs: number; isFault: boolean }[] = [];
  readonly #left = new Map<string, number>();
  readonly #sentAway = new Map<string, number>();
  #suspectedAtMs: number | null = null;

  constructor(seed: number, scenario: Scenario, settings?: HealthSettings) {
    this.#random = seededRandom(seed);
    this.#scenario = scenario;
    this.#health = new DeviceHealth(settings);
    this.#shards = scenario.shards.map((shard) => ({ ...shard, goneAtMs: null }));
    this.#devices = scenario.tenants.flatMap(({ devices, liars = devices, ...tenant }) =>
      Array.from({ length: devices }, (_, index) => this.#newDevice(index < liars ? tenant : { ...tenant, lie: TRUTH }, index)),
    );
  }

  run(untilMs: number): HealthResult {
    for (; this.#nowMs < untilMs; this.#nowMs += STEP_MS) {
      for (const device of this.#devices) if (device.nextAtMs <= this.#nowMs) this.#report(device);
      if (this.#nowMs % (this.#scenario.churnMs ?? Infinity) === 0)
        this.#move(this.#devices[this.#random.below(this.#devices.length)], null);
      for (const [index, shard] of this.#shards.entries()) if ((this.#nowMs + index * STEP_MS) % NEWS_MS === 0) this.#tell(shard.shardId);
      this.#shards = this.#shards.filter(({ goneAtMs }) => goneAtMs === null || goneAtMs > this.#nowMs);
    }
    return { drains: this.#drains, left: this.#left, sentAway: this.#sentAway, suspectedAtMs: this.#suspectedAtMs };
  }

  #newDevice({ tenant, on, lie = TRUTH, isSilent = false }: NewDevice, index: number): SimulatedDevice {
    const places = on ?? this.#active.map(({ shardId }) => shardId);
    const isBad = lie === TRUTH && this.#random.below(1_000) < 1_000 * this.#scenario.badNetworks;
    return {
      tenant,
      device: `${tenant}-${index}`,
      usualMs: isBad ? BAD_NETWORK_MS : 10 + this.#random.below(60),
      isBad,
      lie,
      shardId: places[this.#random.below(places.length)] ?? "",
      nextAtMs: isSilent ? Infinity : this.#random.below(this.#scenario.reportMs),
    };
  }

  get #active(): readonly SimulatedShard[] {
    return this.#shards.filter(({ goneAtMs }) => goneAtMs === null);
  }

  get #around(): Surroundings {
    return {
      lanes: new Map(this.#active.map(({ shardId, lane }) => [shardId, lane])),
      tenantCountOn: (shardId) => new Set(this.#devices.filter((device) => device.shardId === shardId).map(({ tenant }) => tenant)).size,
      isDraining: this.#shards.some(({ goneAtMs }) => goneAtMs !== null),
      nowMs: this.#nowMs,
    };
  }

  #isFault(shardId: string): boolean {
    const { fault } = this.#scenario;
    if (fault === undefined || this.#nowMs < fault.fromMs) return false;
    return fault.at === shardId || fault.at === this.#shards.find((shard) => shard.shardId === shardId)?.lane;
  }

  /** What it measured, or says that it did. */
  #report(device: SimulatedDevice): void {
    device.nextAtMs = this.#nowMs + this.#scenario.reportMs;
    const said = device.lie(device, { shards: this.#shards }) ?? this.#measured(device);
    const heard = this.#heard.get(device.shardId) ?? [];
    heard.push({ flow: `${device.tenant}/gold`, device: device.device, ...said });
    this.#heard.set(device.shardId, heard);
  }

  #measured({ usualMs, isBad, shardId }: SimulatedDevice): Omit<DeviceWord, "flow" | "device"> {
    const jitter = 0.5 + this.#random.below(1_000) / 500;
    const kind = this.#isFault(shardId) ? this.#scenario.fault?.kind : undefined;
    const usualDrops = this.#scenario.badNetworks === 0 ? 0 : 2;
    const dropsInThousand = isBad ? 100 : usualDrops;
    const drops = this.#random.below(1_000) < (kind === "dropping" ? 700 : dropsInThousand) ? 1 : 0;
    return { latencyMs: usualMs * jitter + (kind === "slow" ? SLOW_MS : 0), drops };
  }

  #tell(shardId: string): void {
    const words = this.#heard.get(shardId) ?? [];
    this.#heard.delete(shardId);
    if (words.length === 0) return;
    const leaving = this.#health.hear({ shardId, words, mayLeave: true }, this.#around);
    for (const { flow, device } of leaving) {
      const tenant = flow.slice(0, flow.indexOf("/"));
      this.#left.set(tenant, (this.#left.get(tenant) ?? 0) + 1);
      this.#move(this.#devices.find((candidate) => candidate.device === device));
    }
    const { suspect } = this.#health;
    if (suspect !== null && this.#isFault(suspect.shardId)) this.#suspectedAtMs ??= this.#nowMs;
    const drained = this.#health.takeDrain(this.#around);
    if (drained !== null) this.#drain(drained.shardId);
  }

  #move(device: SimulatedDevice | undefined, fromId = device?.shardId ?? null): void {
    if (device === undefined) return;
    const suspectId = this.#health.suspect?.shardId;
    const others = this.#active.filter(({ shardId }) => shardId !== fromId && shardId !== suspectId);
    device.shardId = others[this.#random.below(others.length)]?.shardId ?? device.shardId;
  }

  #drain(shardId: string): void {
    this.#drains.push({ shardId, atMs: this.#nowMs, isFault: this.#isFault(shardId) });
    const shard = this.#shards.find((candidate) => candidate.shardId === shardId);
    if (shard === undefined) throw new Error(`a shard was drained that is none: ${shardId}`);
    if (shard.goneAtMs !== null) throw new Error(`shard ${shardId} was drained twice`);
    shard.goneAtMs = this.#nowMs + GRACE_MS;
    this.#shards.push({ shardId: `new-${this.#nextNumber++}`, lane: shard.lane, goneAtMs: null });
    for (const device of this.#devices.filter((candidate) => candidate.shardId === shardId)) {
      this.#sentAway.set(device.tenant, (this.#sentAway.get(device.tenant) ?? 0) + 1);
      this.#move(device);
    }
  }
}
