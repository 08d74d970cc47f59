import { policiesOf, type FlowQuota } from "#shared/config/quota-policies.ts";
import type { LeaseFacts } from "#shared/errors/refusal.ts";
import type { FlowLeft } from "#shared/protocol/pool-rpc.ts";
import type { QuotaKind } from "#shared/protocol/quota-state.ts";
import { RATE_LIMIT, type Partition, type RateLimitTemplate } from "#shared/protocol/rate-limit.ts";

/** Of which an isolate knows what is left. */
const TOLD: ReadonlySet<QuotaKind> = new Set(["rate", "slots", "bandwidth", "total-rate", "total-bandwidth"]);

/**
 * RateLimit of the answers of one flow: what the pool had left at the last renewal, and what is held here. What other isolates hold
 * is not in it, so it promises less than there is. Written once per version of the quota, but for the numbers.
 */
export class RateLimitLine {
  readonly quota: FlowQuota;
  readonly #template: RateLimitTemplate | null;

  constructor(quota: FlowQuota, partition: Partition) {
    this.quota = quota;
    const kinds = policiesOf(quota).filter(({ kind }) => TOLD.has(kind));
    this.#template = RATE_LIMIT.template(kinds, partition);
  }

  /** `bytes`: of bandwidth, held here. */
  fill(left: FlowLeft, held: LeaseFacts, bytes: number): string | null {
    return this.#template?.fill(this.#template.kinds.map((kind) => remainingOf(kind, { left, held, bytes }))) ?? null;
  }
}

interface Remaining {
  readonly left: FlowLeft;
  readonly held: LeaseFacts;
  readonly bytes: number;
}

function remainingOf(kind: QuotaKind, { left, held, bytes }: Remaining): number {
  if (kind === "rate" || kind === "total-rate") return (left.tokens ?? 0) + held.tokens;
  if (kind === "bandwidth" || kind === "total-bandwidth") return (left.bytes ?? 0) + bytes;
  return (left.slots ?? 0) + Math.max(0, held.slots - held.running);
}
