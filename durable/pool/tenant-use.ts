// What tenants have used here that their quotas are to know: of those that are limited over all services, or would be. Pure. What was told
// and not answered is told again, so that nothing is forgotten; a message whose answer was lost is counted twice.
import type { QuotaUse } from "#shared/protocol/quota-rpc.ts";
import type { FlowTelemetry } from "#shared/protocol/telemetry.ts";

const NOTHING: QuotaUse = { arrivals: 0, bytes: 0, costMs: 0 };

export class TenantUse {
  readonly #uses = new Map<string, QuotaUse>();

  has(tenant: string): boolean {
    return this.#uses.has(tenant);
  }

  add(tenant: string, { arrivals, bytes, costMs }: QuotaUse): void {
    if (arrivals + bytes + costMs === 0) return;
    const known = this.#uses.get(tenant) ?? NOTHING;
    this.#uses.set(tenant, { arrivals: known.arrivals + arrivals, bytes: known.bytes + bytes, costMs: known.costMs + costMs });
  }

  /** Handed over: `add` puts back what did not arrive. */
  take(tenant: string): QuotaUse {
    const use = this.#uses.get(tenant) ?? NOTHING;
    this.#uses.delete(tenant);
    return use;
  }
}

export function useOf({ arrivals, busyMs, messagesMs = 0, bytes = 0 }: FlowTelemetry, costWeight: number): QuotaUse {
  return { arrivals, bytes, costMs: (busyMs + messagesMs) * costWeight };
}
