// What the forecaster learns from many series before it meets its own: deterministic, from the part of each before `holdoutHours`.
import { Experts } from "#wasm/reference/forecast/hourly/experts.ts";
import { LOG_ORDER, RAW_ORDER } from "#wasm/reference/forecast/hourly/settings.ts";
import type { TrainedConstants } from "./encode-constants.ts";
import { fitPrior } from "./fit-prior.ts";

export interface LearnOptions {
  readonly series: readonly (readonly number[])[];
  /** Of the end of every series nothing is read. */
  readonly holdoutHours: number;
  readonly onProgress: (what: string) => void;
}

const LOG_PRIOR = { order: LOG_ORDER, clusterCount: 6, kappa: 0.15, rounds: 60, ridge: 1e-5 } as const;
const RAW_PRIOR = { order: RAW_ORDER, clusterCount: 1, kappa: 0.2, rounds: 20, ridge: 1e-5 } as const;

export function learn({ series, holdoutHours, onProgress }: LearnOptions): TrainedConstants {
  const seen = series.map((values) => {
    const experts = new Experts({ logPriors: [], rawPriors: [], smoothers: [] });
    for (const value of values.slice(0, -holdoutHours)) experts.observe(value);
    return experts;
  });
  const report =
    (name: string, rounds: number) =>
    (round: number, logEvidence: number): void => {
      if ((round + 1) % 10 === 0) onProgress(`${name} prior: round ${round + 1} of ${rounds}, log evidence ${logEvidence.toFixed(1)}`);
    };
  const log = fitPrior(
    seen.map(({ logMoments }) => logMoments),
    { ...LOG_PRIOR, onRound: report("log", LOG_PRIOR.rounds) },
  );
  const raw = fitPrior(
    seen.map(({ rawMoments }) => rawMoments),
    { ...RAW_PRIOR, onRound: report("raw", RAW_PRIOR.rounds) },
  );
  return { log, raw };
}
