import { DurableObject } from "cloudflare:workers";
import type { ObjectEnv } from "#durable/lib/env.ts";
import { migrateFirst } from "#durable/lib/migrate.ts";
import { agentKeyWarnings, readAgentKeys } from "#shared/config/agent-keys.ts";
import { validateConfiguration } from "#shared/config/validate.ts";
import type { ConfigurationDocument } from "#shared/config/read-documents.ts";
import type { Configuration } from "#shared/config/schema.ts";
import { LIMITS } from "#shared/limits.ts";
import { isDistribution, poolOf, type SharesPool } from "#shared/forecast/pooled-shares.ts";
import type { ApplyAnswer, RegistryRpc, SharesMessage, Snapshot } from "#shared/protocol/registry-rpc.ts";
import { SharesStore } from "./shares-store.ts";
import { REGISTRY_MIGRATIONS, RegistryStore } from "./store.ts";

const EMPTY: Snapshot = { version: 0, appliedAtMs: 0, digest: "", configuration: { classes: {}, services: {}, tenants: {} } };

/** The one place where configuration lives: whole, immutable versions, numbered from 1. */
export class Registry extends DurableObject<Pick<ObjectEnv, "CAPACITY_AGENT_KEYS">> implements RegistryRpc {
  readonly #store = new RegistryStore(this.ctx.storage.sql);
  readonly #shares = new SharesStore(this.ctx.storage.sql);
  #current: Snapshot = EMPTY;

  constructor(ctx: DurableObjectState, env: Pick<ObjectEnv, "CAPACITY_AGENT_KEYS">) {
    super(ctx, env);
    migrateFirst(ctx, REGISTRY_MIGRATIONS, () => {
      this.#current = this.#store.loadNewest() ?? EMPTY;
    });
  }

  snapshot(versionKnown: number): Snapshot | null {
    return versionKnown === this.#current.version ? null : this.#current;
  }

  exchangeShares(message: SharesMessage): SharesPool {
    const { services } = this.#current.configuration;
    const { service, model, weights } = message;
    const nowMs = Date.now();
    if (weights !== null && Object.hasOwn(services, service) && isDistribution(weights))
      this.#shares.put(service, { model, weights }, nowMs);
    return poolOf(this.#shares.othersOf(message, (name) => Object.hasOwn(services, name), nowMs));
  }

  async apply(documents: readonly ConfigurationDocument[]): Promise<ApplyAnswer> {
    const validated = validateConfiguration(documents);
    if (!validated.ok) return validated;
    const { configuration } = validated;
    const warnings = [...validated.warnings, ...agentKeyWarnings(configuration, readAgentKeys(this.env.CAPACITY_AGENT_KEYS))];
    const unresolved = Object.values(configuration.tenants).find(({ keys }) => "state" in keys);
    if (unresolved) {
      const message = "is { state: true }, expected { jwks: [public keys] }: `tidegate apply` puts the state folder's keys in";
      return { ok: false, errors: [{ file: `tenants/${unresolved.tenant}.yaml`, path: ["keys"], message }] };
    }
    const text = JSON.stringify(configuration);
    const bytes = new TextEncoder().encode(text);
    if (bytes.length > LIMITS.configurationBytesMax) {
      const message = `all files together are ${bytes.length} bytes as JSON with their defaults, expected at most ${LIMITS.configurationBytesMax}`;
      return { ok: false, errors: [{ file: "", path: [], message }] };
    }
    const digest = hex(await crypto.subtle.digest("SHA-256", bytes));
    // Other calls ran during the digest: the version is counted from what is current now.
    const { version } = this.#current;
    if (digest === this.#current.digest) return { ok: true, version, changed: false, warnings };
    const next: Snapshot = { version: version + 1, appliedAtMs: Date.now(), digest, configuration: JSON.parse(text) as Configuration };
    this.#store.append(next, text);
    this.#current = next;
    return { ok: true, version: next.version, changed: true, warnings };
  }
}

function hex(buffer: ArrayBuffer): string {
  return [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
