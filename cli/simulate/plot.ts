// --plot: one page that needs nothing else: the frontier of cost and shortfall, and the run over time, as SVG.
import type { PolicyScore } from "./simulate.ts";
import type { Timeline } from "./timeline.ts";

export interface PlotInput {
  readonly title: string;
  readonly subtitle: string;
  /** Accepted, as a ratio. */
  readonly shortfall: number;
  readonly scores: readonly PolicyScore[];
  /** In shards, per bucket. */
  readonly load: readonly number[];
  readonly timelines: readonly Timeline[];
  readonly fromMs: number;
  readonly toMs: number;
}

const WIDTH = 1_000;
const HEIGHT = 320;
const MARGIN = { left: 60, right: 20, top: 16, bottom: 44 };
const INNER = { width: WIDTH - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom };
/** A shortfall of zero is drawn here. */
const SHORTFALL_LEAST = 1e-6;
/** Beyond this a policy's cost is drawn at the edge. */
const COST_MOST = 4;
const COLOURS: Readonly<Record<string, string>> = {
  tidegate: "#0b6e4f",
  hpa: "#c1440e",
  kpa: "#3a5fcd",
  aws: "#b8860b",
  static: "#777777",
  oracle: "#000000",
};

/** A page without scripts, fonts or images from elsewhere. */
export function plotPage(input: PlotInput): string {
  const legend = [...new Set(input.scores.map(({ name }) => familyOf(name)))]
    .map((family) => `<span style="color:${colourOf(family)}">■ ${escapeHtml(family)}</span>`)
    .join(" ");
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>${escapeHtml(input.title)}</title>
<style>body{font:14px/1.5 system-ui,sans-serif;max-width:${WIDTH}px;margin:2em auto;padding:0 1em}svg{width:100%;height:auto}text{font-size:12px;fill:#444}
.axis{stroke:#bbb;fill:none}.load{fill:#d9e2ec;stroke:none}table{border-collapse:collapse}td,th{padding:2px 12px;text-align:right}td:first-child,th:first-child{text-align:left}</style>
<h1>${escapeHtml(input.title)}</h1><p>${escapeHtml(input.subtitle)}</p><p>${legend}</p>
<h2>Cost and shortfall</h2>${frontier(input)}
<h2>Shards over time</h2>${timeSeries(input)}
<h2>Figures</h2>${table(input.scores)}
</html>
`;
}

function frontier({ scores, shortfall }: PlotInput): string {
  const most = Math.min(COST_MOST, Math.max(1.2, ...scores.map(({ costToOracle }) => costToOracle)));
  const least = Math.min(0.9, ...scores.map(({ costToOracle }) => costToOracle));
  const x = (ratio: number): number =>
    MARGIN.left + (Math.log10(Math.min(1, Math.max(SHORTFALL_LEAST, ratio)) / SHORTFALL_LEAST) / 6) * INNER.width;
  const y = (cost: number): number => MARGIN.top + (1 - (Math.min(most, cost) - least) / (most - least)) * INNER.height;
  const families = new Map<string, PolicyScore[]>();
  for (const score of scores) families.set(familyOf(score.name), [...(families.get(familyOf(score.name)) ?? []), score]);
  const marks = [...families].map(([family, scored]) => {
    // Along the axis: a sweep's settings stand behind the one that was asked for.
    const points = scored.toSorted((a, b) => a.shortfallSeen - b.shortfallSeen);
    const path = points.map((point) => `${x(point.shortfallSeen).toFixed(1)},${y(point.costToOracle).toFixed(1)}`).join(" ");
    const line = points.length > 1 ? `<polyline points="${path}" fill="none" stroke="${colourOf(family)}"/>` : "";
    const dots = points.map(
      (point) =>
        `<circle cx="${x(point.shortfallSeen).toFixed(1)}" cy="${y(point.costToOracle).toFixed(1)}" r="${points.length > 1 ? 2 : 5}" fill="${colourOf(family)}"><title>${escapeHtml(`${point.name}: cost ${point.costToOracle.toFixed(3)}, shortfall ${percent(point.shortfallSeen)}`)}</title></circle>`,
    );
    return line + dots.join("");
  });
  const accepted = `<line x1="${x(shortfall)}" x2="${x(shortfall)}" y1="${MARGIN.top}" y2="${HEIGHT - MARGIN.bottom}" stroke="#0b6e4f" stroke-dasharray="4"/>`;
  const ticks = [0, 1, 2, 3, 4, 5, 6].map((exponent) => {
    const ratio = SHORTFALL_LEAST * 10 ** exponent;
    return `<text x="${x(ratio)}" y="${HEIGHT - 24}" text-anchor="middle">${exponent === 0 ? "0" : percent(ratio)}</text>`;
  });
  return svg([...ticks, ...costTicks(least, most, y), ...axisNames("unserved, of what was wanted", "cost ÷ oracle's"), accepted, ...marks]);
}

function axisNames(across: string, up: string): string[] {
  const middle = MARGIN.top + INNER.height / 2;
  return [
    `<text x="${MARGIN.left + INNER.width / 2}" y="${HEIGHT - 4}" text-anchor="middle">${across}</text>`,
    `<text x="14" y="${middle}" text-anchor="middle" transform="rotate(-90 14 ${middle})">${up}</text>`,
  ];
}

function costTicks(least: number, most: number, y: (cost: number) => number): string[] {
  return [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const cost = least + share * (most - least);
    return `<text x="${MARGIN.left - 6}" y="${y(cost) + 4}" text-anchor="end">${cost.toFixed(2)}</text>`;
  });
}

function timeSeries({ load, timelines, fromMs, toMs }: PlotInput): string {
  const most = Math.max(1, ...load, ...timelines.flatMap(({ billed }) => billed));
  const x = (bucket: number): number => MARGIN.left + (bucket / Math.max(1, load.length - 1)) * INNER.width;
  const y = (count: number): number => MARGIN.top + (1 - count / most) * INNER.height;
  const points = (values: readonly number[]): string =>
    values.map((value, bucket) => `${x(bucket).toFixed(1)},${y(Number.isFinite(value) ? value : 0).toFixed(1)}`).join(" ");
  const area = `<polygon class="load" points="${MARGIN.left},${y(0)} ${points(load)} ${x(load.length - 1)},${y(0)}"/>`;
  const lines = timelines.map(
    ({ name, billed }) =>
      `<polyline points="${points(billed)}" fill="none" stroke="${colourOf(familyOf(name))}"><title>${escapeHtml(name)}</title></polyline>`,
  );
  const ticks = [0, 0.25, 0.5, 0.75, 1].flatMap((share) => [
    `<text x="${MARGIN.left - 6}" y="${y(share * most) + 4}" text-anchor="end">${(share * most).toFixed(0)}</text>`,
    `<text x="${x(share * (load.length - 1))}" y="${HEIGHT - 24}" text-anchor="${share === 1 ? "end" : "middle"}">${new Date(fromMs + share * (toMs - fromMs)).toISOString().slice(0, 16).replace("T", " ")}</text>`,
  ]);
  return svg([area, ...ticks, ...axisNames("time; the area is the load", "shards"), ...lines]);
}

function svg(parts: readonly string[]): string {
  const axes = `<path class="axis" d="M${MARGIN.left},${MARGIN.top}V${HEIGHT - MARGIN.bottom}H${WIDTH - MARGIN.right}"/>`;
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img">${axes}${parts.join("")}</svg>`;
}

function table(scores: readonly PolicyScore[]): string {
  const rows = scores.map(
    ({ name, costToOracle, shortfallSeen, timeShort, operationsPerDay }) =>
      `<tr><td>${escapeHtml(name)}<td>${costToOracle.toFixed(3)}<td>${percent(shortfallSeen)}<td>${percent(timeShort)}<td>${operationsPerDay.toFixed(0)}`,
  );
  return `<table><tr><th>policy<th>cost ÷ oracle<th>shortfall<th>time short<th>operations/day${rows.join("")}</table>`;
}

function familyOf(name: string): string {
  return name.split(":")[0] ?? name;
}

function colourOf(family: string): string {
  return COLOURS[family] ?? "#999999";
}

function percent(ratio: number): string {
  return `${Number((ratio * 100).toPrecision(2))} %`;
}

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
