// Counts while a load runs, and what is said of it at the end.
import { formatTable } from "../table.ts";
import { Histogram, RELATIVE_ERROR, type Quantiles } from "./histogram.ts";
import { isAdmitted, type LoadOutcome } from "./load-outcome.ts";

export interface LoadReport {
  /** Every one of them has exactly one outcome. */
  readonly sent: number;
  readonly outcomes: Readonly<Partial<Record<LoadOutcome, number>>>;
  /** Of admitted HTTP requests, from sending to the last byte, per class. */
  readonly latencyMs: Readonly<Record<string, Quantiles>>;
  /** Arrivals that were not sent, because too many were in flight. */
  readonly skipped: number;
  /** Admitted answers with a status of 500 and above. */
  readonly endpointErrors: number;
  /** How much later than planned arrivals were sent. */
  readonly lagMs: Pick<Quantiles, "p50" | "p99">;
  readonly seed: number;
  readonly mix: Readonly<Record<string, unknown>>;
}

export class LoadTally {
  skipped = 0;
  #sent = 0;
  #endpointErrors = 0;
  readonly #outcomes = new Map<LoadOutcome, number>();
  readonly #latencies = new Map<string, Histogram>();
  readonly #lag = new Histogram();

  /** An arrival is on its way, this much later than planned. */
  sending(lagMs: number): void {
    this.#sent++;
    this.#lag.record(Math.max(0, lagMs));
  }

  ended(outcome: LoadOutcome): void {
    this.#outcomes.set(outcome, (this.#outcomes.get(outcome) ?? 0) + 1);
  }

  /** Beside `ended`, for an HTTP answer. */
  answered({
    outcome,
    className,
    status,
    latencyMs,
  }: {
    outcome: LoadOutcome;
    className: string;
    status: number;
    latencyMs: number;
  }): void {
    if (!isAdmitted(outcome)) return;
    if (status >= 500) this.#endpointErrors++;
    const histogram = this.#latencies.get(className) ?? new Histogram();
    this.#latencies.set(className, histogram);
    histogram.record(latencyMs);
  }

  get sent(): number {
    return this.#sent;
  }

  countOf(predicate: (outcome: LoadOutcome) => boolean): number {
    return [...this.#outcomes].reduce((sum, [outcome, count]) => sum + (predicate(outcome) ? count : 0), 0);
  }

  report({ seed, mix, classOrder }: { seed: number; mix: LoadReport["mix"]; classOrder: readonly string[] }): LoadReport {
    const { p50, p99 } = this.#lag.quantiles();
    return {
      sent: this.#sent,
      outcomes: Object.fromEntries([...this.#outcomes].toSorted(([, a], [, b]) => b - a)),
      latencyMs: Object.fromEntries(
        classOrder.flatMap((name) => (this.#latencies.has(name) ? [[name, this.#latencies.get(name)?.quantiles()]] : [])),
      ) as LoadReport["latencyMs"],
      skipped: this.skipped,
      endpointErrors: this.#endpointErrors,
      lagMs: { p50, p99 },
      seed,
      mix,
    };
  }
}

/** Whether nobody answered at all. */
export function isUnreachable({ sent, outcomes }: LoadReport): boolean {
  return sent > 0 && outcomes.unreachable === sent;
}

export function formatLoadReport(report: LoadReport, wallMs: number): string {
  const { sent, outcomes, latencyMs, skipped, endpointErrors, lagMs, seed, mix } = report;
  const percent = (count: number): string => `${((100 * count) / Math.max(1, sent)).toFixed(1)} %`;
  const milliseconds = (value: number | null): string => (value === null ? "–" : value.toFixed(1));
  return [
    `${sent} sent in ${(wallMs / 1_000).toFixed(1)} s, ${skipped} skipped (too many in flight), ${endpointErrors} endpoint errors`,
    "",
    formatTable(
      ["outcome", "count", "share"],
      Object.entries(outcomes).map(([outcome, count]) => [outcome, count, percent(count)]),
    ),
    "",
    formatTable(
      ["latency, ms", "p50", "p95", "p99"],
      Object.entries(latencyMs).map(([name, { p50, p95, p99 }]) => [name, ...[p50, p95, p99].map(milliseconds)]),
    ),
    "",
    `latency: admitted HTTP requests, from sending to the last byte; log-bucket histogram, relative error at most ${100 * RELATIVE_ERROR} %`,
    `open loop: sent later than planned by ${milliseconds(lagMs.p50)} ms (p50), ${milliseconds(lagMs.p99)} ms (p99)`,
    `seed ${seed}, mix ${JSON.stringify(mix)}`,
  ].join("\n");
}
