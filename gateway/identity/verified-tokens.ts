import type { AppliedIdentifier, Entitlement } from "#shared/identifier/entitlement.ts";
import { LIMITS } from "#shared/limits.ts";

export interface Verified {
  readonly entitlement: Entitlement;
  /** The version of the configuration whose keys verified it. */
  readonly version: number;
  /** Service → what is applied to a request that asks for nothing. Only for services that the token names, so bounded by them. */
  readonly plain: Map<string, AppliedIdentifier>;
}

/**
 * Credentials, as they were sent, whose tokens this isolate has verified, until they expire or the keys change. Bounded in number and in bytes;
 * the one that was verified longest ago goes first.
 */
export class VerifiedTokens {
  readonly #verified = new Map<string, Verified>();
  #bytes = 0;

  get size(): number {
    return this.#verified.size;
  }

  find(credential: string, version: number, nowMs: number): Verified | undefined {
    const found = this.#verified.get(credential);
    if (found === undefined) return undefined;
    if (found.version === version && nowMs < found.entitlement.expiresAtMs + LIMITS.clockSkewMsMax) return found;
    this.#forget(credential);
    return undefined;
  }

  remember(credential: string, entitlement: Entitlement, version: number): Verified {
    this.#forget(credential);
    const verified = { entitlement, version, plain: new Map<string, AppliedIdentifier>() };
    this.#verified.set(credential, verified);
    this.#bytes += credential.length;
    for (const oldest of this.#verified.keys()) {
      if (this.#verified.size <= LIMITS.verifiedTokenCountMax && this.#bytes <= LIMITS.verifiedTokenBytesMax) break;
      this.#forget(oldest);
    }
    return verified;
  }

  #forget(credential: string): void {
    if (this.#verified.delete(credential)) this.#bytes -= credential.length;
  }
}
