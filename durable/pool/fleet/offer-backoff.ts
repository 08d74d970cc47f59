// An offer whose units fail rests: twice as long after each failure in a row, up to a bound. Pure.
import { BACKOFF, FLEET } from "./fleet-settings.ts";
import type { FleetRecords } from "./fleet-records.ts";
import type { OfferBackoff } from "./fleet-state.ts";

/** Failures while it rests already are of the same try. */
export function failOffer(records: FleetRecords, offerId: string, nowMs: number): void {
  const { offers } = records.facts;
  const known = Object.hasOwn(offers, offerId) ? offers[offerId] : undefined;
  if (known !== undefined && nowMs < known.untilMs) return;
  const failureCount = (known?.failureCount ?? 0) + 1;
  const restMs = Math.min(BACKOFF.msMax, BACKOFF.baseMs * 2 ** Math.min(30, failureCount - 1));
  const others = Object.entries(offers).filter(([other]) => other !== offerId);
  const kept = others.slice(Math.max(0, others.length - FLEET.offerCountMax + 1));
  const failed: OfferBackoff = { failureCount, failedAtMs: nowMs, untilMs: nowMs + restMs };
  records.setFacts({ offers: { ...Object.fromEntries(kept), [offerId]: failed } });
}

/** A shard of it has proven itself. */
export function healOffer(records: FleetRecords, offerId: string): void {
  const { offers } = records.facts;
  if (!Object.hasOwn(offers, offerId)) return;
  records.setFacts({ offers: Object.fromEntries(Object.entries(offers).filter(([other]) => other !== offerId)) });
}

/** For how long still. Where nothing serves it is tried again sooner. A clock that was set back does not prolong it. */
export function restMsOf(backoff: OfferBackoff | undefined, { nowMs, isAlone }: { nowMs: number; isAlone: boolean }): number {
  if (backoff === undefined || nowMs < backoff.failedAtMs) return 0;
  const untilMs = isAlone ? Math.min(backoff.untilMs, backoff.failedAtMs + BACKOFF.aloneMsMax) : backoff.untilMs;
  return Math.max(0, untilMs - nowMs);
}
