// One service's pool: the ledger, the queue before it, the table of its shards. Pure but for the Wasm memory it owns;
// pool-object.ts gives it time, storage and a network, and carries its decisions to those who wait.
import { LeaseLedger } from "#durable/lease/lease-ledger.ts";
import type { LedgerPolicy } from "#durable/lease/lease-policy.ts";
import { refuse } from "#shared/errors/refusal.ts";
import { SLOT_GRACE_MS, type AcquireRequest, type RenewAnswer, type WaitingPlace } from "#shared/protocol/pool-rpc.ts";
import type { RenewalRequest } from "#shared/protocol/lease.ts";
import type { Telemetry } from "#shared/protocol/telemetry.ts";
import type { Kernels } from "#wasm/binding/kernels.ts";
import type { PoolShard } from "./layout.ts";
import { AdaptiveLanes, laneUseOf } from "./adaptive-lanes.ts";
import { capacityOf, NO_CONFIGURATION, policyOf, type PoolConfiguration, type StoredPool } from "./pool-configuration.ts";
import { grantFree } from "./grant-order.ts";
import { GrantPace } from "./grant-pace.ts";
import { PoolQueue } from "./pool-queue.ts";
import type { QuotaGate } from "./quota-gate.ts";
import type { Expiry } from "./queue-refusals.ts";
import { RegionalParts } from "./regional-parts.ts";
import { Routes } from "./routes.ts";
import { mayTakeOver, moveSlot } from "./slot-move.ts";
import { refuseSocket } from "./socket-quota.ts";
import { grantOf, NAMED_SLOT_MS, type Decision, type Verdict } from "./verdict.ts";
import { TenantCredits } from "./tenant-credits.ts";
import type { Ticket } from "./waiting-line.ts";

export class Pool {
  readonly credits = new TenantCredits();
  readonly regions: RegionalParts;
  readonly gate: QuotaGate;
  readonly adaptive: AdaptiveLanes;
  /** In how long the last `decide` wants the next: a slot rests until then. Null: none does. */
  decideInMs: number | null = null;
  #ledger: LeaseLedger;
  #policy: LedgerPolicy;
  #configuration = NO_CONFIGURATION;
  readonly #queue: PoolQueue;
  readonly routes: Routes;
  readonly #pace = new GrantPace();

  constructor(kernels: Kernels, nowMs: number, regions = new RegionalParts()) {
    this.regions = regions;
    this.gate = regions.gate.over(this.credits);
    this.#queue = new PoolQueue(kernels, this);
    this.routes = new Routes(kernels);
    this.adaptive = new AdaptiveLanes(kernels);
    this.#ledger = new LeaseLedger((this.#policy = policyOf(NO_CONFIGURATION, [], this)), nowMs);
  }

  get configuration(): PoolConfiguration {
    return this.#configuration;
  }

  get ledger(): LeaseLedger {
    return this.#ledger;
  }

  get shards(): readonly PoolShard[] {
    return this.routes.shards;
  }

  /** Slots of sockets, also of those that are about to open. */
  readonly socketsOn = (shardId: string): number => this.#ledger.named.filter((slot) => slot.shardId === shardId && slot.isDurable).length;

  /** Whether the ledger has anything of the flow. */
  readonly isOut = (flow: string): boolean => this.#ledger.slotsOfFlow(flow) > 0;

  get queueLength(): number {
    return this.#queue.line.length;
  }

