import { DurableObject } from "cloudflare:workers";
import type { ObjectEnv } from "#durable/lib/env.ts";
import { migrateFirst } from "#durable/lib/migrate.ts";
import { writeOrAbort } from "#durable/lib/write-or-abort.ts";
import type { QuotaRenewal, QuotaRenewalRequest, QuotaRpc, QuotaUsage } from "#shared/protocol/quota-rpc.ts";
import { REGISTRY_NAME } from "#shared/protocol/registry-rpc.ts";
import { quotaConfigurationOf } from "./quota-policy.ts";
import type { Quota } from "./quota.ts";
import { QUOTA_MIGRATIONS, QuotaStore } from "./store.ts";

/** Counters are for people: they reach the disk with every so many renewals, and an eviction loses those since. */
const COUNTERS_SAVED_EVERY = 64;

/**
 * The only writer of one tenant's ledger over all services. It sets no alarm: a pool that fell silent keeps its whole lease
 * for as long as its requests may run, and what it gives up then is noticed by whoever renews next.
 *
 * When it is out of reach, its pools fail open in bounds: docs/design/quotas.md.
 */
export class TenantQuota extends DurableObject<ObjectEnv> implements QuotaRpc {
  readonly #store = new QuotaStore(this.ctx.storage.sql);
  #quota!: Quota;

  constructor(ctx: DurableObjectState, env: ObjectEnv) {
    super(ctx, env);
    migrateFirst(ctx, QUOTA_MIGRATIONS, () => {
      this.#quota = this.#store.load(Date.now());
    });
  }

  /** Lends to a pool what it wants, or as much of it as is its share. On disk before it is promised. */
  async renew({ tenant, configurationVersion, lease, use }: QuotaRenewalRequest): Promise<QuotaRenewal> {
    if (configurationVersion > this.#quota.configuration.version) await this.#refresh(tenant);
    const nowMs = Date.now();
    const renewal = this.#quota.renew(lease, nowMs);
    const blockedMs = this.#quota.observe(use, nowMs);
    this.#write(() => this.#store.saveChanges(this.#quota.takeChanges()));
    if (this.#quota.counters.renewals % COUNTERS_SAVED_EVERY === 0) this.#write(() => this.#store.saveCounters(this.#quota.counters));
    return { renewal, configurationVersion: this.#quota.configuration.version, blockedMs };
  }

  usage(tenant: string): QuotaUsage {
    return { ...this.#quota.usage(Date.now()), tenant };
  }

  /** Asks the Registry. Other calls run meanwhile: the version is looked at again after the answer. */
  async #refresh(tenant: string): Promise<void> {
    const registry = this.env.REGISTRY.get(this.env.REGISTRY.idFromName(REGISTRY_NAME));
    const snapshot = await registry.snapshot(this.#quota.configuration.version);
    if (snapshot === null || snapshot.version <= this.#quota.configuration.version) return;
    const { version, configuration: whole } = snapshot;
    // What is left of a tenant that was removed keeps its limits: its sockets live on, and isolates may not have heard yet.
    const configuration = Object.hasOwn(whole.tenants, tenant)
      ? quotaConfigurationOf(whole, tenant, version)
      : { ...this.#quota.configuration, tenant, version };
    this.#quota.configure(configuration, Date.now());
    this.#write(() => {
      this.#store.saveConfiguration(configuration);
      this.#store.saveChanges(this.#quota.takeChanges());
    });
  }

  #write(save: () => void): void {
    writeOrAbort(this.ctx, "the quota", save);
  }
}
