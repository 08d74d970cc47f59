// The hourly forecaster's variants, by its twin, on M4 Hourly's five validation origins: one frozen set of constants.
import { decodeConstants } from "#wasm/reference/forecast/hourly/constants.ts";
import { LEARNED_CONSTANTS_BASE64 } from "#wasm/binding/forecast/learned-constants.ts";
import type { BenchRow } from "../report.ts";
import { choiceRows } from "./choice.ts";
import { M4_HOURLY_PATH, readM4Hourly } from "./m4-hourly.ts";
import { meanScores } from "./measures.ts";
import { HORIZON, ORIGIN_COUNT, scoreVariants, VARIANTS, type ScoredVariant } from "./score-variants.ts";

const BUDGETS = {
  auto: { smape: 7.9, mase: 0.685, msis: 5.45 },
  learned: { smape: 7.9, mase: 0.685, msis: 5.45 },
  "prior-free": { smape: 8.25, mase: 0.72, msis: 6.1 },
} as const;
const MEASURES = ["smape", "mase", "msis"] as const;

export async function variants(onProgress: (what: string) => void): Promise<BenchRow[]> {
  const series = await readM4Hourly();
  if (series === null) {
    onProgress(`SKIPPED: ${M4_HOURLY_PATH} is absent`);
    return [{ name: "M4 Hourly validation", value: 0, unit: "series", missing: { "M4 Hourly": "absent, nothing measured" } }];
  }
  const constants = decodeConstants(Buffer.from(LEARNED_CONSTANTS_BASE64, "base64"));
  const startedMs = performance.now();
  const scored = series.flatMap((values, index) => {
    if (index % 100 === 0) onProgress(`M4 Hourly, series ${index + 1} of ${series.length}`);
    return scoreVariants(values, constants);
  });
  const elapsedMs = performance.now() - startedMs;
  return [
    ...VARIANTS.flatMap((variant) => rowsOf(scored, variant)),
    ...(await choiceRows(constants)),
    { name: "a series, five origins × three variants (twin)", value: elapsedMs / series.length, unit: "ms" },
  ];
}

function rowsOf(scored: readonly ScoredVariant[], variant: ScoredVariant["variant"]): BenchRow[] {
  const own = scored.filter((entry) => entry.variant === variant);
  const perOrigin = Array.from({ length: ORIGIN_COUNT }, (_, index) =>
    meanScores(own.filter(({ origin }) => origin === index + 1).map(({ scores }) => scores)),
  );
  const mean = meanScores(perOrigin);
  const coverages = perOrigin.map(({ coverageRatio }) => coverageRatio);
  return [
    ...MEASURES.map((measure) => {
      const budget = BUDGETS[variant][measure];
      return {
        name: `${variant}, mean: ${measure}`,
        value: mean[measure],
        unit: measure === "smape" ? "%" : "×",
        budget,
        ok: mean[measure] <= budget,
      };
    }),
    { name: `${variant}, mean: coverage`, value: mean.coverageRatio, unit: "of 1" },
    { name: `${variant}, least coverage of an origin`, value: Math.min(...coverages), unit: "of 1" },
    { name: `${variant}, most coverage of an origin`, value: Math.max(...coverages), unit: "of 1" },
    ...perOrigin.map(({ smape }, index) => ({ name: `${variant}, origin −${(index + 1) * HORIZON}: smape`, value: smape, unit: "%" })),
  ];
}
