const RETRY = 1_000;
/** Saved up at most; and what a service that just began has, as Envoy's smallest budget. */
const RETRIES_MAX = 10;
const RETRIES_FIRST = 3;

/**
 * Bounds retries to a part of the requests, so that an endpoint that fails is not sent more than it would get healthy. Each request earns a
 * part of a retry; in thousandths, so that the sum is exact.
 */
export class RetryBudget {
  #thousandths = RETRIES_FIRST * RETRY;

  earn(ratio: number): void {
    this.#thousandths = Math.min(RETRIES_MAX * RETRY, this.#thousandths + Math.round(ratio * RETRY));
  }

  /** False: the retries are used up for now. */
  take(): boolean {
    if (this.#thousandths < RETRY) return false;
    this.#thousandths -= RETRY;
    return true;
  }
}
