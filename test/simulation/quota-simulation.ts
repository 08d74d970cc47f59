// One tenant, its quota, and the pools that lend it on: messages are lost, repeated, delayed and reordered, pools are cut off and
// restarted, the quota is evicted, clocks are set, limits change. From one seed, in virtual time, checked after every event.
import { CreditLease } from "#durable/lease/credit-lease.ts";
import type { LedgerChanges, LedgerRows } from "#durable/lease/lease-rows.ts";
import { LEASE_MS_MAX } from "#durable/lease/lease-pace.ts";
import type { QuotaConfiguration } from "#durable/quota/quota-policy.ts";
import type { Quota } from "#durable/quota/quota.ts";
import type { Renewal, RenewalRequest } from "#shared/protocol/lease.ts";
import { seededRandom, type SeededRandom } from "#test/wasm/seeded-random.ts";
import { EventQueue } from "./event-queue.ts";

/** What a canary replaces. */
export interface QuotaParts {
  readonly fresh: (configuration: QuotaConfiguration, nowMs: number) => Quota;
  readonly restore: (configuration: QuotaConfiguration, rows: LedgerRows, nowMs: number) => Quota;
  /** How many slots of a flow a pool may have out. */
  readonly mayHave: (lease: CreditLease, flow: string, nowMs: number) => number;
  /** What a restarted pool knows to be out. */
  readonly passedOn: (pool: { readonly out: number; readonly isRestarted: boolean }) => number;
}

export interface QuotaSimulationResult {
  readonly events: number;
  readonly lent: number;
  readonly outMax: number;
}

interface Pool {
  readonly service: string;
  lease: CreditLease;
  life: number;
  clockOffsetMs: number;
  isRestarted: boolean;
  cutOffUntilMs: number;
  /** Per flow: what is lent to isolates and runs there. */
  readonly out: Map<string, number>;
  readonly wants: Map<string, number>;
}

const START_MS = 1_000_000_000;
const SERVICES = ["echo", "telemetry", "video"] as const;
const CLASSES = ["gold", "bronze"] as const;
const REQUEST_MS_MAX = 6_000;
const CALM_MS = 2 * LEASE_MS_MAX + REQUEST_MS_MAX + 8_000;

export class QuotaSimulation {
  readonly #random: SeededRandom;
  readonly #queue = new EventQueue(START_MS);
  readonly #parts: QuotaParts;
  readonly #pools: Pool[];
  #configuration: QuotaConfiguration;
  #quota: Quota;
  #rows: LedgerRows = { clockOffsetMs: 0, holders: [], slots: [], blocks: [], budgets: [] };
  #quotaOffsetMs = 0;
  #slotsMax: number;
  #isCalm = false;
  #countedBefore = 0;
  #events = 0;
  #lent = 0;
  #outMax = 0;

