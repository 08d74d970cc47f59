import { mintToken } from "#shared/identifier/token.ts";
import { LIMITS } from "#shared/limits.ts";
import { HOUR_MS, MINUTE_MS } from "#shared/units.ts";
import type { TenantKeys } from "../tenant-keys.ts";
import type { Caller, TenantShare } from "./mix.ts";

interface CachedToken {
  readonly token: Promise<string>;
  readonly renewAtMs: number;
}

const LIFETIME_MS = HOUR_MS;
/** Well before it expires: a request may wait a while with it. */
const RENEW_AFTER_MS = LIFETIME_MS - 15 * MINUTE_MS;
const TOKEN_COUNT_MAX = 20_000;

/** Tokens for callers: one per device and class, for all of the tenant's services with that class, signed once and kept. */
export class TokenSource {
  readonly #keys: ReadonlyMap<string, TenantKeys>;
  readonly #servicesOf: ReadonlyMap<string, TenantShare["services"]>;
  readonly #audience: string;
  readonly #tokens = new Map<string, CachedToken>();

  constructor({ keys, tenants, audience }: { keys: ReadonlyMap<string, TenantKeys>; tenants: readonly TenantShare[]; audience: string }) {
    this.#keys = keys;
    this.#servicesOf = new Map(tenants.map(({ tenant, services }) => [tenant, services]));
    this.#audience = audience;
  }

  get size(): number {
    return this.#tokens.size;
  }

  async tokenFor(caller: Caller, nowMs: number): Promise<string> {
    const services = this.#servicesFor(caller);
    const key = `${caller.tenant}/${caller.device}/${caller.className}/${services[0]}`;
    const cached = this.#tokens.get(key);
    if (cached !== undefined && nowMs < cached.renewAtMs) return cached.token;
    if (cached === undefined && this.#tokens.size >= TOKEN_COUNT_MAX) this.#forgetOldest();
    const token = this.#mint(caller, services, nowMs);
    this.#tokens.set(key, { token, renewAtMs: nowMs + RENEW_AFTER_MS });
    return token;
  }

  async #mint({ tenant, device, className }: Caller, services: readonly string[], nowMs: number): Promise<string> {
    const keys = this.#keys.get(tenant);
    if (keys === undefined) throw new RangeError(`Cannot sign for tenant ${tenant}: it has no keys here, expected a tenant of the mix`);
    return mintToken({
      tenant,
      device,
      services,
      className,
      urgencyFirst: 0,
      audience: this.#audience,
      nowMs,
      lifetimeMs: LIFETIME_MS,
      signer: keys.signers.EdDSA,
    });
  }

  /** As many services as a token may name, this caller's among them; the same slice for every service in it. */
  #servicesFor({ tenant, service, className }: Caller): readonly string[] {
    const all = (this.#servicesOf.get(tenant) ?? []).filter(({ classes }) => classes.includes(className)).map((entry) => entry.service);
    const slice = Math.floor(all.indexOf(service) / LIMITS.tokenServiceCountMax) * LIMITS.tokenServiceCountMax;
    return all.slice(slice, slice + LIMITS.tokenServiceCountMax);
  }

  #forgetOldest(): void {
    for (const key of this.#tokens.keys()) return void this.#tokens.delete(key);
  }
}
