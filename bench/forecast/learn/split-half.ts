// How the constants transfer: learned from alternate blocks of neighbouring series, scored on the others, both ways.
import { decodeConstants } from "#wasm/reference/forecast/hourly/constants.ts";
import { meanScores, type Scores } from "../measures.ts";
import { scoreVariants, VARIANTS, type ScoredVariant } from "../score-variants.ts";
import { encodeConstants } from "./encode-constants.ts";
import { halfOf, learn, type LearnOptions } from "./learn.ts";

export interface TransferRow {
  readonly variant: (typeof VARIANTS)[number];
  /** Learned from the other half; as shipped. */
  readonly transferred: Scores;
  readonly shipped: Scores;
}

/** Scores the first `scoredCount` series. */
export function splitHalf(
  options: LearnOptions,
  { scoredCount, shipped }: { readonly scoredCount: number; readonly shipped: Uint8Array },
): TransferRow[] {
  const { series, onProgress } = options;
  const scored = series.slice(0, scoredCount);
  const transferred = [0, 1].flatMap((half) => {
    const learned = learn({
      ...options,
      series: series.filter((_, index) => halfOf(index) !== half),
      onProgress: (what) => onProgress(`without half ${half + 1}: ${what}`),
    });
    const constants = decodeConstants(encodeConstants(learned));
    return scored.filter((_, index) => halfOf(index) === half).flatMap((values) => scoreVariants(values, constants));
  });
  const constants = decodeConstants(shipped);
  const own = scored.flatMap((values) => scoreVariants(values, constants));
  return VARIANTS.map((variant) => ({ variant, transferred: meanOf(transferred, variant), shipped: meanOf(own, variant) }));
}

function meanOf(scored: readonly ScoredVariant[], variant: TransferRow["variant"]): Scores {
  return meanScores(scored.filter((entry) => entry.variant === variant).map(({ scores }) => scores));
}
