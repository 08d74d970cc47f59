// Whether a request that failed on the way to its endpoint is sent once more. Pure. A budget bounds retries to a part of
// the requests, so that an endpoint that fails is not sent more than it would get healthy.

/** RFC 9110 §9.2.2: sent twice they do what they do once. */
const IDEMPOTENT_METHODS = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]);
const RETRY = 1_000;
/** Saved up at most; and what a service that just began has, as Envoy's smallest budget. */
const RETRIES_MAX = 10;
const RETRIES_FIRST = 3;

/** A body is not kept, so a request that has one is sent once. */
export function isRepeatable({
  method,
  hasBody,
  hasIdempotencyKey,
}: {
  method: string;
  hasBody: boolean;
  hasIdempotencyKey: boolean;
}): boolean {
  return !hasBody && (IDEMPOTENT_METHODS.has(method) || hasIdempotencyKey);
}

/** Each request earns a part of a retry; in thousandths, so that the sum is exact. */
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
