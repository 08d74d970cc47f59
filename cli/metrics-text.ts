// As much of the Prometheus text format 0.0.4 as a sum over one metric needs.

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?\s+(\S+)/;

/** Sums a metric's samples for each value of one label. Samples without that label count for nothing. */
export function sumByLabel(text: string, { metric, label }: { metric: string; label: string }): Map<string, number> {
  const sums = new Map<string, number>();
  for (const line of text.split("\n")) {
    const [, name, labels = "", number] = SAMPLE.exec(line) ?? [];
    if (name !== metric) continue;
    const value = labelValue(labels, label);
    if (value !== null) sums.set(value, (sums.get(value) ?? 0) + Number(number));
  }
  return sums;
}

function labelValue(labels: string, label: string): string | null {
  for (const [, name, value = ""] of labels.matchAll(/([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g)) {
    if (name === label) return value.replace(/\\(.)/g, (_, escaped: string) => (escaped === "n" ? "\n" : escaped));
  }
  return null;
}
