// What an isolate keeps between requests: caches and counts that may vanish at any moment with nothing lost.
import type { EdgeCounts } from "#shared/protocol/pool-rpc.ts";
import { ConfigurationCache } from "./configuration-cache.ts";
import type { ExplainKey } from "./explain/explain-keys.ts";
import { VerifiedTokens } from "./identity/verified-tokens.ts";

export class Isolate {
  /** Owner of the slots that this isolate's requests hold. */
  readonly holder: string;
  readonly configuration = new ConfigurationCache();
  readonly verifiedTokens = new VerifiedTokens();
  /** Null until the first refusal imported them. */
  explainKeys: readonly ExplainKey[] | null = null;
  #requestCount = 0;
  #edgeCounts: Record<string, number> = {};

  constructor(holder: string) {
    this.holder = holder;
  }

  /** Unique over all isolates; the slot's id, the log's and the problem's. */
  nextRequestId(): string {
    this.#requestCount += 1;
    return `${this.holder}-${this.#requestCount.toString(36)}`;
  }

  /** Counts an outcome that no pool decided; the next call to any pool brings it along. */
  countEdge(outcome: string): void {
    this.#edgeCounts[outcome] = (this.#edgeCounts[outcome] ?? 0) + 1;
  }

  /** The counts since the last call, handed over: whoever takes them reports them. */
  takeEdgeCounts(): EdgeCounts | undefined {
    if (Object.keys(this.#edgeCounts).length === 0) return undefined;
    const counts = this.#edgeCounts;
    this.#edgeCounts = {};
    return counts;
  }

  /** Puts back counts whose report did not arrive. */
  restoreEdgeCounts(counts: EdgeCounts | undefined): void {
    for (const [outcome, count] of Object.entries(counts ?? {})) this.#edgeCounts[outcome] = (this.#edgeCounts[outcome] ?? 0) + count;
  }
}

let isolate: Isolate | undefined;

/** Made at the first request: randomness is not to be had at start-up. */
export function thisIsolate(): Isolate {
  isolate ??= new Isolate(crypto.randomUUID().replaceAll("-", "").slice(0, 20));
  return isolate;
}
