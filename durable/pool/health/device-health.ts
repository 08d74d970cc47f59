// What follows from devices' words (docs/decisions/0114). Pure. A device that is worse off alone goes elsewhere itself, now and then; a
// shard that several tenants' devices say is bad gets nothing new and is drained, one at a time and never the last.
import { tenantOf } from "#shared/identifier/entitlement.ts";
import { Backoff } from "./backoff.ts";
import type { DeviceOrders, DeviceWord } from "#shared/protocol/device-report.ts";
import { DeviceWords, type Lanes } from "./device-words.ts";
import { HEALTH, type HealthSettings } from "./health-settings.ts";
import { evidenceOf, logAlarmOf, type ShardEvidence } from "./shard-evidence.ts";

/** Devices, tenants and endpoints whose last time is remembered. */
const LEFT_COUNT_MAX = 4_096;
const LANE_COUNT_MAX = 64;
/** The same shard is looked at no oftener. */
const LOOK_MS = 1_000;
/** A suspect is one no more below this part of what made it one. */
const CLEARED_RATIO = 0.5;
const EPSILON = 1e-9;
const ALL = "";

/** What the pool knows at that moment. */
export interface Surroundings {
  /** Shards in use and their endpoints. */
  readonly lanes: Lanes;
  /** Tenants that have sockets on a shard. */
  readonly tenantCountOn: (shardId: string) => number;
  /** Something is being drained already. */
  readonly isDraining: boolean;
  readonly nowMs: number;
}

type Leaving = DeviceOrders["leave"][number];

export interface Suspect extends ShardEvidence {
  readonly shardId: string;
  readonly sinceMs: number;
}

interface Look extends ShardEvidence {
  readonly atMs: number;
}

export class DeviceHealth {
  readonly #settings: HealthSettings;
  readonly #words: DeviceWords;
  readonly #looks = new Map<string, Look>();
  readonly #leftDevices: Backoff;
  readonly #leftTenants: Backoff;
  readonly #drainedLanes: Backoff;
  readonly #drained: Backoff;
  #suspect: Suspect | null = null;

  constructor(settings: HealthSettings = HEALTH) {
    const { leaveAgainMs, leavePerTenantMs, drainAgainMs, againMsMax } = settings;
    this.#settings = settings;
    this.#words = new DeviceWords(settings);
    this.#leftDevices = new Backoff({ pauseMs: leaveAgainMs, pauseMsMax: againMsMax, countMax: LEFT_COUNT_MAX });
    this.#leftTenants = new Backoff({ pauseMs: leavePerTenantMs, pauseMsMax: leavePerTenantMs, countMax: LEFT_COUNT_MAX });
    this.#drainedLanes = new Backoff({ pauseMs: 2 * drainAgainMs, pauseMsMax: againMsMax, countMax: LANE_COUNT_MAX });
    this.#drained = new Backoff({ pauseMs: drainAgainMs, pauseMsMax: drainAgainMs, countMax: 1 });
  }

  /** Gets nothing new while there is another. */
  get suspect(): Suspect | null {
    return this.#suspect;
  }

  /** Until then it is one though nothing more is said of any shard. */
  get suspectUntilMs(): number {
    return (this.#looks.get(this.#suspect?.shardId ?? "")?.atMs ?? -Infinity) + this.#settings.wordMsMax;
  }

  /** Of shards that were looked at. */
  get looks(): ReadonlyMap<string, ShardEvidence> {
    return this.#looks;
  }

  /** `mayLeave`: the shard can let single devices go. Whom it is to let go. */
  hear(
    { shardId, words, mayLeave }: { shardId: string; words: readonly DeviceWord[]; mayLeave: boolean },
    around: Surroundings,
  ): readonly Leaving[] {
    this.#forget(around.lanes, around.nowMs);
    // One that is being drained, or is gone: whatever is said of it, no more can be done.
    if (!around.lanes.has(shardId)) return [];
    const bad: Leaving[] = [];
    for (const said of words) {
      const { flow, device } = said;
      const word = this.#words.hear(shardId, said, around);
      if (word !== null && word.badReports >= this.#settings.badReportsForLeave) bad.push({ flow, device });
    }
    this.#look(shardId, around);
    const isAlone = around.lanes.size < 2 || this.#suspect?.shardId === shardId;
    return isAlone || !mayLeave ? [] : bad.filter((leaving) => this.#mayLeave(leaving, around.nowMs));
  }

  /** The suspect, where it is to be drained now: that counts as done. */
  takeDrain({ lanes, isDraining, nowMs }: Surroundings): Suspect | null {
    this.#forget(lanes, nowMs);
    const suspect = this.#suspect;
    const lane = suspect === null ? undefined : lanes.get(suspect.shardId);
    if (suspect === null || lane === undefined || isDraining || lanes.size < 2) return null;
    if (!this.#drained.isOver(ALL, nowMs) || !this.#drainedLanes.isOver(lane, nowMs)) return null;
    this.#drained.note(ALL, nowMs);
    this.#drainedLanes.note(lane, nowMs);
    return suspect;
  }

  /** What nothing was heard after for long. */
  expire({ lanes, nowMs }: Pick<Surroundings, "lanes" | "nowMs">): void {
    this.#forget(lanes, nowMs);
  }

  #mayLeave({ flow, device }: Leaving, nowMs: number): boolean {
    const tenant = tenantOf(flow);
    const key = `${flow} ${device}`;
    if (!this.#leftDevices.isOver(key, nowMs) || !this.#leftTenants.isOver(tenant, nowMs)) return false;
    this.#leftDevices.note(key, nowMs);
    this.#leftTenants.note(tenant, nowMs);
    return true;
  }

  #look(shardId: string, { lanes, tenantCountOn, nowMs }: Surroundings): void {
    if (nowMs - (this.#looks.get(shardId)?.atMs ?? -Infinity) < LOOK_MS) return;
    const evidence = evidenceOf(shardId, { words: this.#words, lanes, tenantCountOn, settings: this.#settings, nowMs });
    this.#looks.set(shardId, { ...evidence, atMs: nowMs });
    const alarm = logAlarmOf(this.#settings) - EPSILON;
    const current = this.#suspect;
    if (current?.shardId === shardId) this.#suspect = evidence.log < alarm * CLEARED_RATIO ? null : { ...current, ...evidence };
    // One at a time: what siblings are held against must not be all suspects. The worst, or else one that stays suspect would hide it.
    else if (evidence.log >= alarm && evidence.log > (current?.log ?? 0) && lanes.size > 1)
      this.#suspect = { shardId, sinceMs: nowMs, ...evidence };
  }

  /** Shards that are gone, and looks that nothing was heard after. */
  #forget(lanes: Lanes, nowMs: number): void {
    for (const [shardId, { atMs }] of this.#looks)
      if (!lanes.has(shardId) || nowMs - atMs >= this.#settings.wordMsMax) this.#looks.delete(shardId);
    if (this.#suspect !== null && !this.#looks.has(this.#suspect.shardId)) this.#suspect = null;
  }
}
