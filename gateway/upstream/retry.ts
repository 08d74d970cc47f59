// Whether a request that failed on the way to its endpoint may be sent once more. Pure. How many are: shared/retry-budget.ts.

/** RFC 9110 §9.2.2: sent twice they do what they do once. */
const IDEMPOTENT_METHODS = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]);

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
