// The short horizons on the recorded traces, beside the forecasts that cost nothing: every cell, the lost ones too. The
// first half of a trace chooses the rivals' constants (from a fifth on), the second is reported.
import { kernelsFor } from "../kernels/instance.ts";
import type { BenchRow } from "../report.ts";
import { peerRows } from "./peer-rows.ts";
import { loadPeers } from "./peers.ts";
import { RIVALS, tunedRivals } from "./rivals.ts";
import { runTrace, type Said } from "./trace-run.ts";
import { readTrace, TRACES, type Trace } from "./traces.ts";

const COVERAGE = { least: 0.935, most: 0.965 } as const;
const KERNEL_BYTES = 256 * 1_024;
const STEP_MICROSECONDS_MAX = 50;
const WIDTH_RATIO_MAX = 1.5;

export async function traceRows(onProgress: (what: string) => void): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  const ratios: number[] = [];
  const { peers, missing } = await loadPeers();
  for (const [name, why] of Object.entries(missing))
    rows.push({ name: `traces beside ${name}`, value: 0, unit: "fits", missing: { [name]: why } });
  for (const spec of TRACES) {
    onProgress(spec.name);
    const trace = await readTrace(spec);
    if (trace === null) {
      rows.push({ name: spec.name, value: 0, unit: "bins", missing: { [spec.name]: `${spec.file} is absent, nothing measured` } });
      continue;
    }
    const { horizonsMs } = trace;
    const { said, microseconds } = runTrace(kernelsFor(KERNEL_BYTES), trace);
    for (const [index, horizonMs] of horizonsMs.entries()) {
      const cell = scoreCell(trace, said[index], horizonMs);
      ratios.push(cell.ratio);
      rows.push(...cellRows(`${trace.name}, ${horizonMs / 60_000} min`, cell));
    }
    rows.push(...peerRows(trace, said, peers));
    rows.push({
      name: `${trace.name}: a step with ${horizonsMs.length} horizons, mean`,
      value: microseconds,
      unit: "µs",
      budget: STEP_MICROSECONDS_MAX,
      ok: microseconds <= STEP_MICROSECONDS_MAX,
    });
  }
  if (ratios.length > 0) {
    const mean = Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length);
    rows.push({ name: "all cells: WAPE ÷ best rival's, geometric mean", value: mean, unit: "×" });
  }
  return rows;
}

interface Cell {
  readonly wape: number;
  /** WAPE ÷ the best rival's. */
  readonly ratio: number;
  readonly versus: Readonly<Record<string, number>>;
  readonly coverageRatio: number;
  /** Mean width ÷ that of the narrowest fixed interval of as much coverage around any of the five. */
  readonly widthRatio: number;
  readonly biasRatio: number;
}

function scoreCell({ values, stepMs }: Trace, said: Said | undefined, horizonMs: number): Cell {
  if (said === undefined) throw new RangeError("Cannot score a cell: nothing was said");
  const steps = Math.round(horizonMs / stepMs);
  const middle = values.length >> 1;
  const rivals = tunedRivals({ values, stepMs, steps, from: Math.floor(values.length / 5), until: middle });
  const [errors, sizes]: [number[], Record<string, number[]>] = [[], Object.fromEntries(RIVALS.map((name) => [name, []]))];
  const totals = { value: 0, width: 0, inside: 0 };
  for (let at = middle; at < values.length; at += 1) {
    const [value, mean] = [values[at] ?? Number.NaN, said.mean[at] ?? Number.NaN];
    if (Number.isNaN(value) || Number.isNaN(mean)) continue;
    const [lower, upper] = [said.lower[at] ?? 0, said.upper[at] ?? 0];
    totals.value += value;
    totals.width += upper - lower;
    totals.inside += lower <= value && value <= upper ? 1 : 0;
    errors.push(mean - value);
    for (const name of RIVALS) sizes[name]?.push(Math.abs(rivals[name](at) - value));
  }
  const own = errors.map(Math.abs);
  const loss = total(own);
  const versus = Object.fromEntries(RIVALS.map((name) => [name, loss / total(sizes[name] ?? [])]));
  const coverageRatio = totals.inside / errors.length;
  const fixed = [own, ...Object.values(sizes)].map((all) => 2 * quantile(all, coverageRatio));
  return {
    wape: loss / totals.value,
    ratio: Math.max(...Object.values(versus)),
    versus,
    coverageRatio,
    widthRatio: totals.width / errors.length / Math.min(...fixed),
    biasRatio: total(errors) / totals.value,
  };
}

function cellRows(name: string, { wape, ratio, versus, coverageRatio, widthRatio, biasRatio }: Cell): BenchRow[] {
  return [
    { name: `${name}: WAPE`, value: wape, unit: "of 1", ok: ratio < 1, versus },
    {
      name: `${name}: coverage of 95 %`,
      value: coverageRatio,
      unit: "of 1",
      ok: COVERAGE.least <= coverageRatio && coverageRatio <= COVERAGE.most,
    },
    { name: `${name}: width ÷ best fixed`, value: widthRatio, unit: "×", budget: WIDTH_RATIO_MAX, ok: widthRatio <= WIDTH_RATIO_MAX },
    { name: `${name}: bias`, value: biasRatio, unit: "of 1" },
  ];
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

// The least size that so large a share stays within.
function quantile(sizes: readonly number[], share: number): number {
  const sorted = sizes.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}
