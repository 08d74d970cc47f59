// What a capacity provider sells and tells: units, each an endpoint of its own. The same shape for processes on this
// machine, containers, and paid providers. A unit's id is chosen by whoever orders it, so that an order may be repeated.

/** One kind of unit that may be ordered now. */
export interface CapacityOffer {
  readonly offerId: string;
  readonly region: string | null;
  /** The most slots one unit may have. */
  readonly slotsMax: number;
  readonly pricePerHour: number;
  /** How many may be ordered now; null: not said. */
  readonly availableCount: number | null;
}

export type CapacityUnitState = "reserved" | "starting" | "ready" | "draining" | "stopped" | "failed";

export interface CapacityUnit {
  readonly unitId: string;
  readonly offerId: string;
  readonly service: string;
  readonly state: CapacityUnitState;
  /** Where it answers, once it is ready. */
  readonly url: string | null;
  readonly slots: number;
  /** As it was when it was reserved; a provider that changes it says so here. */
  readonly pricePerHour: number;
  /** Why it failed, or could not be had; for people. */
  readonly failure: string | null;
}

export interface CapacityOrder {
  readonly unitId: string;
  readonly offerId: string;
  readonly service: string;
  readonly slots: number;
  /** A dearer offer is refused. */
  readonly pricePerHourMax: number;
}

export type CapacityRefusalReason = "unknown-offer" | "out-of-capacity" | "too-dear" | "conflict" | "unauthorized" | "unavailable";

export type CapacityAnswer<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly reason: CapacityRefusalReason; readonly detail: string };

/** Every call may be repeated, and may be answered twice or not at all. */
export interface CapacityProvider {
  offers(): Promise<CapacityAnswer<readonly CapacityOffer[]>>;
  /** All of the service's units that are not stopped, those that nobody remembers having ordered among them. */
  units(service: string): Promise<CapacityAnswer<readonly CapacityUnit[]>>;
  /** Holds a unit and its price; nothing runs yet. */
  reserve(order: CapacityOrder): Promise<CapacityAnswer<CapacityUnit>>;
  start(unitId: string): Promise<CapacityAnswer<CapacityUnit>>;
  /** It gets nothing new; what runs may end. */
  drain(unitId: string): Promise<CapacityAnswer<CapacityUnit>>;
  /** Of a unit that is gone already, or never was: ok. */
  stop(unitId: string): Promise<CapacityAnswer<null>>;
}
