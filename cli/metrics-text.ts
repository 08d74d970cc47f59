// As much of the Prometheus text format 0.0.4 as reading our own metrics needs.

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?\s+(\S+)/;

interface MetricSample {
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

/** By the metric's name, in their order. */
export function readMetrics(text: string): Map<string, MetricSample[]> {
  const samples = new Map<string, MetricSample[]>();
  for (const line of text.split("\n")) {
    const [, name, labels = "", number] = SAMPLE.exec(line) ?? [];
    if (name === undefined) continue;
    const of = samples.get(name) ?? [];
    of.push({ labels: readLabels(labels), value: Number(number) });
    samples.set(name, of);
  }
  return samples;
}

/** Sums a metric's samples for each value of one label. Samples without that label count for nothing. */
export function sumByLabel(text: string, { metric, label }: { metric: string; label: string }): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { labels, value } of readMetrics(text).get(metric) ?? []) {
    const of = labels.get(label);
    if (of !== undefined) sums.set(of, (sums.get(of) ?? 0) + value);
  }
  return sums;
}

function readLabels(text: string): Map<string, string> {
  const labels = new Map<string, string>();
  for (const [, name = "", value = ""] of text.matchAll(/([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g)) {
    labels.set(
      name,
      value.replace(/\\(.)/g, (_, escaped: string) => (escaped === "n" ? "\n" : escaped)),
    );
  }
  return labels;
}
