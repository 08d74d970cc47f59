// What devices report, as the pool takes it: figures for those who watch (device-meters.ts), and words that health is made of
// (health/device-health.ts), whose decisions are carried out here.
import { DRAIN } from "#shared/protocol/drain.ts";
import type { DeviceHealthStats, DeviceNews, DeviceOrders, DeviceStats } from "#shared/protocol/device-report.ts";
import type { Kernels } from "#wasm/binding/kernels.ts";
import { DeviceMeters } from "./device-meters.ts";
import type { DrainDriver } from "./drain-driver.ts";
import { DeviceHealth, type Suspect, type Surroundings } from "./health/device-health.ts";
import { HEALTH } from "./health/health-settings.ts";
import { logAlarmOf } from "./health/shard-evidence.ts";
import type { Pool } from "./pool.ts";

/** The word that devices of a suspect are sent away with. */
const REASON = "unhealthy";
const NOBODY: DeviceOrders = { leave: [] };

interface PoolParts {
  readonly pool: Pool;
  readonly drains: Pick<DrainDriver, "isActive" | "obey">;
}

export class DeviceReports {
  readonly #parts: PoolParts;
  readonly #meters: DeviceMeters;
  readonly #health = new DeviceHealth();
  #suspectId: string | null = null;
  #shardsDrained = 0;
  #devicesMoved = 0;

  constructor(kernels: Kernels, parts: PoolParts) {
    this.#parts = parts;
    this.#meters = new DeviceMeters(kernels);
  }

  /** Whom the Shard object that says so is to let go. */
  take({ shardId, from, words, reports }: DeviceNews, nowMs: number): DeviceOrders {
    const { pool } = this.#parts;
    const isKnown = pool.shards.some((shard) => shard.shardId === shardId);
    for (const report of reports) this.#meters.add(isKnown ? shardId : "", report);
    if (words.length === 0) return NOBODY;
    const { sockets } = pool.ledger;
    const believed = from === "shard" ? words : words.filter(({ flow, device }) => sockets.isOn(shardId, flow, device));
    const isActing = pool.configuration.service?.sockets.health === "act";
    const around = this.#around(nowMs);
    const leave = this.#health.hear({ shardId, words: believed, mayLeave: isActing && from === "shard" }, around);
    this.#devicesMoved += leave.length;
    this.#follow(isActing, around);
    return { leave };
  }

  stats(nowMs: number): { readonly devices: readonly DeviceStats[]; readonly deviceHealth: DeviceHealthStats } {
    this.#health.expire(this.#around(nowMs));
    const { suspect, looks } = this.#health;
    const shards = [...looks].map(([shardId, { log, devices, worse }]) => ({
      shardId,
      evidenceRatio: log / logAlarmOf(HEALTH),
      devices,
      worse,
    }));
    return {
      devices: this.#meters.stats(),
      deviceHealth: {
        suspect: suspect === null ? null : { shardId: suspect.shardId, sinceMs: suspect.sinceMs },
        shards,
        shardsDrained: this.#shardsDrained,
        devicesMoved: this.#devicesMoved,
      },
    };
  }

  #around(nowMs: number): Surroundings {
    const { pool, drains } = this.#parts;
    const active = pool.shards.filter(({ state }) => state === "active");
    return {
      lanes: new Map(active.map(({ shardId, endpointUrl }) => [shardId, endpointUrl])),
      tenantCountOn: (shardId) => pool.ledger.sockets.tenantsOn(shardId),
      isDraining: drains.isActive,
      nowMs,
    };
  }

  #follow(isActing: boolean, around: Surroundings): void {
    const { pool, drains } = this.#parts;
    const { suspect } = this.#health;
    if (suspect !== null && suspect.shardId !== this.#suspectId) this.#log("shard-suspect", suspect);
    this.#suspectId = suspect?.shardId ?? null;
    pool.routes.choice.avoid(isActing ? this.#suspectId : null, this.#health.suspectUntilMs);
    const drained = isActing ? this.#health.takeDrain(around) : null;
    if (drained === null) return;
    const answer = drains.obey({ order: { shardIds: [drained.shardId], reason: REASON, graceMs: DRAIN.graceMsDefault } });
    if (!answer.ok) return;
    this.#shardsDrained += 1;
    this.#log("shard-unhealthy", drained);
  }

  #log(event: string, { shardId, tenants, devices, worse }: Suspect): void {
    const reason = `${worse} of ${devices} devices of ${tenants} tenants are worse off than their own flows elsewhere`;
    console.warn(JSON.stringify({ level: "warn", event, service: this.#parts.pool.configuration.name, shardId, reason }));
  }
}
