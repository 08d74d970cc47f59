// The calls that keep a regional pool's lease at its home: one at a time; whoever needs an answer waits for the one on its way. Each brings
// along what was measured here, and takes back slots and the table of shards.
import type { Region } from "#shared/config/regions.ts";
import type { PoolRpc, RenewAnswer, RenewMessage } from "#shared/protocol/pool-rpc.ts";
import { SECOND_MS } from "#shared/units.ts";
import type { Pool } from "./pool.ts";
import type { HomeLease, Wanted } from "./home-lease.ts";
import type { RegionalSockets } from "./regional-sockets.ts";
import type { RegionalTelemetry } from "./regional-telemetry.ts";

/** What was measured is told after so long at the latest. */
const TELL_MS = 5 * SECOND_MS;

interface HomeRenewalsInput {
  /** The service's home pool, near where its region is. */
  readonly homeOf: (service: string, region: Region | undefined) => Pick<PoolRpc, "renew">;
  readonly home: HomeLease;
  readonly telemetry: RegionalTelemetry;
  readonly sockets: () => Pick<RegionalSockets, "list" | "settle">;
  readonly life: () => number;
  /** An answer: another table, other slots. */
  readonly onAnswer: (answer: RenewAnswer, nowMs: number) => void;
}

export class HomeRenewals {
  readonly #pool: Pool;
  readonly #input: HomeRenewalsInput;
  /** Whether it was answered. */
  #asking: Promise<boolean> | null = null;
  /** Of those who wait for an answer. */
  readonly #waiting = new Set<readonly Wanted[]>();
  #wasLive = false;
  #untoldSinceMs: number | null = null;

  constructor(pool: Pool, input: HomeRenewalsInput) {
    this.#pool = pool;
    this.#input = input;
    input.home.awaited = (flow) => this.#awaited(flow);
  }

  /** False: what is wanted was never asked for, or the lease is over. */
  isReady(wants: readonly Wanted[], nowMs: number): boolean {
    this.#tick(nowMs);
    return !this.#input.home.isUnknown(wants);
  }

  /** Waits until it is so. */
  async ensure(wants: readonly Wanted[], nowMs: number): Promise<void> {
    if (this.isReady(wants, nowMs)) return;
    this.#waiting.add(wants);
    // Twice: the call on its way may have been sent before this was wanted. The next one asks for all who wait.
    for (let turn = 0; turn < 2 && this.#input.home.isUnknown(wants); turn += 1) await (this.#asking ?? this.#renew());
    this.#waiting.delete(wants);
    this.#tick(Date.now());
  }

  #awaited(flow: string): number {
    let sum = 0;
    for (const wants of this.#waiting) for (const wanted of wants) if (wanted.flow === flow) sum += wanted.tokensNow ?? 0;
    return sum;
  }

  /** A call that is sent after this; whether it was answered. */
  async renewNow(): Promise<boolean> {
    if (this.#asking !== null) await this.#asking;
    return this.#asking ?? this.#renew();
  }

  /** Behind whatever is going on. */
  renewDue(nowMs: number): void {
    this.#tick(nowMs);
    if (this.#asking === null && (this.#input.home.isDue(this.#pool.ledger) || this.#isToldLate(nowMs))) void this.#renew();
  }

  /** What was measured rides on a renewal; where none is due it sets one off. */
  #isToldLate(nowMs: number): boolean {
    if (this.#input.telemetry.isEmpty) this.#untoldSinceMs = null;
    else this.#untoldSinceMs ??= nowMs;
    return this.#untoldSinceMs !== null && nowMs - this.#untoldSinceMs >= TELL_MS;
  }

  /** A lease that is over lends nothing: the ledger divides anew. */
  #tick(nowMs: number): void {
    const { home } = this.#input;
    home.tick(nowMs);
    if (this.#wasLive && !home.isLive) this.#pool.policyChanged(nowMs);
    this.#wasLive = home.isLive;
  }

  #renew(): Promise<boolean> {
    this.#asking = this.#ask().finally(() => {
      this.#asking = null;
      if (this.#input.home.handsMore) this.renewDue(Date.now());
    });
    return this.#asking;
  }

  async #ask(): Promise<boolean> {
    const { homeOf, home, telemetry } = this.#input;
    // Those that came together ask together.
    if (this.#waiting.size > 0) await new Promise((wake) => setTimeout(wake, 0));
    home.tick(Date.now());
    const message = this.#message([...this.#waiting].flat());
    const { handed } = message.lease;
    // What is given up is lent no more.
    if (handed !== undefined) this.#pool.policyChanged(Date.now());
    this.#untoldSinceMs = null;
    const { flows } = message.lease;
    const isIdle = flows.length === 0;
    try {
      const answer = await homeOf(message.service, this.#pool.configuration.service?.regions?.[0]).renew(message);
      home.tick(Date.now());
      const isApplied = home.apply(answer, isIdle);
      if (isApplied) this.#input.sockets().settle(handed ?? [], answer.lease);
      this.#wasLive = home.isLive;
      this.#pool.policyChanged(Date.now());
      this.#input.onAnswer(answer, Date.now());
      return isApplied;
    } catch (error) {
      home.tick(Date.now());
      home.failed();
      telemetry.add(message.telemetry);
      console.warn(JSON.stringify({ level: "warn", event: "home-failed", service: message.service, error: String(error).slice(0, 500) }));
      return false;
    }
  }

  #message(wants: readonly Wanted[]): RenewMessage {
    const { home, telemetry, life, sockets } = this.#input;
    const { configuration, ledger, queueLength, routes } = this.#pool;
    const lease = home.request(ledger, wants, { holder: configuration.region ?? "", life, ...sockets().list(Date.now()) });
    const lanes = lease.lanes.map(({ lane }) => ({ lane, inUse: ledger.flows.lanes.runningOf(lane) }));
    return {
      service: configuration.name,
      configurationVersion: configuration.version,
      tableVersion: routes.version,
      lease,
      telemetry: telemetry.take(),
      use: { inUse: ledger.counts.inUse, waiting: queueLength, lanes },
    };
  }
}
