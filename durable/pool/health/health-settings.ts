import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from "#shared/units.ts";

/** What devices' words are worth (docs/decisions/0114): a test changes one to see what it is for. */
export interface HealthSettings {
  /** A latency is bad beyond so many times what the device's own flow says elsewhere … */
  readonly latencyFactor: number;
  /** … and so much more: what lies between a good network and a fair one is no fault. */
  readonly latencyMarginMs: number;
  /** Connections that broke lately, halved every `dropsHalfLifeMs`: one alone is nothing. */
  readonly dropsBad: number;
  readonly dropsHalfLifeMs: number;
  /** Of one report no more are counted. */
  readonly dropsPerReportMax: number;
  /** Bad reports in a row that make a vote, and that let the device go elsewhere. */
  readonly badReportsForVote: number;
  readonly badReportsForLeave: number;
  /** A device's next word counts so long after its last. */
  readonly wordIntervalMsMin: number;
  /** An older one is forgotten. */
  readonly wordMsMax: number;
  /** Devices of a flow, and of a pool, that are heard: of more, the first. */
  readonly flowWordsMax: number;
  readonly wordsMax: number;
  /** Devices that are worse off than the rest of their flow by themselves, at least. */
  readonly worseRatio: number;
  /** A suspicion takes evidence of one in so many: how seldom a shard that is like the others looks so by chance. */
  readonly falseAlarmRatio: number;
  /** Tenants it takes, where a shard has so many. */
  readonly quorum: number;
  /** A tenant's devices leave by themselves so far apart. */
  readonly leavePerTenantMs: number;
  /** The same device leaves again after that, doubled each time up to `againMsMax`. */
  readonly leaveAgainMs: number;
  /** A shard of a service is drained so long after the last one, one of the same endpoint after that doubled each time. */
  readonly drainAgainMs: number;
  readonly againMsMax: number;
}

export const HEALTH: HealthSettings = {
  latencyFactor: 3,
  latencyMarginMs: 100,
  dropsBad: 1.5,
  dropsHalfLifeMs: 150 * SECOND_MS,
  dropsPerReportMax: 2,
  badReportsForVote: 2,
  badReportsForLeave: 3,
  wordIntervalMsMin: 4 * SECOND_MS,
  wordMsMax: 3 * MINUTE_MS,
  flowWordsMax: 512,
  wordsMax: 4_096,
  worseRatio: 0.1,
  falseAlarmRatio: 0.001,
  quorum: 3,
  leavePerTenantMs: 10 * SECOND_MS,
  leaveAgainMs: HOUR_MS,
  drainAgainMs: 10 * MINUTE_MS,
  againMsMax: DAY_MS,
};
