// A capacity provider in virtual time, with every fault that a real one has, from one seed. What it sold is kept by the
// same book as the process agent's; between it and its caller is a network that loses, repeats and delays.
import { UnitBook } from "#cli/agent/unit-book.ts";
import type { CapacityAnswer, CapacityOffer, CapacityOrder, CapacityProvider, CapacityUnit } from "#shared/protocol/capacity-provider.ts";
import { SECOND_MS } from "#shared/units.ts";
import { seededRandom, type SeededRandom } from "#test/wasm/seeded-random.ts";

/** Ratios of calls or units, unless a name says otherwise. */
export interface CapacityFaults {
  /** A call is on its way so long at most, there and back each. */
  readonly delayMsMax: number;
  /** Not carried out; the caller hears of a time-out. */
  readonly lostCalls: number;
  /** Carried out; the caller hears of a time-out. */
  readonly lostAnswers: number;
  /** The caller hears of a time-out, and then it is carried out: after what the caller did since. */
  readonly lateCalls: number;
  readonly lateMsMax: number;
  /** Carried out once more, some time later. */
  readonly repeatedCalls: number;
  /** Answered with "unavailable" at once. */
  readonly refusedCalls: number;
  /** Reservations for which there is no capacity. */
  readonly outOfCapacity: number;
  /** Offers and reservations at twice the price. */
  readonly dearReservations: number;
  /** Units whose price doubles while they run. */
  readonly repricedUnits: number;
  /** Units that have half of their slots from some time on. */
  readonly shrunkUnits: number;
  /** Units that fail instead of becoming ready. */
  readonly failedStarts: number;
  /** Starts that take ten times as long. */
  readonly slowStarts: number;
  /** Units that are said to be ready and answer nobody, ever. */
  readonly lyingUnits: number;
  /** Units that crash, after an exponential time of mean `lifeMsMean`. */
  readonly crashingUnits: number;
  readonly lifeMsMean: number;
}

export interface FaultyProviderOptions {
  readonly seed: number;
  readonly clock: { readonly nowMs: number; after(delayMs: number, run: () => void): void };
  readonly offers: readonly Omit<CapacityOffer, "availableCount">[];
  readonly unitCountMax: number;
  /** Of an ordinary start; each takes half to one and a half of it. */
  readonly startMs: number;
  readonly faults?: Partial<CapacityFaults>;
}

type Answer<Value> = (answer: CapacityAnswer<Value>) => void;

const NO_FAULTS: CapacityFaults = {
  delayMsMax: 0,
  lostCalls: 0,
  lostAnswers: 0,
  lateCalls: 0,
  lateMsMax: 60 * SECOND_MS,
  repeatedCalls: 0,
  refusedCalls: 0,
  outOfCapacity: 0,
  dearReservations: 0,
  repricedUnits: 0,
  shrunkUnits: 0,
  failedStarts: 0,
  slowStarts: 0,
  lyingUnits: 0,
  crashingUnits: 0,
  lifeMsMean: 600 * SECOND_MS,
};

/** After so long a caller gives up, as `HttpCapacityProvider` does. */
const TIMEOUT_MS = 5 * SECOND_MS;
/** How long a process takes to end. */
const END_MS = SECOND_MS;
const PORT_FIRST = 20_000;

/** The promises of a `CapacityProvider`; `call…` are the same with a callback, for simulations without promises. */
export class FaultyProvider implements CapacityProvider {
  /** How often a unit was made to run. Never over 1, or it was started twice. */
  readonly startsByUnit = new Map<string, number>();
  /** Whatever runs and costs, with whether it answers: the truth, which `units` may not tell. */
  readonly running = new Map<string, { readonly url: string; readonly service: string; answers: boolean }>();
  readonly #book: UnitBook;
  /** What is left of units that shrank. */
  readonly #slots = new Map<string, number>();
  readonly #random: SeededRandom;
  readonly #options: FaultyProviderOptions;
  #faults: CapacityFaults = NO_FAULTS;
  #port = PORT_FIRST;

  constructor(options: FaultyProviderOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
    this.#book = new UnitBook(options);
    this.setFaults(options.faults ?? {});
  }

