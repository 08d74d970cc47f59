// The byte credit of one request's bodies: taken from what the isolate holds, and asked for with the next renewal where it lacks. A
// request that waits for credit sees to the renewal itself: it waits on its own timer, never for another request's promise.
import type { FlowBytes } from "#shared/lease/flow-bytes.ts";
import type { ByteCredit } from "../upstream/pace.ts";
import { RATE_SPACING_MS, type RenewalPace } from "./renewal-pace.ts";

/** An answer on its way is looked for so often. */
const LOOK_MS = 10;

interface LeasedCreditInput {
  readonly bytes: FlowBytes;
  readonly pace: RenewalPace;
  /** Renews where it is time. */
  readonly renewIfDue: (nowMs: number) => void;
  readonly now: () => number;
}

export class LeasedCredit implements ByteCredit {
  readonly #input: LeasedCreditInput;
  /** What it lacks was said of the renewals after this one. */
  #saidAtMs = -Infinity;
  #isWaiting = false;

  constructor(input: LeasedCreditInput) {
    this.#input = input;
  }

  /** A body stands still for want of credit. */
  get isWaiting(): boolean {
    return this.#isWaiting;
  }

  take(bytes: number): number {
    const { bytes: credit, pace, renewIfDue, now } = this.#input;
    const nowMs = now();
    const taken = credit.take(bytes, nowMs);
    this.#isWaiting = taken === 0;
    if (taken === 0 && this.#saidAtMs !== pace.sentAtMs) {
      this.#saidAtMs = pace.sentAtMs;
      credit.lack(bytes);
    }
    if (taken === 0 || credit.isLow) pace.setOff(pace.sentAtMs + RATE_SPACING_MS);
    renewIfDue(nowMs);
    return taken;
  }

  get waitMs(): number {
    const { pace, now } = this.#input;
    const nowMs = now();
    return pace.isRenewing(nowMs) ? LOOK_MS : Math.max(LOOK_MS, pace.renewAtMs - nowMs);
  }
}

/** A limit in shadow: counted, and not applied. */
export class ShadowCredit implements ByteCredit {
  readonly isWaiting = false;
  readonly waitMs = 0;
  readonly #bytes: FlowBytes;

  constructor(bytes: FlowBytes) {
    this.#bytes = bytes;
  }

  take(bytes: number): number {
    this.#bytes.count(bytes);
    return bytes;
  }
}