  constructor(seed: number, parts: QuotaParts) {
    this.#random = seededRandom(seed);
    this.#parts = parts;
    this.#slotsMax = 4 + this.#random.below(60);
    this.#configuration = configurationOf(this.#slotsMax, 1);
    this.#quota = parts.fresh(this.#configuration, this.#quotaNow);
    this.#pools = SERVICES.map((service) => ({
      service,
      lease: new CreditLease(service, 1),
      life: 1,
      clockOffsetMs: 0,
      isRestarted: false,
      cutOffUntilMs: 0,
      out: new Map(),
      wants: new Map(),
    }));
  }

  run({ stormMs }: { stormMs: number }): QuotaSimulationResult {
    for (const pool of this.#pools) {
      this.#wish(pool);
      this.#queue.every(
        () => (this.#isCalm ? 450 : 200 + this.#random.below(900)),
        () => this.#renew(pool),
      );
      this.#queue.every(
        () => 50 + this.#random.below(100),
        () => this.#lend(pool),
      );
    }
    this.#queue.every(
      () => 300,
      () => this.#fault(),
    );
    const check = (): void => this.#check();
    this.#queue.until(START_MS + stormMs, check);
    this.#calmDown();
    this.#queue.until(START_MS + stormMs + CALM_MS, check);
    this.#checkCalm();
    return { events: this.#events, lent: this.#lent, outMax: this.#outMax };
  }

  get #quotaNow(): number {
    return this.#queue.nowMs + this.#quotaOffsetMs;
  }

  #poolNow(pool: Pool): number {
    return this.#queue.nowMs + pool.clockOffsetMs;
  }

  /** What the quota did is on disk before anybody hears of it. */
  #commit<T>(action: () => T): T {
    const result = action();
    const changes = JSON.parse(JSON.stringify(this.#quota.takeChanges())) as LedgerChanges;
    const isKept = (holder: string): boolean =>
      !changes.holdersGone.includes(holder) && !changes.holders.some((row) => row.holder === holder);
    this.#rows = {
      ...this.#rows,
      clockOffsetMs: changes.clockOffsetMs ?? this.#rows.clockOffsetMs,
      holders: [...this.#rows.holders.filter(({ holder }) => isKept(holder)), ...changes.holders],
    };
    return result;
  }

  #wish({ service, wants }: Pool): void {
    for (const className of CLASSES) wants.set(`${service}/${className}`, this.#random.below(3) === 0 ? 0 : this.#random.below(40));
  }

  #renew(pool: Pool): void {
    const demands = [...pool.wants].map(([flow, want]) => {
      const out = this.#parts.passedOn({ out: pool.out.get(flow) ?? 0, isRestarted: pool.isRestarted });
      return { flow, want: Math.max(want, out), passedOn: out, tokensWant: 0 };
    });
    const { lease } = pool;
    this.#send(pool, lease.request(demands, this.#poolNow(pool)), lease);
    pool.isRestarted = false;
  }

  #send(pool: Pool, request: RenewalRequest, lease: CreditLease): void {
    for (let copy = this.#copies(); copy > 0; copy -= 1)
      this.#queue.after(this.#delayMs(), () => {
        if (this.#isCutOff(pool)) return;
        const answer = this.#commit(() => this.#quota.renew(request, this.#quotaNow));
        for (let echo = this.#copies(); echo > 0; echo -= 1) this.#queue.after(this.#delayMs(), () => this.#answer(pool, answer, lease));
      });
  }

  /** An answer to a life that is over reaches nobody. */
  #answer(pool: Pool, answer: Renewal, lease: CreditLease): void {
    if (!this.#isCutOff(pool) && pool.lease === lease) pool.lease.apply(answer, this.#poolNow(pool));
  }

  #isCutOff({ cutOffUntilMs }: Pool): boolean {
    return this.#queue.nowMs < cutOffUntilMs;
  }

  #copies(): number {
    if (this.#isCalm) return 1;
    const dice = this.#random.below(10);
    return dice === 0 ? 0 : dice === 1 ? 2 : 1;
  }

  #delayMs(): number {
    if (this.#isCalm) return 5;
    return this.#random.below(12) === 0 ? this.#random.below(6_000) : 1 + this.#random.below(60);
  }

  /** To isolates, as far as the credit goes; each slot comes back by itself. */
  #lend(pool: Pool): void {
    for (const [flow, want] of pool.wants) {
      const mayHave = Math.min(want, this.#parts.mayHave(pool.lease, flow, this.#poolNow(pool)));
      for (let out = pool.out.get(flow) ?? 0; out < mayHave; out += 1) {
        pool.out.set(flow, out + 1);
        this.#lent += 1;
        const isLong = !this.#isCalm && this.#random.below(10) === 0;
        const endsInMs = isLong ? this.#random.below(REQUEST_MS_MAX) : 20 + this.#random.below(400);
        this.#queue.after(endsInMs, () => pool.out.set(flow, (pool.out.get(flow) ?? 0) - 1));
      }
    }
  }

  #fault(): void {
    if (this.#isCalm) return;
    const pool = this.#pools[this.#random.below(this.#pools.length)];
    if (pool === undefined) return;
    const faults: readonly (() => void)[] = [
      () => this.#wish(pool),
      () => this.#wish(pool),
      () => this.#evict(),
      () => this.#restart(pool),
      () => (pool.cutOffUntilMs = this.#queue.nowMs + this.#random.below(4 * LEASE_MS_MAX)),
      () => (this.#quotaOffsetMs += this.#random.below(4_000) - 2_000),
      () => (pool.clockOffsetMs += this.#random.below(4_000) - 2_000),
      () => this.#setSlots(4 + this.#random.below(60)),
    ];
    faults[this.#random.below(faults.length)]?.();
  }

  #evict(): void {
    this.#quota = this.#parts.restore(this.#configuration, this.#rows, this.#quotaNow);
    // As its first call does: what time has ended is off the disk too, so that a clock set back later brings nothing back.
    this.#commit(() => this.#quota.usage(this.#quotaNow));
  }

  /** Its ledger is on disk; by which answer it lived is not. */
  #restart(pool: Pool): void {
    pool.life += 1;
    pool.lease = new CreditLease(pool.service, pool.life);
    pool.isRestarted = true;
  }

  #setSlots(slotsMax: number): void {
    this.#slotsMax = slotsMax;
    this.#configuration = configurationOf(slotsMax, this.#configuration.version + 1);
    this.#commit(() => this.#quota.configure(this.#configuration, this.#quotaNow));
  }

  #calmDown(): void {
    this.#isCalm = true;
    this.#setSlots(40);
    for (const pool of this.#pools) {
      pool.cutOffUntilMs = 0;
      for (const flow of pool.wants.keys()) pool.wants.set(flow, 60);
    }
  }

  #check(): void {
    this.#events += 1;
    const counted = this.#quota.slotsOut;
    require(counted <=
      Math.max(this.#slotsMax, this.#countedBefore), `${counted} of ${this.#slotsMax} are lent, ${this.#countedBefore} were`);
    this.#countedBefore = counted;
    let total = 0;
    for (const { service, out } of this.#pools) {
      for (const [flow, count] of out) {
        const known = this.#quota.slotsOfHolder(service, flow);
        require(count <= known, `${service} has ${count} of ${flow} out, the quota counts ${known}`);
        total += count;
      }
    }
    this.#outMax = Math.max(this.#outMax, total);
  }

  /** Everybody wants more than there is: all of it is out, gold and bronze by weight, video's gold three times another's. */
  #checkCalm(): void {
    const [echo = 0, telemetry = 0, video = 0] = SERVICES.map((service) => this.#quota.slotsOfHolder(service, `${service}/gold`));
    const bronze = SERVICES.reduce((sum, service) => sum + this.#quota.slotsOfHolder(service, `${service}/bronze`), 0);
    require(echo + telemetry + video + bronze === 40, `${echo} + ${telemetry} + ${video} + ${bronze} of 40 are lent while all want more`);
    require(bronze === 10 &&
      Math.abs(echo - 6) <= 1 &&
      Math.abs(telemetry - 6) <= 1 &&
      Math.abs(video - 18) <= 1, `the shares are ${echo}, ${telemetry}, ${video}, ${bronze}`);
  }
}

function configurationOf(slots: number, version: number): QuotaConfiguration {
  const flows = SERVICES.flatMap((service) =>
    CLASSES.map((className) => {
      const weight = service === "video" ? 3 : 1;
      return [`${service}/${className}`, { className, weight, mode: "enforce" as const }] as const;
    }),
  );
  return {
    version,
    tenant: "acme",
    total: { slots, mode: "enforce" },
    classes: { gold: { weight: 3, reserve: 0, urgencyMin: 0 }, bronze: { weight: 1, reserve: 0.25, urgencyMin: 0 } },
    flows: Object.fromEntries(flows),
    requestDurationMsMax: REQUEST_MS_MAX,
  };
}

function require(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}