  /** From the next call on these, and no others: a storm, then calm. */
  setFaults(faults: Partial<CapacityFaults>): void {
    this.#faults = { ...NO_FAULTS, ...faults };
  }

  /** What a health check or a request would see at the address. */
  answers(url: string): boolean {
    return [...this.running.values()].some((unit) => unit.url === url && unit.answers);
  }

  /** The unit's process ends now. */
  crash(unitId: string): void {
    if (!this.running.delete(unitId)) return;
    this.#book.fail(unitId, "the process ended by SIGKILL");
    this.#book.end(unitId);
  }

  callOffers(answer: Answer<readonly CapacityOffer[]>): void {
    const isDear = this.#happens(this.#faults.dearReservations);
    this.#call(() => ({ ok: true, value: this.#offers(isDear) }), answer);
  }

  callUnits(service: string, answer: Answer<readonly CapacityUnit[]>): void {
    this.#call(() => ({ ok: true, value: this.#book.units(service, this.#nowMs).map((unit) => this.#told(unit)) }), answer);
  }

  callReserve(order: CapacityOrder, answer: Answer<CapacityUnit>): void {
    const isDear = this.#happens(this.#faults.dearReservations);
    const isOut = this.#happens(this.#faults.outOfCapacity);
    this.#call(() => this.#reserve(order, { isDear, isOut }), answer);
  }

  callStart(unitId: string, answer: Answer<CapacityUnit>): void {
    this.#call(() => this.#start(unitId), answer);
  }

