import type { QuotaState } from "../protocol/quota-state.ts";
import type { DecisionPlace, RefusalOutcome } from "./outcomes.ts";

/** The queue as it stood when the decision fell. */
export interface QueueFacts {
  /** 1: next. */
  readonly position: number;
  readonly length: number;
  readonly waitMs: number;
}

/** What the isolate held for the flow when the decision fell. */
export interface LeaseFacts {
  readonly slots: number;
  readonly running: number;
  readonly tokens: number;
  readonly expiresInMs: number;
}

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
  /** Where it was decided; absent: where its outcome is by nature. */
  readonly decidedBy?: DecisionPlace;
  /** The limits it ran into, with their numbers. */
  readonly violated?: readonly QuotaState[];
  readonly queue?: QueueFacts;
  readonly lease?: LeaseFacts;
  /** For wrong-method. */
  readonly allow?: readonly string[];
  /** For bad-configuration: one per fault. */
  readonly errors?: readonly unknown[];
}

/** The four-line way to say no. */
export function refuse(outcome: RefusalOutcome, detail: string, more: Partial<Refusal> = {}): Refusal {
  return { ...more, ok: false, outcome, detail };
}
