// The full account of one refusal: what `instance` carries, sealed, and `tidegate explain` tells.
import type { DecisionPlace, RefusalOutcome } from "../errors/outcomes.ts";
import type { LeaseFacts, QueueFacts } from "../errors/refusal.ts";
import { fnv1a } from "../fnv1a.ts";
import type { QuotaState } from "../protocol/quota-state.ts";

export interface Account {
  /** As in the log and towards the endpoint. */
  readonly requestId: string;
  readonly atMs: number;
  readonly outcome: RefusalOutcome;
  readonly decidedBy: DecisionPlace;
  /** From the request's arrival to the decision. */
  readonly elapsedMs: number;
  /** 0: none was known. */
  readonly configurationVersion: number;
  readonly retryAfterMs?: number;
  /** Known from classification on. */
  readonly identifier?: AccountIdentifier;
  readonly queue?: QueueFacts;
  readonly lease?: LeaseFacts;
  /** At most `VIOLATED_MAX` are kept. */
  readonly violated: readonly QuotaState[];
}

export interface AccountIdentifier {
  readonly service: AccountName;
  readonly tenant: AccountName;
  readonly className: AccountName;
  readonly device: AccountName;
  readonly urgency: number;
}

/** Whole, or what there was room for with a hash of the whole. */
export type AccountName = string | { readonly prefix: string; readonly hash: number };

export const VIOLATED_MAX = 2;

/** The name in full where one of the candidates is it; else as far as it is known. */
export function nameOf(name: AccountName, candidates: readonly string[]): string {
  if (typeof name === "string") return name;
  const whole = candidates.find((candidate) => candidate.startsWith(name.prefix) && fnv1a(candidate) === name.hash);
  return whole ?? `${name.prefix}…`;
}