  callDrain(unitId: string, answer: Answer<CapacityUnit>): void {
    this.#call(() => {
      const drained = this.#book.drain(unitId);
      return drained.ok ? { ok: true, value: this.#told(drained.value) } : drained;
    }, answer);
  }

  callStop(unitId: string, answer: Answer<null>): void {
    this.#call(() => this.#stop(unitId), answer);
  }

  async offers(): Promise<CapacityAnswer<readonly CapacityOffer[]>> {
    return new Promise((resolve) => this.callOffers(resolve));
  }

  async units(service: string): Promise<CapacityAnswer<readonly CapacityUnit[]>> {
    return new Promise((resolve) => this.callUnits(service, resolve));
  }

  async reserve(order: CapacityOrder): Promise<CapacityAnswer<CapacityUnit>> {
    return new Promise((resolve) => this.callReserve(order, resolve));
  }

  async start(unitId: string): Promise<CapacityAnswer<CapacityUnit>> {
    return new Promise((resolve) => this.callStart(unitId, resolve));
  }

  async drain(unitId: string): Promise<CapacityAnswer<CapacityUnit>> {
    return new Promise((resolve) => this.callDrain(unitId, resolve));
  }

  async stop(unitId: string): Promise<CapacityAnswer<null>> {
    return new Promise((resolve) => this.callStop(unitId, resolve));
  }

  get #nowMs(): number {
    return this.#options.clock.nowMs;
  }

  /** The network between caller and book. Each fault is drawn when the call is made, so a seed's story stays the same. */
  #call<Value>(carryOut: () => CapacityAnswer<Value>, answer: Answer<Value>): void {
    const { clock } = this.#options;
    const { delayMsMax, lateMsMax } = this.#faults;
    const [isRefused, isLost, isLate, isUnheard, isRepeated] = [
      this.#happens(this.#faults.refusedCalls),
      this.#happens(this.#faults.lostCalls),
      this.#happens(this.#faults.lateCalls),
      this.#happens(this.#faults.lostAnswers),
      this.#happens(this.#faults.repeatedCalls),
    ];
    const [thereMs, backMs, lateMs] = [delayMsMax, delayMsMax, lateMsMax].map((mostMs) => this.#random.next() * mostMs);
    const giveUp = (): void => clock.after(TIMEOUT_MS, () => answer(unavailable(`no answer within ${TIMEOUT_MS} ms`)));
    if (isRefused) return clock.after(thereMs ?? 0, () => answer(unavailable("status 503")));
    if (isLost) return giveUp();
    if (isRepeated || isLate) clock.after(TIMEOUT_MS + (lateMs ?? 0), () => void carryOut());
    if (isLate) return giveUp();
    clock.after(thereMs ?? 0, () => {
      const answered = carryOut();
      if (!isUnheard) clock.after(backMs ?? 0, () => answer(answered));
    });
    if (isUnheard) giveUp();
  }

  #offers(isDear: boolean): CapacityOffer[] {
    return this.#book.offers(this.#nowMs).map((offer) => ({ ...offer, pricePerHour: (isDear ? 2 : 1) * offer.pricePerHour }));
  }

  #reserve(order: CapacityOrder, { isDear, isOut }: { readonly isDear: boolean; readonly isOut: boolean }): CapacityAnswer<CapacityUnit> {
    if (this.#book.get(order.unitId) === undefined) {
      if (isOut) return { ok: false, reason: "out-of-capacity", detail: "nothing is left of it" };
      const offer = this.#offers(isDear).find(({ offerId }) => offerId === order.offerId);
      if (offer !== undefined && offer.pricePerHour > order.pricePerHourMax)
        return { ok: false, reason: "too-dear", detail: `${offer.pricePerHour} an hour now` };
    }
    const isNew = this.#book.get(order.unitId) === undefined;
    const answer = this.#book.reserve(order, this.#nowMs);
    if (!answer.ok || !isNew || !isDear) return answer;
    this.#book.reprice(order.unitId, 2 * answer.value.pricePerHour);
    return { ok: true, value: { ...answer.value, pricePerHour: 2 * answer.value.pricePerHour } };
  }

  #start(unitId: string): CapacityAnswer<CapacityUnit> {
    const isNew = this.#book.get(unitId)?.state === "reserved";
    const answer = this.#book.start(unitId, this.#nowMs);
    if (answer.ok && isNew) this.#run(answer.value);
    return answer;
  }

  #run({ unitId, service }: CapacityUnit): void {
    const { clock, startMs } = this.#options;
    const { failedStarts, slowStarts, lyingUnits, repricedUnits, crashingUnits, shrunkUnits, lifeMsMean } = this.#faults;
    const ratios = [failedStarts, slowStarts, lyingUnits, repricedUnits, crashingUnits, shrunkUnits];
    const [fails, isSlow, lies, isRepriced, crashes, shrinks] = ratios.map((ratio) => this.#happens(ratio));
    const readyMs = startMs * (0.5 + this.#random.next()) * (isSlow === true ? 10 : 1);
    const lifeMs = this.#random.exponential() * lifeMsMean;
    this.startsByUnit.set(unitId, (this.startsByUnit.get(unitId) ?? 0) + 1);
    const url = `http://127.0.0.1:${this.#port++}`;
    this.running.set(unitId, { url, service, answers: false });
    clock.after(readyMs, () => {
      const unit = this.running.get(unitId);
      if (unit === undefined) return;
      if (fails === true) return this.crash(unitId);
      unit.answers = lies !== true;
      this.#book.becomeReady(unitId, url);
      if (isRepriced === true) this.#reprice(unitId);
      if (shrinks === true) clock.after(lifeMs / 2, () => this.#shrink(unitId));
      if (crashes === true) clock.after(lifeMs, () => this.crash(unitId));
    });
  }

  #shrink(unitId: string): void {
    const unit = this.#book.get(unitId);
    if (unit !== undefined) this.#slots.set(unitId, Math.ceil(unit.slots / 2));
  }

  #told(unit: CapacityUnit): CapacityUnit {
    return { ...unit, slots: this.#slots.get(unit.unitId) ?? unit.slots };
  }

  #reprice(unitId: string): void {
    const unit = this.#book.get(unitId);
    if (unit !== undefined) this.#book.reprice(unitId, 2 * unit.pricePerHour);
  }

  #stop(unitId: string): CapacityAnswer<null> {
    const answer = this.#book.stop(unitId);
    const unit = this.running.get(unitId);
    if (unit !== undefined) unit.answers = false;
    this.#options.clock.after(END_MS, () => {
      this.running.delete(unitId);
      this.#book.end(unitId);
    });
    return answer;
  }

  #happens(ratio: number): boolean {
    return this.#random.next() < ratio;
  }
}

function unavailable(detail: string): CapacityAnswer<never> {
  return { ok: false, reason: "unavailable", detail };
}
