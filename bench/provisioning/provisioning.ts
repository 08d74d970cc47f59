// Shards ahead of demand: what the accepted shortfall costs, beside the best target that hindsight finds for HPA and KPA.
import { SECOND_MS } from "#shared/units.ts";
import { formatDuration } from "#cli/option-values.ts";
import type { BenchRow } from "../report.ts";
import { HELD_RATIO_MAX, scoreCells, type Cell } from "./score.ts";
import { readTraceLoad, TRACES } from "./traces.ts";

const DELAYS_MS = [10 * SECOND_MS, 60 * SECOND_MS, 300 * SECOND_MS, 900 * SECOND_MS];
const BUDGETS = { ratioMean: 0.95, ratioWorst: 1.25, operations: 1, operationsFast: 1.25 } as const;
/** Up to here a fleet follows the noise, and operations may be more. */
const FAST_DELAY_MS_MAX = 10 * SECOND_MS;

export interface NamedCell extends Cell {
  readonly name: string;
  readonly delayMs: number;
}

export async function provisioning(onProgress: (what: string) => void): Promise<BenchRow[]> {
  const cells: NamedCell[] = [];
  const absent: BenchRow[] = [];
  for (const trace of TRACES) {
    const load = await readTraceLoad(trace);
    if (load === null) {
      onProgress(`SKIPPED: ${trace.file} is absent`);
      absent.push({ name: trace.name, value: 0, unit: "cells", missing: { [trace.file]: "absent, nothing measured" } });
      continue;
    }
    for (const delayMs of DELAYS_MS) {
      const startedMs = performance.now();
      for (const cell of scoreCells(load, { delayMs, part: "late" })) {
        const named = {
          ...cell,
          delayMs,
          name: `${trace.name}, ${formatDuration(delayMs)}, ${Number((cell.shortfall * 100).toFixed(4))} %`,
        };
        cells.push(named);
        onProgress(describe(named));
      }
      onProgress(`${trace.name}, ${formatDuration(delayMs)}: ${((performance.now() - startedMs) / SECOND_MS).toFixed(0)} s`);
    }
  }
  return [...absent, ...cells.flatMap(rowsOf), ...summaryOf(cells)];
}

function isHeld({ own, shortfall }: Cell): boolean {
  return own.shortfallSeen <= HELD_RATIO_MAX * shortfall;
}

function ratioOf({ own, rival }: Cell): number | null {
  return rival === null ? null : own.costToOracle / rival.costToOracle;
}

function operationsRatioOf({ own, kpa }: Cell): number | null {
  return kpa === null ? null : own.operationsPerDay / kpa.operationsPerDay;
}

function operationsBudget(delayMs: number): number {
  return delayMs <= FAST_DELAY_MS_MAX ? BUDGETS.operationsFast : BUDGETS.operations;
}

function rowsOf(cell: NamedCell): BenchRow[] {
  const { name, own, rival, rivalAccepted, kpa, shortfall, delayMs } = cell;
  const [ratio, operations] = [ratioOf(cell), operationsRatioOf(cell)];
  const nobody = { "HPA, KPA .50 to .98": "no setting is short so little" };
  return [
    {
      name: `${name}: shortfall seen ÷ accepted`,
      value: own.shortfallSeen / shortfall,
      unit: "×",
      // Where no setting in hindsight holds it either, it is told and not demanded.
      ...(rivalAccepted === null ? { missing: { "held in hindsight": "by nobody" } } : { budget: HELD_RATIO_MAX, ok: isHeld(cell) }),
    },
    {
      name: `${name}: cost ÷ oracle`,
      value: own.costToOracle,
      unit: "×",
      ...(rival === null || ratio === null ? { missing: nobody } : { ok: ratio <= BUDGETS.ratioWorst, versus: { [rival.name]: ratio } }),
    },
    {
      name: `${name}: operations`,
      value: own.operationsPerDay,
      unit: "a day",
      ...(kpa === null || operations === null
        ? { missing: { KPA: "no setting is short so little" } }
        : { ok: operations <= operationsBudget(delayMs), versus: { [kpa.name]: operations } }),
    },
  ];
}

function summaryOf(cells: readonly NamedCell[]): BenchRow[] {
  const demanded = cells.filter(({ rivalAccepted }) => rivalAccepted !== null);
  const ratios = cells.map(ratioOf).filter((ratio) => ratio !== null);
  if (ratios.length === 0) return [];
  const mean = Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length);
  const worst = Math.max(...ratios);
  const notHeld = demanded.filter((cell) => !isHeld(cell)).length;
  const busy = cells.filter((cell) => (operationsRatioOf(cell) ?? 0) > operationsBudget(cell.delayMs)).length;
  return [
    { name: "cells", value: cells.length, unit: "cells" },
    { name: "held", value: cells.filter(isHeld).length, unit: "cells" },
    { name: "held in hindsight by some target, not by us", value: notHeld, unit: "cells", budget: 0, ok: notHeld === 0 },
    { name: "cells with a rival setting", value: ratios.length, unit: "cells" },
    { name: "ratio, geometric mean", value: mean, unit: "×", budget: BUDGETS.ratioMean, ok: mean <= BUDGETS.ratioMean },
    { name: "ratio, worst", value: worst, unit: "×", budget: BUDGETS.ratioWorst, ok: worst <= BUDGETS.ratioWorst },
    { name: "more operations than allowed", value: busy, unit: "cells", budget: 0, ok: busy === 0 },
    { name: "operations, mean", value: cells.reduce((sum, { own }) => sum + own.operationsPerDay, 0) / cells.length, unit: "a day" },
  ];
}

/** One line of the table in docs/design/provisioning.md. */
function describe(cell: NamedCell): string {
  const { name, own, rival, rivalAccepted, kpa } = cell;
  const percent = `${Number((own.shortfallSeen * 100).toPrecision(2))}`;
  const mark = isHeld(cell) ? "" : rivalAccepted === null ? " x" : " **x**";
  return [
    name,
    `seen ${percent} %${mark}`,
    `cost ${own.costToOracle.toFixed(3)}`,
    rival === null ? "no rival" : `${rival.name} ${rival.costToOracle.toFixed(3)}`,
    `ratio ${ratioOf(cell)?.toFixed(3) ?? "–"}`,
    `R@eps ${rivalAccepted === null ? "–" : (own.costToOracle / rivalAccepted.costToOracle).toFixed(3)}`,
    `operations ${own.operationsPerDay.toFixed(0)} / ${kpa?.operationsPerDay.toFixed(0) ?? "–"}`,
  ].join(" | ");
}