  /** For those who watch. */
  view(nowMs: number) {
    return { lanes: this.#policy.lanes, queueLength: this.#queue.line.length, longestWaitMsNow: this.#queue.line.longestWaitMs(nowMs) };
  }

  /** Whether a slot lies idle that somebody who waits might use: free, or leased in the same flow and not used. */
  get isIdleWhileWaiting(): boolean {
    if (this.#queue.line.length === 0) return false;
    const { slotsFree, flows } = this.#ledger;
    const isIdle = (flow: string): boolean => slotsFree > 0 || flows.totals.slotsOf(flow) > flows.totals.runningOf(flow);
    return [...this.#queue.line.flows].some((flow) => this.#queue.line.lengthOf(flow) > 0 && isIdle(flow));
  }

  /** Other credits or shards than before: shares are divided anew. */
  policyChanged(nowMs: number): void {
    this.#applyPolicy(policyOf(this.#configuration, this.shards, this), nowMs);
  }

  /** As it was written down. */
  load({ configuration, shards, rows, tableVersion, limits }: StoredPool, nowMs: number): void {
    this.routes.load(shards, tableVersion);
    this.#follow(configuration, limits);
    this.#ledger = LeaseLedger.fromRows((this.#policy = policyOf(configuration, shards, this)), rows, nowMs);
  }

  /** Follows a new configuration; returns the number of the next new shard. Null: its shards are not the configuration's. */
  configure(configuration: PoolConfiguration, { nextNumber, nowMs }: { nextNumber: number | null; nowMs: number }): number | null {
    const next = nextNumber === null ? null : this.routes.configure(configuration, { nextNumber, inUse: this.socketsOn });
    this.#follow(configuration);
    this.#applyPolicy(policyOf(configuration, this.shards, this), nowMs);
    return next;
  }

  /** Ends the draining shards whose last socket is gone; says whether there were any. */
  dropDrained(): boolean {
    return this.routes.dropDrained(this.socketsOn);
  }

  renew(request: RenewalRequest, nowMs: number): Omit<RenewAnswer, "table" | "configurationVersion"> {
    const lease = this.#ledger.renew(request, nowMs, (slot) => mayTakeOver(slot, this));
    const flows = request.flows.map(({ flow }) => flow);
    return {
      lease,
      sheds: flows.flatMap((flow) => this.#queue.shedOf(flow) ?? []),
      left: this.gate.leftOf(flows, { ledger: this.#ledger, nowMs }),
      isContended: this.#queue.line.length + this.regions.lent.waiting > this.#ledger.slotsFree,
      ...this.routes.choice.avoided(nowMs),
    };
  }

  /** Takes what a holder measured. */
  observe({ flows, lanes = [] }: Pick<Telemetry, "flows" | "lanes">, nowMs: number): void {
    for (const telemetry of flows) {
      const { flow } = telemetry;
      this.credits.observe(telemetry);
      const [running, socketBytes] = [this.#ledger.flows.totals.runningOf(flow), this.gate.socketsBytes(flow, this.#ledger)];
      this.gate.observe(telemetry, { running, waiting: this.#queue.line.lengthOf(flow), socketBytes, nowMs });
    }
    if (!this.adaptive.observe(lanes, laneUseOf(this.#ledger, this.regions.lent), nowMs)) return;
    this.#applyPolicy({ ...this.#policy, ...capacityOf(this.#configuration, this.shards, this.adaptive) }, nowMs);
  }

  /** How long the request may wait: until its deadline, or as long as its tenant lets it. */
  waitMsMaxOf({ flow, waitMsMax }: AcquireRequest): number {
    return Math.min(waitMsMax, this.gate.limitsOf(flow).waitMsMax);
  }

  /** How much of that is left: whoever asks again has waited since the first time. */
  waitLeftMs(request: AcquireRequest, nowMs: number): number {
    const ticket = this.#queue.line.ticket(request.slotId);
    const waitedMs = ticket === undefined ? 0 : nowMs - ticket.arrivedAtMs;
    const leftMs = (ticket?.request.waitMsMax ?? Infinity) - Math.max(0, waitedMs);
    return Math.max(0, Math.min(leftMs, this.waitMsMaxOf(request)));
  }

  /** The verdict where there is one at once; null: it waits, and a later `decide` says what became of it. */
  acquire(request: AcquireRequest, nowMs: number): Verdict | null {
    const { service } = this.#configuration;
    if (service === null) return refuse("unknown-service", `There is no service ${request.service} here.`);
    const arrivedAtLedgerMs = this.#ledger.tick(nowMs);
    const repeated = this.#ledger.slot(request.slotId);
    if (repeated !== undefined) {
      if (repeated.owner !== request.holder) return refuse("internal", "The slot's id belongs to another holder.");
      return { ok: true, slot: grantOf(repeated, { waitedMs: 0, lifeMs: (repeated.expiresAtMs ?? Infinity) - arrivedAtLedgerMs }) };
    }
    if (this.#queue.line.has(request.slotId)) return null;
    if (this.routes.choice.isEmpty && this.routes.awaited(nowMs) === null)
      return refuse("no-endpoint", `Service ${request.service} has no endpoint in service.`);
    const standing = {
      flow: request.flow,
      waiting: this.#queue.line.lengthOf(request.flow),
      queueMs: this.#queue.msOfNewcomer(request.flow, request.urgency),
      isOpen: this.#ledger.slotsFree > 0 && this.decideInMs === null && this.#ledger.flows.roomOf(request.flow) > 0,
    };
    const verdict =
      moveSlot(request, this, nowMs) ??
      refuseSocket(request, this) ??
      this.gate.enter(request, standing, { ledger: this.#ledger, nowMs }) ??
      this.#queue.enter({ request: { ...request, waitMsMax: this.waitMsMaxOf(request) }, arrivedAtMs: nowMs, arrivedAtLedgerMs });
    if (verdict !== null && !verdict.ok) this.#unpay(request.slotId, nowMs);
    return verdict;
  }

  #unpay(slotId: string, nowMs: number): void {
    this.gate.refused(slotId, { ledger: this.#ledger, nowMs });
  }

  /** Frees the slots of requests that have ended; of how many. */
  giveBack(slotIds: readonly string[], holder: string, nowMs: number): number {
    const atMs = this.#ledger.tick(nowMs);
    return slotIds.filter((slotId) => {
      const slot = this.#ledger.slot(slotId);
      if (slot === undefined || !this.#ledger.release(slotId, holder)) return false;
      this.#pace.ended(atMs - slot.acquiredAtMs);
      return true;
    }).length;
  }

  /** False: it did not wait. Where it has a slot already, that is free. */
  cancel(slotId: string, holder: string, nowMs: number): boolean {
    if (!this.#queue.leave(slotId, holder)) {
      this.#ledger.release(slotId, holder);
      return false;
    }
    this.#unpay(slotId, nowMs);
    return true;
  }

  place(slotId: string): WaitingPlace | null {
    return this.#queue.place(slotId);
  }

  /** Gives every slot that is free to whoever is next, and refuses whose deadline has come. Called after every event. */
  decide(nowMs: number): readonly Decision[] {
    const atMs = this.#ledger.tick(nowMs);
    this.#queue.tick(nowMs);
    this.routes.choice.tick(nowMs);
    const whyOf = (request: AcquireRequest): Expiry => ({
      ...this.gate.expiryOf(request, this.#ledger),
      awaited: this.routes.awaited(nowMs),
    });
    const decisions = this.#queue.expire(nowMs, whyOf);
    for (const { slotId } of decisions) this.#unpay(slotId, nowMs);
    const hasLane = (): boolean => this.routes.choice.hasRoom((lane) => this.#ledger.slotsFreeIn(lane) > 0);
    const grant = (ticket: Ticket): void => {
      const { slotId } = ticket.request;
      this.#queue.called(ticket);
      const verdict = this.#grant(ticket, nowMs);
      if (!verdict.ok) this.#unpay(slotId, nowMs);
      decisions.push({ slotId, verdict });
    };
    this.decideInMs = grantFree({ ledger: this.#ledger, line: this.#queue.line, pace: this.#pace, hasLane, grant, nowMs, atMs });
    return decisions;
  }

  /** Those that a more urgent one has displaced since the last time it was asked. */
  takeDisplaced(nowMs: number): readonly Decision[] {
    const decisions = this.#queue.takeDisplaced(nowMs);
    for (const { slotId } of decisions) this.#unpay(slotId, nowMs);
    return decisions;
  }

  #grant({ request, arrivedAtLedgerMs }: Ticket, nowMs: number): Verdict {
    const { slotId, holder, flow, kind, affinityKey, device, inPlaceOf } = request;
    // Others of its device may have been served while it waited.
    const tooMany = refuseSocket(request, this);
    if (tooMany !== null) return tooMany;
    const left = this.#ledger.slot(inPlaceOf ?? "")?.shardId;
    const shard = this.routes.choice.choose(affinityKey ?? slotId, (lane) => this.#ledger.slotsFreeIn(lane) > 0, left);
    const isSocket = kind === "socket";
    const memoryBytes = isSocket ? this.gate.reserve(request, this.#ledger) : undefined;
    const lifeMs = isSocket ? (this.#configuration.service?.deadlineMs ?? 0) + SLOT_GRACE_MS : NAMED_SLOT_MS;
    const named = { slotId, owner: holder, flow, lifeMs, isDurable: isSocket, device, memoryBytes };
    const slot = shard === undefined ? null : this.#ledger.acquire({ ...named, lane: shard.endpointUrl, shardId: shard.shardId }, nowMs);
    if (slot === null) return refuse("internal", "A slot that was free could not be granted.");
    this.#queue.served();
    this.gate.granted(slotId);
    return { ok: true, slot: grantOf(slot, { waitedMs: slot.acquiredAtMs - arrivedAtLedgerMs, lifeMs }) };
  }

  #applyPolicy(policy: LedgerPolicy, nowMs: number): void {
    this.#policy = policy;
    this.#ledger.configure(policy, nowMs);
  }

  #follow(configuration: PoolConfiguration, limits?: Readonly<Record<string, number>>): void {
    this.#configuration = configuration;
    this.adaptive.configure(configuration.service, limits);
    this.#queue.line.configure(configuration.classes);
    this.credits.configure(configuration);
    this.gate.configure(configuration);
  }
}
