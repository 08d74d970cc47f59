// node scripts/learn-forecast-constants.ts --m4 FILE [--trace FILE]… [--holdout HOURS] [--output FILE] [--split-half]: learns the forecaster's constants from
// M4 Hourly's training series (and hourly sums of traces) and writes them as a module. The same file and options give the same bytes. With --split-half it
// writes nothing, but learns from each half of the series alone and prints what that costs on the other.
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { encodeConstants } from "#bench/forecast/learn/encode-constants.ts";
import { FULL_EFFORT, learn, type LearnOptions } from "#bench/forecast/learn/learn.ts";
import { hourlyTrace, trainingWindows } from "#bench/forecast/learn/read-trace.ts";
import { splitHalf, type TransferRow } from "#bench/forecast/learn/split-half.ts";
import { parseM4Hourly } from "#bench/forecast/m4-hourly.ts";
import type { Scores } from "#bench/forecast/measures.ts";
import { LEARNED_CONSTANTS_BASE64 } from "#wasm/binding/forecast/learned-constants.ts";
import { ROOT } from "./root.ts";

/** The five validation origins lie in what is kept back. */
const HOLDOUT_HOURS = 240;
const OUTPUT = "wasm/binding/forecast/learned-constants.ts";
const LINE_CHARACTERS = 120;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      m4: { type: "string" },
      trace: { type: "string", multiple: true, default: [] },
      "split-half": { type: "boolean", default: false },
      holdout: { type: "string", default: `${HOLDOUT_HOURS}` },
      output: { type: "string", default: join(ROOT, OUTPUT) },
    },
  });
  if (values.m4 === undefined) throw new Error("Cannot learn without data: expected --m4 FILE");
  const holdoutHours = Number(values.holdout);
  if (!(Number.isInteger(holdoutHours) && holdoutHours > 0))
    throw new Error(`Cannot hold out ${values.holdout} hours: expected a whole number from 1`);
  const text = await readFile(values.m4, "utf8");
  const traces = await Promise.all(values.trace.map((path) => readFile(path, "utf8")));
  const m4 = parseM4Hourly(text);
  const series = [...m4, ...traces.flatMap((trace) => trainingWindows(hourlyTrace(trace)))];
  const startedMs = performance.now();
  const options: LearnOptions = {
    series,
    holdoutHours,
    effort: FULL_EFFORT,
    onProgress: (what) => console.error(`${((performance.now() - startedMs) / 1_000).toFixed(0)} s: ${what}`),
  };
  if (values["split-half"]) {
    printTransfer(splitHalf(options, { scoredCount: m4.length, shipped: Buffer.from(LEARNED_CONSTANTS_BASE64, "base64") }));
    return;
  }
  const bytes = encodeConstants(learn(options));
  const sources = [values.m4, ...values.trace].map((path, index) => ({ path, content: [text, ...traces][index] ?? "" }));
  await mkdir(dirname(values.output), { recursive: true });
  await writeFile(values.output, moduleOf(bytes, { sources, holdoutHours }));
  console.error(`${values.output}: ${bytes.length} bytes`);
}

function printTransfer(rows: readonly TransferRow[]): void {
  const show = ({ smape, mase, msis, coverageRatio }: Scores): string =>
    [smape.toFixed(3), mase.toFixed(4), msis.toFixed(3), coverageRatio.toFixed(3)].join(" / ");
  console.log("sMAPE / MASE / MSIS / coverage, mean of five origins: learned from the other half of the series; as shipped");
  for (const { variant, transferred, shipped } of rows) console.log(`${variant.padEnd(12)} ${show(transferred)}; ${show(shipped)}`);
}

interface Provenance {
  readonly sources: readonly { readonly path: string; readonly content: string }[];
  readonly holdoutHours: number;
}

function moduleOf(bytes: Uint8Array, { sources, holdoutHours }: Provenance): string {
  const lines = Buffer.from(bytes)
    .toString("base64")
    .match(new RegExp(`.{1,${LINE_CHARACTERS}}`, "g"));
  const files = sources.map(({ path, content }) => `//   ${basename(path)}: ${createHash("sha256").update(content).digest("hex")}`);
  const traces = sources.slice(1).map(({ path }) => ` --trace ${basename(path)}`);
  return `// Written by scripts/learn-forecast-constants.ts --m4 ${basename(sources[0]?.path ?? "")}${traces.join("")} --holdout ${holdoutHours};
// not by hand. Learned from M4 Hourly's training series and the early part of the traces, without the last ${holdoutHours} hours of each;
// seeds ${FULL_EFFORT.seeds.join(", ")}. SHA-256 of the files:
${files.join("\n")}
// Format: wasm/reference/forecast/hourly/constants.ts. ${bytes.length} bytes.

export const LEARNED_CONSTANTS_BASE64 =
${(lines ?? []).map((line) => `  "${line}"`).join(" +\n")};
`;
}

if (import.meta.main) {
  await main().catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  });
}
