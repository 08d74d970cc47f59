import { policiesOf } from "#shared/config/quota-policies.ts";
import type { QuotaConfig } from "#shared/config/schema.ts";
import type { LeaseFacts } from "#shared/errors/refusal.ts";
import type { FlowLeft } from "#shared/protocol/pool-rpc.ts";
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
    const kinds = policiesOf(quota).filter(({ kind }) => kind === "rate" || kind === "slots");
    this.#template = RATE_LIMIT.template(kinds, partition);
  }

  fill({ slots, tokens }: FlowLeft, held: LeaseFacts): string | null {
    const template = this.#template;
    if (template === null) return null;
    return template.fill(
      template.kinds.map((kind) => (kind === "rate" ? (tokens ?? 0) + held.tokens : (slots ?? 0) + Math.max(0, held.slots - held.running))),
    );
  }
}
