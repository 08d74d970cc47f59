// Whether a new shard is worse than its siblings, decided while it serves: an always-valid test, so that looking after every
// report costs nothing. Two proportions, errors and slow answers, each with the e-variable for two Bernoulli streams
// (Turner, Ly, Grünwald: Generic E-variables for exact sequential k-sample tests that allow for optional stopping, 2024):
//
//   a block of n_a answers of the canary and n_b of its siblings multiplies the evidence by
//   p(y_a; θ_a) p(y_b; θ_b) ÷ p(y_a; θ_0) p(y_b; θ_0),   θ_0 = (n_a θ_a + n_b θ_b) ÷ (n_a + n_b),
//
// with θ_a > θ_b chosen from the blocks before. Where the canary is no worse (true θ_a ≤ θ_b) its expectation is ≤ 1 whatever the
// common rate is, so by Ville's inequality the evidence ever reaches 1/α with probability at most α. In a block without siblings'
// answers it is held against a fixed rate: Wald's ratio, valid for every rate below it.
import { CANARY } from "./fleet-settings.ts";

/** What was seen of a shard, or of all its siblings. */
export interface Answers {
  readonly requests: number;
  readonly failures: number;
  /** Slower than the threshold; only where there is one. */
  readonly slow: number;
}

export interface CanaryTrial {
  /** No active shard beside it when it began: nothing that a small share would protect. */
  readonly isAlone: boolean;
  readonly own: Answers;
  readonly siblings: Answers;
  /** Logs of the evidence. */
  readonly logErrors: number;
  readonly logLatency: number;
}

export type CanaryVerdict = "errors" | "latency" | "proven" | "untried";

const NONE: Answers = { requests: 0, failures: 0, slow: 0 };
/** Bets are kept away from certainty: one surprise must not end all evidence. */
const RATE_MIN = 0.001;
const RATE_MAX = 0.99;
/** The least difference that is bet on. */
const RATIO_BET = 2;
const MARGIN_BET = 0.05;
/** What a sibling's rate is guessed at before one has answered, with the weight of so many answers. */
const PRIOR_RATE = 0.01;
const PRIOR_COUNT = 5;
/** Good answers that one bad one takes back, where its siblings have none. */
const ANSWERS_PER_WORSE = 10;
const LOG_ALARM = Math.log(2 / CANARY.falseAlarmRatio);

export function newTrial(isAlone: boolean): CanaryTrial {
  return { isAlone, own: NONE, siblings: NONE, logErrors: 0, logLatency: 0 };
}

/** Takes in what canary and siblings answered since the last block. */
export function observeBlock(trial: CanaryTrial, own: Answers, siblings: Answers): CanaryTrial {
  // Siblings that answer nothing, or are gone, are nothing to be held against; and nobody says then what is slow.
  const isPaired = siblings.requests > 0;
  const counts = (of: (answers: Answers) => number): Counts => ({
    seen: { hits: of(trial.own), count: trial.own.requests },
    seenSiblings: { hits: of(trial.siblings), count: trial.siblings.requests },
    block: { hits: of(own), count: own.requests },
    blockSiblings: { hits: of(siblings), count: siblings.requests },
  });
  return {
    isAlone: trial.isAlone,
    own: sumOf(trial.own, own),
    siblings: sumOf(trial.siblings, siblings),
    logErrors: trial.logErrors + (isPaired ? logPaired : logAlone)(counts(({ failures }) => failures)),
    logLatency: trial.logLatency + (isPaired ? logPaired(counts(({ slow }) => slow)) : 0),
  };
}

/** Null: go on. */
export function verdictOf({ own, logErrors, logLatency }: CanaryTrial, servedMs: number): CanaryVerdict | null {
  if (logErrors >= LOG_ALARM) return "errors";
  if (logLatency >= LOG_ALARM) return "latency";
  if (own.requests >= CANARY.requestCountMin) return "proven";
  return servedMs >= CANARY.msMax ? "untried" : null;
}

/** Of the answers that would prove it, the part that is there; each one worse than its siblings would give takes back ten. */
export function triedPartOf({ own, siblings }: CanaryTrial): number {
  const excess = (of: (answers: Answers) => number): number =>
    Math.max(0, of(own) - (own.requests * of(siblings)) / Math.max(1, siblings.requests));
  const worse = excess(({ failures }) => failures) + excess(({ slow }) => slow);
  return Math.min(1, Math.max(0, own.requests - ANSWERS_PER_WORSE * worse) / CANARY.requestCountMin);
}

interface Hits {
  readonly hits: number;
  readonly count: number;
}

interface Counts {
  /** Before the block: what the bet is made from. */
  readonly seen: Hits;
  readonly seenSiblings: Hits;
  readonly block: Hits;
  readonly blockSiblings: Hits;
}

function logPaired({ seen, seenSiblings, block, blockSiblings }: Counts): number {
  const rateOfSiblings = clip((seenSiblings.hits + PRIOR_COUNT * PRIOR_RATE) / (seenSiblings.count + PRIOR_COUNT));
  const rate = betOn(seen, RATIO_BET * rateOfSiblings + MARGIN_BET);
  const count = block.count + blockSiblings.count;
  if (count === 0) return 0;
  const common = (block.count * rate + blockSiblings.count * rateOfSiblings) / count;
  return (
    logLikelihood(block, rate) +
    logLikelihood(blockSiblings, rateOfSiblings) -
    logLikelihood(block, common) -
    logLikelihood(blockSiblings, common)
  );
}

function logAlone({ seen, block }: Counts): number {
  const accepted = CANARY.aloneFailureRatio;
  return logLikelihood(block, betOn(seen, (accepted + RATE_MAX) / 2)) - logLikelihood(block, accepted);
}

/** What the canary's rate is taken for, from what was seen of it, and never for less than what would be worth an alarm. */
function betOn({ hits, count }: Hits, least: number): number {
  return clip(Math.max(least, (hits + 1) / (count + 2)));
}

function logLikelihood({ hits, count }: Hits, rate: number): number {
  return hits * Math.log(rate) + (count - hits) * Math.log1p(-rate);
}

function clip(rate: number): number {
  return Math.min(RATE_MAX, Math.max(RATE_MIN, rate));
}

function sumOf(a: Answers, b: Answers): Answers {
  return { requests: a.requests + b.requests, failures: a.failures + b.failures, slow: a.slow + b.slow };
}
