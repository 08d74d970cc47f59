// Whether a shard is worse than its siblings, by its devices' word. Pure. Each device is held against its own flow elsewhere, so that slow
// networks and far tenants are no fault, and each vote is bounded twice:
//
//   a device     ±log((1 − p) ÷ p), p: the part of its flow that is worse off elsewhere, ten in a hundred at least. It is the likelihood
//                ratio of "as many are well here as are worse off elsewhere" to "as many are worse off here", so the product over devices
//                that are worse off independently is an e-value: its expectation is at most 1 where the shard is like the others;
//   a tenant     the sum over its devices, but no more than a third of what makes a suspect, whatever they say and however many they are;
//                half of it, or all, where a shard has sockets of two tenants, or one.
//
// Bounding from above keeps the expectation at most 1; bounding from below does not, and is there so that nobody can hide a fault alone.
import { tenantOf } from "#shared/identifier/entitlement.ts";
import type { DeviceWords, Lanes } from "./device-words.ts";
import type { HealthSettings } from "./health-settings.ts";

export interface ShardEvidence {
  /** Natural logarithm, against `logAlarmOf`. */
  readonly log: number;
  /** That say something that can be compared. */
  readonly tenants: number;
  readonly devices: number;
  /** Devices that are worse off. */
  readonly worse: number;
}

/** Weight of an elsewhere that is like most: half a device of five. */
const PRIOR_WORSE = 0.5;
const PRIOR_COUNT = 5;

export function logAlarmOf({ falseAlarmRatio }: HealthSettings): number {
  return -Math.log(falseAlarmRatio);
}

export interface EvidenceInput {
  readonly words: DeviceWords;
  readonly lanes: Lanes;
  /** Tenants that have sockets on a shard; asked only where it matters. */
  readonly tenantCountOn: (shardId: string) => number;
  readonly settings: HealthSettings;
  readonly nowMs: number;
}

export function evidenceOf(shardId: string, { words, lanes, tenantCountOn, settings, nowMs }: EvidenceInput): ShardEvidence {
  const byTenant = new Map<string, number>();
  let [devices, worse] = [0, 0];
  for (const [flow, said] of words.flows) {
    const votes = [...said.values()]
      .filter((word) => word.shardId === shardId && words.isFresh(word, nowMs))
      .map((word) => words.voteOf(word));
    const counted = votes.filter((vote) => vote !== 0);
    if (counted.length === 0) continue;
    const elsewhere = words.elsewhere(flow, shardId, { lanes, nowMs }).map((word) => words.voteOf(word));
    if (elsewhere.length === 0) continue;
    const weight = weightOf(elsewhere, settings.worseRatio);
    const tenant = tenantOf(flow);
    byTenant.set(tenant, (byTenant.get(tenant) ?? 0) + weight * counted.reduce<number>((sum, vote) => sum + vote, 0));
    devices += counted.length;
    worse += counted.filter((vote) => vote > 0).length;
  }
  const tenantCount = worse === 0 ? settings.quorum : Math.max(tenantCountOn(shardId), byTenant.size);
  const tenantMax = logAlarmOf(settings) / Math.min(settings.quorum, tenantCount);
  const log = [...byTenant.values()].reduce((sum, own) => sum + Math.max(-tenantMax, Math.min(tenantMax, own)), 0);
  return { log, tenants: byTenant.size, devices, worse };
}

/** What one device's vote weighs; 0: elsewhere so many are worse off that it says nothing. */
function weightOf(elsewhere: readonly number[], worseRatio: number): number {
  const worse = elsewhere.filter((vote) => vote > 0).length;
  const ratio = Math.max(worseRatio, (worse + PRIOR_WORSE) / (elsewhere.length + PRIOR_COUNT));
  return Math.max(0, Math.log((1 - ratio) / ratio));
}
