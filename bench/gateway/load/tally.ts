/** What became of a load: answers by status, and the latencies of those that were served. */
export class Tally {
  readonly statuses = new Map<number, number>();
  readonly #latenciesMs: number[] = [];
  #isSorted = true;

  get count2xx(): number {
    return this.#latenciesMs.length;
  }

  get total(): number {
    return [...this.statuses.values()].reduce((sum, count) => sum + count, 0);
  }

  count(status: number, latencyMs: number): void {
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
    if (!isServed(status)) return;
    this.#latenciesMs.push(latencyMs);
    this.#isSorted = false;
  }

  /** The smallest latency that at least `ratio` of the served do not exceed; NaN where none was served. */
  quantileMs(ratio: number): number {
    if (!this.#isSorted) this.#latenciesMs.sort((a, b) => a - b);
    this.#isSorted = true;
    return this.#latenciesMs[Math.max(0, Math.ceil(ratio * this.#latenciesMs.length) - 1)] ?? Number.NaN;
  }
}

export function isServed(status: number): boolean {
  return status >= 200 && status <= 299;
}
