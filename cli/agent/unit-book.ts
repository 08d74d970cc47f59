// What an agent of capacity has sold: a pure state machine over units. Whoever keeps it gives it a clock, makes what is
// `starting` run, and ends what runs without being in it.
//
//   reserve ─► reserved ─start─► starting ─► ready ─drain─► draining ─stop─► (ending) ─► gone
//                                   └──────────┴──────────────┴─► failed ─stop─► gone
//
// Every verb may come twice, late, or out of turn: a unit's name is never used for a second one while it is remembered, so
// that an order which arrives after its own stop starts nothing.
import type {
  CapacityAnswer,
  CapacityOffer,
  CapacityOrder,
  CapacityRefusalReason,
  CapacityUnit,
} from "#shared/protocol/capacity-provider.ts";
import { MINUTE_MS } from "#shared/units.ts";

export interface UnitBookOptions {
  /** Without `availableCount`: it follows from `unitCountMax`. */
  readonly offers: readonly Omit<CapacityOffer, "availableCount">[];
  /** Over all offers and services, those that are ending among them. */
  readonly unitCountMax: number;
}

interface Entry {
  readonly unit: CapacityUnit;
  readonly reservedAtMs: number;
  /** From its start until it has ended, however it stands in between. */
  readonly isRunning: boolean;
}

/** Whoever reserved and was never heard of again holds nobody else up. */
export const RESERVATION_MS_MAX = 5 * MINUTE_MS;
/** Names of units that are gone; the oldest are forgotten first. */
export const GONE_COUNT_MAX = 10_000;

export class UnitBook {
  readonly #options: UnitBookOptions;
  readonly #entries = new Map<string, Entry>();
  /** Stopped, and not gone yet. */
  readonly #ending = new Set<string>();
  readonly #gone = new Set<string>();

  constructor(options: UnitBookOptions) {
    this.#options = options;
  }

  get all(): readonly CapacityUnit[] {
    return [...this.#entries.values()].map(({ unit }) => unit);
  }

  get(unitId: string): CapacityUnit | undefined {
    return this.#entries.get(unitId)?.unit;
  }

  offers(nowMs: number): readonly CapacityOffer[] {
    this.#lapse(nowMs);
    const availableCount = Math.max(0, this.#options.unitCountMax - this.#entries.size - this.#ending.size);
    return this.#options.offers.map((offer) => ({ ...offer, availableCount }));
  }

  units(service: string, nowMs: number): readonly CapacityUnit[] {
    this.#lapse(nowMs);
    return this.all.filter((unit) => unit.service === service);
  }

  reserve(order: CapacityOrder, nowMs: number): CapacityAnswer<CapacityUnit> {
    this.#lapse(nowMs);
    const { unitId, offerId, service, slots, pricePerHourMax } = order;
    const known = this.get(unitId);
    if (known !== undefined) return sameOrder(known, order) ? { ok: true, value: known } : conflict(unitId, "was ordered otherwise");
    if (this.#gone.has(unitId) || this.#ending.has(unitId)) return conflict(unitId, "is stopped already");
    const offer = this.#options.offers.find((one) => one.offerId === offerId);
    if (offer === undefined) return refuse("unknown-offer", `offer ${JSON.stringify(offerId)} is not sold here`);
    if (slots > offer.slotsMax) return refuse("conflict", `a unit of ${slots} slots was ordered, ${offerId} has at most ${offer.slotsMax}`);
    if (offer.pricePerHour > pricePerHourMax)
      return refuse("too-dear", `${offerId} is ${offer.pricePerHour} an hour, at most ${pricePerHourMax} would be paid`);
    const { unitCountMax } = this.#options;
    if (this.#entries.size + this.#ending.size >= unitCountMax) return refuse("out-of-capacity", `all ${unitCountMax} units are taken`);
    const { pricePerHour } = offer;
    const unit: CapacityUnit = { unitId, offerId, service, state: "reserved", url: null, slots, pricePerHour, failure: null };
    this.#entries.set(unitId, { unit, reservedAtMs: nowMs, isRunning: false });
    return { ok: true, value: unit };
  }

  start(unitId: string, nowMs: number): CapacityAnswer<CapacityUnit> {
    this.#lapse(nowMs);
    const unit = this.get(unitId);
    if (unit === undefined) return conflict(unitId, "is not reserved");
    if (unit.state === "draining") return conflict(unitId, "is draining");
    return { ok: true, value: unit.state === "reserved" ? this.#become(unit, { state: "starting" }, { isRunning: true }) : unit };
  }

  drain(unitId: string): CapacityAnswer<CapacityUnit> {
    const unit = this.get(unitId);
    if (unit === undefined) return conflict(unitId, "is not reserved");
    return { ok: true, value: unit.state === "failed" ? unit : this.#become(unit, { state: "draining" }) };
  }

  /** Also remembers a unit that never was: its order may still be on its way. */
  stop(unitId: string): CapacityAnswer<null> {
    const isRunning = this.#entries.get(unitId)?.isRunning === true;
    this.#entries.delete(unitId);
    if (isRunning) this.#ending.add(unitId);
    else if (!this.#ending.has(unitId)) this.#remember(unitId);
    return { ok: true, value: null };
  }

  /** It answers. Nothing where it is not waited for any more. */
  becomeReady(unitId: string, url: string): void {
    const unit = this.get(unitId);
    if (unit?.state === "starting") this.#become(unit, { state: "ready", url });
  }

  /** It ended by itself, or never came up. It stays until it is stopped, so that whoever ordered it learns why. */
  fail(unitId: string, failure: string): void {
    const unit = this.get(unitId);
    if (unit !== undefined) this.#become(unit, { state: "failed", failure });
  }

  /** Nothing of it runs any more. */
  end(unitId: string): void {
    const unit = this.get(unitId);
    if (unit !== undefined) this.#become(unit, {}, { isRunning: false });
    if (this.#ending.delete(unitId)) this.#remember(unitId);
  }

  /** Says the price that holds from now on. */
  reprice(unitId: string, pricePerHour: number): void {
    const unit = this.get(unitId);
    if (unit !== undefined) this.#become(unit, { pricePerHour });
  }

  #become(unit: CapacityUnit, change: Partial<CapacityUnit>, more: Partial<Omit<Entry, "unit">> = {}): CapacityUnit {
    const { reservedAtMs = 0, isRunning = false } = this.#entries.get(unit.unitId) ?? {};
    const changed = { ...unit, ...change };
    this.#entries.set(unit.unitId, { reservedAtMs, isRunning, ...more, unit: changed });
    return changed;
  }

  #lapse(nowMs: number): void {
    for (const { unit, reservedAtMs } of this.#entries.values())
      if (unit.state === "reserved" && nowMs - reservedAtMs >= RESERVATION_MS_MAX) this.stop(unit.unitId);
  }

  #remember(unitId: string): void {
    this.#gone.delete(unitId);
    this.#gone.add(unitId);
    const [oldest] = this.#gone;
    if (oldest !== undefined && this.#gone.size > GONE_COUNT_MAX) this.#gone.delete(oldest);
  }
}

function sameOrder(unit: CapacityUnit, order: CapacityOrder): boolean {
  return unit.offerId === order.offerId && unit.service === order.service && unit.slots === order.slots;
}

function conflict(unitId: string, what: string): CapacityAnswer<never> {
  return refuse("conflict", `unit ${JSON.stringify(unitId)} ${what}`);
}

function refuse(reason: CapacityRefusalReason, detail: string): CapacityAnswer<never> {
  return { ok: false, reason, detail };
}
