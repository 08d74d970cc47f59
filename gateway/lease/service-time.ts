// How long a service's endpoints take to answer, as a caller has to allow for: a smoothed mean and twice the smoothed
// deviation from it. Source: V. Jacobson, "Congestion avoidance and control", SIGCOMM 1988, appendix A (its gains; it allows
// four deviations, being about to send again, where here the time is taken from the wait).

const MEAN_GAIN = 1 / 8;
const DEVIATION_GAIN = 1 / 4;
const DEVIATIONS = 2;

export class ServiceTime {
  #meanMs: number | null = null;
  #deviationMs = 0;

  observe(latencyMs: number): void {
    if (this.#meanMs === null) {
      this.#meanMs = latencyMs;
      this.#deviationMs = latencyMs / 2;
      return;
    }
    const errorMs = latencyMs - this.#meanMs;
    this.#meanMs += MEAN_GAIN * errorMs;
    this.#deviationMs += DEVIATION_GAIN * (Math.abs(errorMs) - this.#deviationMs);
  }

  /** 0: nothing is known. */
  get expectedMs(): number {
    return this.#meanMs === null ? 0 : this.#meanMs + DEVIATIONS * this.#deviationMs;
  }
}
