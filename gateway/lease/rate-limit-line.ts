import { policiesOf } from "#shared/config/quota-policies.ts";
import type { QuotaConfig } from "#shared/config/schema.ts";
import type { LeaseFacts } from "#shared/errors/refusal.ts";
import type { FlowLeft } from "#shared/protocol/pool-rpc.ts";
import type { QuotaKind } from "#shared/protocol/quota-state.ts";
import { RATE_LIMIT, type Partition, type RateLimitTemplate } from "#shared/protocol/rate-limit.ts";

/**
 * RateLimit of the answers of one flow: what the pool had left at the last renewal, and what is held here. What other isolates hold
 * is not in it, so it promises less than there is. Written once per version of the quota, but for the numbers.
 */
export class RateLimitLine {
  readonly quota: QuotaConfig;
  readonly #template: RateLimitTemplate | null;

  constructor(quota: QuotaConfig, partition: Partition) {
    this.quota = quota;
    const kinds = policiesOf(quota).filter(({ kind }) => kind === "rate" || kind === "slots" || kind === "bandwidth");
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
  if (kind === "rate") return (left.tokens ?? 0) + held.tokens;
  if (kind === "bandwidth") return (left.bytes ?? 0) + bytes;
  return (left.slots ?? 0) + Math.max(0, held.slots - held.running);
}
