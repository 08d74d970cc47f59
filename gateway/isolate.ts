// What an isolate keeps between requests: caches, leases and counts that may vanish at any moment with nothing lost.
import type { Region } from "#shared/config/regions.ts";
import { LIMITS } from "#shared/limits.ts";
import { poolName, regionalPoolName } from "#shared/protocol/pool-rpc.ts";
import { instantiateKernels, type Kernels } from "#wasm/binding/kernels.ts";
import { kernelsModule } from "#wasm/binding/module.ts";
import { ConfigurationCache } from "./configuration-cache.ts";
import type { ExplainKey } from "./explain/explain-keys.ts";
import { VerifiedTokens } from "./identity/verified-tokens.ts";
import { ReportTimes } from "./report-times.ts";
import { ServiceLease } from "./lease/service-lease.ts";
import { Aborters } from "./upstream/aborters.ts";
import { Watch } from "./upstream/watch.ts";

/** Tables of shards and sketches of all services that a configuration may have. Pages that nobody touches cost nothing. */
const KERNEL_MEMORY_BYTES = 48 * 2 ** 20;

export class Isolate {
  /** Holder of the leases, and owner of the slots, that this isolate's requests use. */
  readonly holder: string;
  readonly configuration = new ConfigurationCache();
  readonly verifiedTokens = new VerifiedTokens();
  readonly deviceReports = new ReportTimes();
  readonly watch = new Watch();
  readonly aborters = new Aborters();
  /** Null until the first refusal imported them. */
  explainKeys: readonly ExplainKey[] | null = null;
  readonly #leases = new Map<string, ServiceLease>();
  #kernels: Kernels | undefined;
  #requestCount = 0;
  #edgeCounts: Record<string, number> = {};

  constructor(holder: string) {
    this.holder = holder;
  }

  get configurationVersion(): number {
    return this.configuration.version;
  }

  /** The services that this isolate holds something of. */
  get leases(): Iterable<ServiceLease> {
    return this.#leases.values();
  }

  /** The lease of a configured service, at its home pool or at one of its regional ones. */
  leaseOf(service: string, region: Region | null, home: Region | undefined): ServiceLease {
    const pool = region === null ? poolName(service) : regionalPoolName(service, region);
    const known = this.#leases.get(pool);
    if (known !== undefined) return known;
    if (this.#leases.size >= LIMITS.serviceCountMax) this.#forgetIdle();
    const lease = new ServiceLease(this.holder, { service, region, home }, () => (this.#kernels ??= makeKernels()));
    this.#leases.set(pool, lease);
    return lease;
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
  takeEdgeCounts(): Readonly<Record<string, number>> {
    const counts = this.#edgeCounts;
    this.#edgeCounts = {};
    return counts;
  }

  /** Puts back counts whose report did not arrive. */
  restoreEdgeCounts(counts: Readonly<Record<string, number>>): void {
    for (const [outcome, count] of Object.entries(counts)) this.#edgeCounts[outcome] = (this.#edgeCounts[outcome] ?? 0) + count;
  }

  /** Services that left the configuration: their leases end by themselves. */
  #forgetIdle(): void {
    for (const [service, lease] of this.#leases) {
      if (lease.running > 0) continue;
      lease.release();
      this.#leases.delete(service);
      return;
    }
  }
}

function makeKernels(): Kernels {
  return instantiateKernels(kernelsModule, { memoryBytes: KERNEL_MEMORY_BYTES });
}

let isolate: Isolate | undefined;

/** Made at the first request: randomness is not to be had at start-up. */
export function thisIsolate(): Isolate {
  isolate ??= new Isolate(crypto.randomUUID().replaceAll("-", "").slice(0, 20));
  return isolate;
}
