import type { Entitlement } from "#shared/identifier/entitlement.ts";
import { LIMITS } from "#shared/limits.ts";

interface Verified {
  readonly entitlement: Entitlement;
  /** The version of the configuration whose keys verified it. */
  readonly version: number;
}

/**
 * Tokens that this isolate has verified, until they expire or the keys change. Bounded in number and in bytes;
 * the one that was verified longest ago goes first.
 */
export class VerifiedTokens {
  readonly #verified = new Map<string, Verified>();
  #bytes = 0;

  get size(): number {
    return this.#verified.size;
  }

  find(token: string, version: number, nowMs: number): Entitlement | undefined {
    const found = this.#verified.get(token);
    if (found === undefined) return undefined;
    if (found.version === version && nowMs < found.entitlement.expiresAtMs + LIMITS.clockSkewMsMax) return found.entitlement;
    this.#forget(token);
    return undefined;
  }

  remember(token: string, entitlement: Entitlement, version: number): void {
    this.#forget(token);
    this.#verified.set(token, { entitlement, version });
    this.#bytes += token.length;
    for (const oldest of this.#verified.keys()) {
      if (this.#verified.size <= LIMITS.verifiedTokenCountMax && this.#bytes <= LIMITS.verifiedTokenBytesMax) break;
      this.#forget(oldest);
    }
  }

  #forget(token: string): void {
    if (this.#verified.delete(token)) this.#bytes -= token.length;
  }
}
