import type { RefusalOutcome } from "./outcomes.ts";

/** A decision against a request. A value, not an exception: it crosses RPC, logs and headers unchanged. */
export interface Refusal {
  readonly ok: false;
  readonly outcome: RefusalOutcome;
  /** What is, and what would have been right. Shown to the caller: leaks nothing. */
  readonly detail: string;
  /** When coming back may help. */
  readonly retryAfterMs?: number;
  /** More precise than the outcome's own (RFC 9209 §2.3). */
  readonly proxyError?: string;
  /** For wrong-method. */
  readonly allow?: readonly string[];
  /** For bad-configuration: one per fault. */
  readonly errors?: readonly unknown[];
}

/** The four-line way to say no. */
export function refuse(outcome: RefusalOutcome, detail: string, more: Partial<Refusal> = {}): Refusal {
  return { ...more, ok: false, outcome, detail };
}
