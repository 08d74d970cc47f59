// Endpoints at which connections are refused, as holders tell: nobody listens there. For a moment nothing is granted there; one that goes
// on refusing, without an answer in between, is its fleet's to end. Pure.
import type { ShardTelemetry } from "#shared/protocol/telemetry.ts";
import { SECOND_MS } from "#shared/units.ts";

/** After the last refusal nothing is granted there for so long … */
const SUSPECT_MS = SECOND_MS;
/** … and where it will be replaced, until holders that try again have shown whether it is to be. */
const SUSPECT_MS_REPLACED = 4 * SECOND_MS;
/** A refusal so long after the one before begins anew. */
const FORGET_MS = 30 * SECOND_MS;
/** The oldest are forgotten first. */
const LANE_COUNT_MAX = 1_024;

interface Refusing {
  readonly firstMs: number;
  readonly lastMs: number;
}

export class Refusals {
  readonly #lanes = new Map<string, Refusing>();
  #nowMs = 0;

  tick(nowMs: number): void {
    this.#nowMs = nowMs;
  }

  note(lane: string, nowMs: number): void {
    this.#nowMs = nowMs;
    const known = this.#lanes.get(lane);
    const isAnew = known === undefined || Math.abs(nowMs - known.lastMs) > FORGET_MS;
    this.#lanes.delete(lane);
    this.#lanes.set(lane, { firstMs: isAnew ? nowMs : Math.min(known.firstMs, nowMs), lastMs: nowMs });
    const [oldest] = this.#lanes.keys();
    if (oldest !== undefined && this.#lanes.size > LANE_COUNT_MAX) this.#lanes.delete(oldest);
  }

  /** What a holder tells of its shards; whether any refused. One that both answered and refused may have answered first. */
  take(shards: readonly ShardTelemetry[], nowMs: number): boolean {
    let isAny = false;
    for (const { endpointUrl, requests, failures, refused = 0 } of shards) {
      if (requests > failures) this.#lanes.delete(endpointUrl);
      if (refused === 0) continue;
      this.note(endpointUrl, nowMs);
      isAny = true;
    }
    return isAny;
  }

  isSuspect(lane: string, isReplaced: boolean): boolean {
    const known = this.#lanes.get(lane);
    return known !== undefined && Math.abs(this.#nowMs - known.lastMs) < (isReplaced ? SUSPECT_MS_REPLACED : SUSPECT_MS);
  }

  /** Those that are not among them are forgotten: whoever comes to an address is not what was there before. */
  keep(lanes: ReadonlySet<string>): void {
    for (const lane of this.#lanes.keys()) if (!lanes.has(lane)) this.#lanes.delete(lane);
  }

  /** From the first refusal to the last one, no answer between them; 0: none, or one. */
  refusingMs(lane: string): number {
    const known = this.#lanes.get(lane);
    return known === undefined ? 0 : known.lastMs - known.firstMs;
  }
}
