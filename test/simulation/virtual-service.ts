// One service in virtual time: a pool and many isolates, the parts themselves, with calls that take time and endpoints that
// serve. It stands in for the network, the clock and the request's context alone; what renewal.ts and admission.ts do with
// them is repeated here.
import type { HeldSlot } from "#gateway/lease/held-slot.ts";
import type { Heard } from "#gateway/lease/outbox.ts";
import { ServiceLease } from "#gateway/lease/service-lease.ts";
import { Mailboxes } from "#durable/pool/mailboxes.ts";
import { Pool } from "#durable/pool/pool.ts";
import type { Verdict } from "#durable/pool/verdict.ts";
import { configurationOf } from "#durable/pool/pool-configuration.ts";
import { quotaOf } from "#shared/config/quota-policies.ts";
import type { Configuration, QuotaConfig } from "#shared/config/schema.ts";
import { validateConfiguration } from "#shared/config/validate.ts";
import type { SlotAsk, SlotVerdict } from "#shared/protocol/exchange.ts";
import type { AcquireRequest, RenewAnswer } from "#shared/protocol/pool-rpc.ts";
import { EventClock } from "#test/support/event-clock.ts";
import { kernels } from "#test/support/kernels.ts";
import { seededRandom, type SeededRandom } from "#test/wasm/seeded-random.ts";

export interface VirtualLoad {
  readonly flow: string;
  readonly urgency: number;
  readonly perSecond: number;
  /** So many come each time, at one isolate, and at regular times. */
  readonly burst?: { readonly count: number; readonly withinMs: number };
}

export interface VirtualServiceOptions {
  readonly seed: number;
  readonly holderCount: number;
  /** Per endpoint. */
  readonly capacities: readonly number[];
  readonly loads: readonly VirtualLoad[];
  /** How many each endpoint serves at a time; what is more waits there. Absent: as many as come. */
  readonly workers?: number;
  /** Mean; exponential, unless `jitter` says by how much of it, up or down, it varies. */
  readonly serviceMs: number;
  readonly jitter?: number;
  readonly deadlineMs: number;
  /** One way, to the pool and back. */
  readonly callMs?: number;
  readonly classes?: Readonly<Record<string, { weight: number; reserve?: number }>>;
  readonly service?: Readonly<Record<string, unknown>>;
  /** How often, and for how long, nothing runs but the endpoints: isolates and pool are one process that collects its garbage. */
  readonly stall?: { readonly everyMs: number; readonly forMs: number };
  /** By flow. */
  readonly quotas?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

export interface FlowResult {
  arrivals: number;
  servedLocally: number;
  servedByName: number;
  refused: number;
  /** Milliseconds from arrival to the begin of service, of those served. */
  readonly waitsMs: number[];
}

export interface VirtualResult {
  readonly flows: ReadonlyMap<string, FlowResult>;
  readonly calls: { renew: number; exchange: number };
  /** Requests that asked the pool. */
  readonly asks: number;
  readonly rowsWritten: number;
  /** The most that an endpoint had at once, over its capacity: at most 0. */
  readonly overCapacityMax: number;
  readonly idleWhileWaitingMs: number;
  readonly busyMs: number;
  /** Slots of each endpoint that were given out, at each second. */
  readonly limits: readonly (readonly number[])[];
}

interface Endpoint {
  busy: number;
  readonly waiting: (() => void)[];
}

const START_MS = 1_700_000_000_000;
const CALL_MS = 2;
const LINGER_MS = 1_000;
const HOLD_LOOK_MS = 100;
const ASK_LOOK_MS = 500;

interface Isolate {
  readonly name: string;
  readonly lease: ServiceLease;
}

export class VirtualService {
  readonly #options: VirtualServiceOptions;
  readonly #configured: Configuration;
  readonly #clock = new EventClock(START_MS);
  readonly #random: SeededRandom;
  readonly #pool: Pool;
  readonly #isolates: Isolate[];
  readonly #mailboxes = new Mailboxes();
  readonly #settlers = new Map<string, (verdict: Verdict) => void>();
  readonly #inFlight = new Map<string, number>();
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #limits: (readonly number[])[] = [];
  readonly #flows = new Map<string, FlowResult>();
  readonly #calls = { renew: 0, exchange: 0 };
  #asks = 0;
  #rowsWritten = 0;
  #overCapacityMax = -Infinity;
  #requestCount = 0;
  #idleSinceMs: number | null = null;
  #idleWhileWaitingMs = 0;
  #busyMs = 0;
  #isLookingAgain = false;
  /** What came before is not counted: isolates start cold. */
  #countsFromMs = START_MS;

