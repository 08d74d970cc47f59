// Every constant of a shard's life. docs/design/lifecycle.md says where each comes from.
import { MINUTE_MS, SECOND_MS } from "#shared/units.ts";

export const FLEET = {
  /** Transitions that a shard remembers; the oldest are forgotten first. */
  historyMax: 12,
  /** Shards that are gone and still shown. */
  goneCountMax: 16,
  /** Offers of which failures are remembered. */
  offerCountMax: 64,
  /** Units that nobody ordered, stopped at a time; what is left is told again by the next list. */
  strayCountMax: 64,
  /** So much of a shard is not worth another: units may be a little smaller than what the plan counts as one. */
  slackRatio: 0.1,
  /** Start-up times that wait for the next plan. */
  startCountMax: 32,
  /** An order without an answer is given up after so long. */
  orderMsMax: 2 * MINUTE_MS,
  /** A start is given up after so many times the learned start-up time, and not before `startMsMin`. */
  startRatioMax: 5,
  startMsMin: 2 * MINUTE_MS,
  /** A draining shard may come back for so long; then its unit is told, and its sockets are moved. */
  comeBackMs: 30 * SECOND_MS,
  /** Whoever waited at a service without a shard keeps one there so long: the plan sees demand once it is served. */
  awakeMs: MINUTE_MS,
  /** A unit that has refused connections for so long, without an answer in between, is ended, whatever its provider says. */
  refusingMsMax: 3 * SECOND_MS,
  /** An active shard that ends younger than this counts as a failed start. */
  youngMs: 5 * MINUTE_MS,
} as const;

/** After the n-th failure in a row an offer rests for base × 2ⁿ⁻¹. */
export const BACKOFF = {
  baseMs: 10 * SECOND_MS,
  msMax: 5 * MINUTE_MS,
  /** Where nothing serves at all, it is tried again this soon. */
  aloneMsMax: 30 * SECOND_MS,
} as const;

export const CANARY = {
  /** Of its slots, what a shard has until it is proven … */
  share: 0.2,
  /** … and all canaries together at most this part of what the active ones have. */
  shareOfActiveMax: 0.25,
  /** Answers that prove it, where nothing speaks against it. */
  requestCountMin: 50,
  /** … or so long, where they do not come. */
  msMax: 2 * MINUTE_MS,
  /** How often a shard that is as good as its siblings is taken for a worse one: at most; half each for errors and latency. */
  falseAlarmRatio: 0.001,
  /** Slow: slower than this many times the siblings' 90 %. */
  slowFactor: 1.5,
  slowQuantile: 0.9,
  /** Alone, without siblings to be held against: so many failures are accepted. */
  aloneFailureRatio: 0.5,
} as const;
