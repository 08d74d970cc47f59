// What the forecaster learns from many series before it meets its own: deterministic, from the part of each before `holdoutHours`.
import { Experts } from "#wasm/reference/forecast/hourly/experts.ts";
import type { Net } from "#wasm/reference/forecast/hourly/net.ts";
import { withHandCluster } from "#wasm/reference/forecast/hourly/pool.ts";
import { LOG_ORDER, RAW_ORDER } from "#wasm/reference/forecast/hourly/settings.ts";
import { collectSamples, type Priors } from "./collect-samples.ts";
import type { TrainedConstants } from "./encode-constants.ts";
import { fitPrior } from "./fit-prior.ts";
import { standardOf, trainNet } from "./train-net.ts";

export interface LearnOptions {
  readonly series: readonly (readonly number[])[];
  /** Of the end of every series nothing is read. */
  readonly holdoutHours: number;
  readonly effort: Effort;
  readonly onProgress: (what: string) => void;
}

export interface Effort {
  readonly logRounds: number;
  readonly rawRounds: number;
  readonly epochs: number;
  readonly seeds: readonly number[];
}

export const FULL_EFFORT: Effort = { logRounds: 40, rawRounds: 20, epochs: 10, seeds: [1, 2] };

const LOG_PRIOR = { order: LOG_ORDER, clusterCount: 6, kappa: 0.15, ridge: 1e-5, shrinkage: 5 } as const;
const RAW_PRIOR = { order: RAW_ORDER, clusterCount: 1, kappa: 0.2, ridge: 1e-5, shrinkage: 0 } as const;
const NET = { hidden: [24, 12], noise: 1.2, rate: 3e-3, batch: 1_024, tail: 4 } as const;
/** Neighbours in the file are often nearly alike: halves are made of blocks of them. */
const BLOCK_SERIES = 23;

export function learn({ series, holdoutHours, effort, onProgress }: LearnOptions): TrainedConstants {
  if (series.length <= BLOCK_SERIES)
    throw new RangeError(
      `Cannot learn from ${series.length} series: expected more than ${BLOCK_SERIES}, so that they fall into two halves`,
    );
  const experts = series.map((values) => {
    const seen = new Experts({ logPriors: [], rawPriors: [], smoothers: [] });
    for (const value of values.slice(0, -holdoutHours)) seen.observe(value);
    return seen;
  });
  const all = fitPriors(experts, { effort, name: "all", onProgress });
  // The nets are to see the experts as a series that took no part in their priors would.
  const halves = [0, 1].map((half) => {
    const { log, raw } = fitPriors(
      experts.filter((_, index) => halfOf(index) !== half),
      { effort, name: `without half ${half + 1}`, onProgress },
    );
    return { log: withHandCluster(log), raw };
  });
  const samples = collectSamples({ series, holdoutHours, priorsOf: (index) => halves[halfOf(index)]!, onProgress });
  const standard = standardOf(samples);
  const members = effort.seeds.map((seed) => trainNet(samples, standard, { ...NET, epochs: effort.epochs, seed, onProgress }));
  const net: Net = { ...standard, members };
  return { ...all, net };
}

export function halfOf(index: number): 0 | 1 {
  return Math.floor(index / BLOCK_SERIES) % 2 === 0 ? 0 : 1;
}

interface FitPriorsOptions {
  readonly effort: Effort;
  readonly name: string;
  readonly onProgress: (what: string) => void;
}

function fitPriors(experts: readonly Experts[], { effort, name, onProgress }: FitPriorsOptions): Priors {
  const report =
    (scale: string, rounds: number) =>
    (round: number, logEvidence: number): void => {
      if ((round + 1) % 20 === 0 || round + 1 === rounds)
        onProgress(`${scale} prior of ${name}: round ${round + 1} of ${rounds}, log evidence ${logEvidence.toFixed(1)}`);
    };
  const [logRounds, rawRounds] = [effort.logRounds, effort.rawRounds];
  return {
    log: fitPrior(
      experts.map(({ logMoments }) => logMoments),
      { ...LOG_PRIOR, rounds: logRounds, onRound: report("log", logRounds) },
    ),
    raw: fitPrior(
      experts.map(({ rawMoments }) => rawMoments),
      { ...RAW_PRIOR, rounds: rawRounds, onRound: report("raw", rawRounds) },
    ),
  };
}