  constructor(options: VirtualServiceOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
    this.#pool = new Pool(kernels({ memoryBytes: 2 * 2 ** 20 }), START_MS);
    this.#configured = this.#configuration();
    this.#pool.configure(configurationOf("svc", 1, this.#configured), { nextNumber: 1, nowMs: START_MS });
    const memory = kernels({ memoryBytes: 64 * 2 ** 20 });
    this.#isolates = Array.from({ length: options.holderCount }, (_, index) => {
      const name = `h${index}`;
      const lease = new ServiceLease(name, { service: "svc", region: null }, () => memory);
      const service = this.#configured.services["svc"];
      if (service !== undefined) lease.use(service);
      return { name, lease };
    });
  }

  run({ warmMs, measuredMs }: { warmMs: number; measuredMs: number }): VirtualResult {
    for (const load of this.#options.loads) this.#arriveNext(load, START_MS);
    this.#tick();
    this.#stall();
    this.#countsFromMs = START_MS + warmMs;
    this.#clock.until(this.#countsFromMs + measuredMs);
    return {
      flows: this.#flows,
      calls: this.#calls,
      asks: this.#asks,
      rowsWritten: this.#rowsWritten,
      overCapacityMax: this.#overCapacityMax,
      idleWhileWaitingMs: this.#idleWhileWaitingMs,
      busyMs: this.#busyMs,
      limits: this.#limits,
    };
  }

  get #isCounting(): boolean {
    return this.#clock.nowMs >= this.#countsFromMs;
  }

  #configuration() {
    const { capacities, classes = { gold: { weight: 1 } }, loads, deadlineMs, service } = this.#options;
    const key = { kty: "OKP", crv: "Ed25519", alg: "EdDSA", kid: "k", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" };
    const tenants = new Set(loads.map(({ flow }) => flow.split("/")[0] ?? ""));
    const quotasOf = (tenant: string) =>
      Object.fromEntries(Object.keys(classes).map((name) => [name, this.#options.quotas?.[`${tenant}/${name}`] ?? {}]));
    const endpoints = capacities.map((capacity, index) => ({ url: `https://e${index}.example`, capacity }));
    const validated = validateConfiguration([
      { file: "classes.yaml", document: { classes } },
      { file: "services/svc.yaml", document: { service: "svc", endpoints, deadlineMs, ...service } },
      ...[...tenants].map((tenant) => ({
        file: `tenants/${tenant}.yaml`,
        document: { tenant, keys: { jwks: [key] }, services: { svc: quotasOf(tenant) } },
      })),
    ]);
    if (!validated.ok) throw new Error(JSON.stringify(validated.errors));
    return validated.configuration;
  }

  #quotaOf(flow: string): QuotaConfig | undefined {
    const [tenant = "", className = ""] = flow.split("/");
    return quotaOf(this.#configured, { tenant, service: "svc", className });
  }

  #arriveNext(load: VirtualLoad, afterMs: number): void {
    const dueAtMs = afterMs + (1_000 / load.perSecond) * (load.burst === undefined ? this.#random.exponential() : 1);
    this.#clock.after(dueAtMs - this.#clock.nowMs, () => {
      this.#arriveNext(load, dueAtMs);
      const isolate = this.#isolates[this.#random.below(this.#isolates.length)];
      if (isolate !== undefined) this.#arriveAt(isolate, load, dueAtMs);
    });
  }

  #arriveAt(isolate: Isolate, load: VirtualLoad, atMs: number): void {
    const { count, withinMs } = load.burst ?? { count: 1, withinMs: 0 };
    this.#arrive(isolate, load, atMs);
    for (let index = 1; index < count; index += 1) {
      const inMs = (withinMs * index) / count;
      this.#clock.after(inMs, () => this.#arrive(isolate, load, atMs + inMs));
    }
  }

  #stall(): void {
    const { stall } = this.#options;
    if (stall === undefined) return;
    this.#clock.after(stall.everyMs, () => {
      this.#clock.stall(stall.forMs);
      this.#stall();
    });
  }

  #resultOf(flow: string): FlowResult {
    const known = this.#flows.get(flow);
    if (known !== undefined) return known;
    const result: FlowResult = { arrivals: 0, servedLocally: 0, servedByName: 0, refused: 0, waitsMs: [] };
    this.#flows.set(flow, result);
    return result;
  }

  #arrive(isolate: Isolate, load: VirtualLoad, arrivedAtMs: number): void {
    if (this.#isCounting) this.#resultOf(load.flow).arrivals += 1;
    const { lease } = isolate;
    const nowMs = this.#clock.wallMs;
    if (lease.holdsSlots(nowMs) || lease.pace.isRenewing(nowMs)) {
      this.#admit(isolate, load, arrivedAtMs);
      this.#renewIfDue(isolate);
      return;
    }
    lease.expect(load.flow);
    this.#renew(isolate, () => this.#admit(isolate, load, arrivedAtMs));
  }

  #admit(isolate: Isolate, load: VirtualLoad, arrivedAtMs: number): void {
    const { flow, urgency } = load;
    this.#requestCount += 1;
    const slotId = `${isolate.name}-${this.#requestCount}`;
    const slot = isolate.lease.admit({ flow, urgency, key: slotId, quota: this.#quotaOf(flow), nowMs: this.#clock.wallMs });
    if (slot === null) this.#ask(isolate, load, { slotId, arrivedAtMs });
    else if ("ok" in slot) this.#refuse(flow);
    else this.#serve(isolate, slot, arrivedAtMs);
  }

  #ask(isolate: Isolate, load: VirtualLoad, { slotId, arrivedAtMs }: { slotId: string; arrivedAtMs: number }): void {
    const { flow, urgency } = load;
    const { lease } = isolate;
    const askedAtMs = this.#clock.wallMs;
    const { clockEpoch } = lease.ask(flow, slotId, askedAtMs);
    const waitsUntilMs = askedAtMs + lease.waitMsMax(Math.floor(arrivedAtMs) + this.#options.deadlineMs - askedAtMs);
    const isPaid = lease.tokens.putAside(slotId, this.#quotaOf(flow), { flow, waitsUntilMs, nowMs: askedAtMs });
    const tell = (heard: Heard): void => {
      if ("error" in heard) throw heard.error;
      if ("carries" in heard) return;
      const nowMs = this.#clock.wallMs;
      const { verdict } = heard;
      if (!verdict.ok) {
        lease.tokens.giveBackAside(slotId);
        const { shed, dry } = verdict;
        lease.refused(flow, { slotId, ...(shed && { shed }), ...(dry && { dry }), nowMs });
        if (dry !== undefined && lease.tokens.areLeft(flow, nowMs)) this.#ask(isolate, load, { slotId: `${slotId}-paid`, arrivedAtMs });
        else this.#refuse(flow);
        return;
      }
      const slot = lease.take(flow, verdict.slot, { askedAtMs: verdict.askedAtMs, clockEpoch, nowMs });
      if (slot === null) this.#refuse(flow);
      else this.#serve(isolate, slot, arrivedAtMs);
    };
    lease.outbox.ask({ ask: { slotId, flow, urgency, affinityKey: slotId, ...(isPaid && { isPaid }) }, waitsUntilMs, tell });
    this.#seeToOutbox(isolate);
    this.#lookLater(isolate, slotId);
  }

  #lookLater(isolate: Isolate, slotId: string): void {
    this.#clock.after(ASK_LOOK_MS, () => {
      if (!isolate.lease.outbox.awaits(slotId)) return;
      this.#seeToOutbox(isolate);
      this.#lookLater(isolate, slotId);
    });
  }

  #seeToOutbox(isolate: Isolate): void {
    const dueInMs = isolate.lease.outbox.seeToInMs(this.#clock.wallMs);
    if (dueInMs === 0) this.#exchange(isolate);
    else if (dueInMs !== null) this.#clock.after(dueInMs, () => this.#exchange(isolate));
  }

  #exchange(isolate: Isolate): void {
    const { lease, name } = isolate;
    const call = lease.outbox.take(this.#clock.wallMs);
    if (call === null) return this.#seeToOutbox(isolate);
    this.#call(() => {
      this.#count("exchange");
      const nowMs = this.#clock.wallMs;
      this.#mailboxes.giveUpBefore(name, call.countsFrom);
      this.#pool.giveBack(call.returned, name, nowMs);
      for (const ask of call.asks) this.#acquire(name, ask, nowMs);
      this.#settlePool();
      const answer = (verdicts: readonly SlotVerdict[]): void =>
        this.#call(() => {
          lease.outbox.answered(call, { verdicts, poolLife: "only" });
          this.#seeToOutbox(isolate);
        });
      this.#mailboxes.collect(name, { number: call.number, answer }, nowMs);
    });
  }

  #acquire(holder: string, { askedAtMs, ...ask }: SlotAsk, nowMs: number): void {
    if (this.#isCounting) this.#asks += 1;
    const request: AcquireRequest = { ...ask, holder, service: "svc", kind: "request", configurationVersion: 1 };
    const { slotId } = ask;
    const sinceMs = this.#mailboxes.await(holder, { slotId, askedAtMs });
    const verdict = this.#pool.acquire(request, nowMs);
    if (verdict !== null) return this.#mailboxes.put(holder, { ...verdict, slotId, askedAtMs });
    this.#settlers.set(slotId, (decided) => this.#mailboxes.put(holder, { ...decided, slotId, askedAtMs: sinceMs }));
    this.#decide(nowMs);
    this.#clock.after(ask.waitMsMax + 1, () => this.#settlePool());
  }

  #refuse(flow: string): void {
    if (this.#isCounting) this.#resultOf(flow).refused += 1;
  }

  #serve(isolate: Isolate, slot: HeldSlot, arrivedAtMs: number): void {
    const { lease } = isolate;
    const result = this.#resultOf(slot.flow);
    if (this.#isCounting) {
      if (slot.slotId === undefined) result.servedLocally += 1;
      else result.servedByName += 1;
      result.waitsMs.push(this.#clock.nowMs - arrivedAtMs);
    }
    const inFlight = (this.#inFlight.get(slot.lane) ?? 0) + 1;
    this.#inFlight.set(slot.lane, inFlight);
    const index = Number(/\d+/.exec(slot.lane)?.[0]);
    this.#overCapacityMax = Math.max(this.#overCapacityMax, inFlight - (this.#options.capacities[index] ?? 0));
    const { serviceMs, jitter } = this.#options;
    const durationMs = serviceMs * (jitter === undefined ? this.#random.exponential() : 1 + jitter * (2 * this.#random.next() - 1));
    if (this.#isCounting) this.#busyMs += durationMs;
    const sentAtMs = this.#clock.nowMs;
    let hasEnded = false;
    const end = (): void => {
      if (hasEnded) return;
      hasEnded = true;
      this.#inFlight.set(slot.lane, (this.#inFlight.get(slot.lane) ?? 1) - 1);
      const latencyMs = this.#clock.nowMs - arrivedAtMs;
      lease.end(slot, { outcome: "admitted-local", latencyMs, upstreamMs: this.#clock.nowMs - sentAtMs, nowMs: this.#clock.wallMs });
      this.#settleIsolate(isolate);
    };
    this.#work(slot.lane, durationMs, end);
    this.#look(isolate, slot, { end, hasEnded: () => hasEnded });
  }

  /** At the endpoint: at once, or behind those that came before where all its workers are busy. */
  #work(lane: string, durationMs: number, end: () => void): void {
    const endpoint = this.#endpoints.get(lane) ?? { busy: 0, waiting: [] };
    this.#endpoints.set(lane, endpoint);
    const begin = (): void => {
      endpoint.busy += 1;
      this.#clock.after(durationMs, () => {
        endpoint.busy -= 1;
        endpoint.waiting.shift()?.();
        end();
      });
    };
    if (endpoint.busy < (this.#options.workers ?? Infinity)) begin();
    else endpoint.waiting.push(begin);
  }

  /** The running request's own timer. */
  #look(isolate: Isolate, slot: HeldSlot, request: { end: () => void; hasEnded: () => boolean }): void {
    if (request.hasEnded()) return;
    this.#renewIfDue(isolate);
    const lookInMs = isolate.lease.lookAgainInMs(slot, this.#clock.wallMs);
    if (lookInMs <= 0) request.end();
    else this.#clock.after(Math.max(lookInMs, HOLD_LOOK_MS), () => this.#look(isolate, slot, request));
  }

  #renewIfDue(isolate: Isolate): void {
    if (isolate.lease.pace.isDue(this.#clock.wallMs)) this.#renew(isolate, () => undefined);
  }

  #renew({ lease }: Isolate, then: () => void): void {
    const message = lease.message(1, this.#clock.wallMs);
    this.#call(() => {
      this.#count("renew");
      const nowMs = this.#clock.wallMs;
      this.#pool.observe(message.telemetry, nowMs);
      const renewed = this.#pool.renew(message.lease, nowMs);
      const answer: RenewAnswer = { ...renewed, table: this.#pool.routes.tableFor(message.tableVersion), configurationVersion: 1 };
      this.#settlePool();
      this.#call(() => {
        lease.apply(answer, this.#clock.wallMs);
        then();
      });
    });
  }

  #settleIsolate(isolate: Isolate): void {
    const { lease } = isolate;
    const nowMs = this.#clock.wallMs;
    this.#seeToOutbox(isolate);
    this.#renewIfDue(isolate);
    const dueInMs = lease.pace.seeToInMs(nowMs);
    if (dueInMs !== null) this.#clock.after(dueInMs, () => this.#renewIfDue(isolate));
    if (lease.running === 0 && lease.pace.beginLinger(nowMs, LINGER_MS)) this.#linger(isolate);
  }

  #linger(isolate: Isolate): void {
    const { lease } = isolate;
    const idleMs = lease.idleMs(this.#clock.wallMs);
    if (idleMs >= LINGER_MS && !lease.pace.isRenewing(this.#clock.wallMs)) {
      lease.pace.keepLingering(0, this.#clock.wallMs);
      lease.fallIdle();
      if (lease.hasNews) this.#renew(isolate, () => undefined);
      return;
    }
    const leftMs = Math.max(HOLD_LOOK_MS, LINGER_MS - idleMs);
    lease.pace.keepLingering(2 * leftMs, this.#clock.wallMs);
    this.#clock.after(leftMs, () => this.#linger(isolate));
  }

  #tick(): void {
    this.#clock.after(1_000, () => {
      this.#settlePool();
      if (this.#isCounting) this.#limits.push([...this.#pool.view(this.#clock.wallMs).lanes.values()]);
      this.#tick();
    });
  }

  #settlePool(): void {
    this.#decide(this.#clock.wallMs);
    const { holders, holdersGone, slots, slotsGone, blocks, blocksGone } = this.#pool.ledger.takeChanges();
    if (this.#isCounting)
      this.#rowsWritten += [holders, holdersGone, slots, slotsGone, blocks, blocksGone].reduce((sum, { length }) => sum + length, 0);
    this.#mailboxes.deliver();
    this.#lookAgain(this.#pool.decideInMs);
    if (this.#idleSinceMs !== null && this.#isCounting) this.#idleWhileWaitingMs += this.#clock.nowMs - this.#idleSinceMs;
    this.#idleSinceMs = this.#pool.isIdleWhileWaiting ? this.#clock.nowMs : null;
  }

  /** What is free goes to whoever is next, after each that asks: as in admissions.ts. */
  #decide(nowMs: number): void {
    for (const { slotId, verdict } of [...this.#pool.takeDisplaced(nowMs), ...this.#pool.decide(nowMs)]) {
      const settle = this.#settlers.get(slotId);
      this.#settlers.delete(slotId);
      settle?.(verdict);
    }
  }

  #lookAgain(inMs: number | null): void {
    if (inMs === null || this.#isLookingAgain) return;
    this.#isLookingAgain = true;
    this.#clock.after(inMs, () => {
      this.#isLookingAgain = false;
      this.#settlePool();
    });
  }

  #count(call: "renew" | "exchange"): void {
    if (this.#isCounting) this.#calls[call] += 1;
  }

  #call(run: () => void): void {
    this.#clock.after(this.#options.callMs ?? CALL_MS, run);
  }
}
