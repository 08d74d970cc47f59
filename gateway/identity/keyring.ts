import { importJWK } from "jose";
import type { Configuration, PublicKey } from "#shared/config/schema.ts";
import type { VerificationKey } from "#shared/identifier/token.ts";

/** The tenants' public keys of one version, imported when first asked for. */
export class Keyring {
  readonly #configuration: Configuration;
  readonly #imported = new Map<PublicKey, VerificationKey>();

  constructor(configuration: Configuration) {
    this.#configuration = configuration;
  }

  readonly find = async (tenant: string, keyId: string): Promise<VerificationKey | null> => {
    if (!Object.hasOwn(this.#configuration.tenants, tenant)) return null;
    const keys = this.#configuration.tenants[tenant]?.keys;
    const jwk = keys !== undefined && "jwks" in keys ? keys.jwks.find(({ kid }) => kid === keyId) : undefined;
    if (jwk === undefined) return null;
    const known = this.#imported.get(jwk);
    if (known !== undefined) return known;
    // A point that is not on its curve is no key.
    const key = await importJWK({ ...jwk, use: "sig" }, jwk.alg).catch(() => null);
    if (key === null || key instanceof Uint8Array) return null;
    const imported = { algorithm: jwk.alg, key };
    this.#imported.set(jwk, imported);
    return imported;
  };
}
