import type { Bandwidth } from "#shared/config/quota-policies.ts";
import { BYTE_UNIT } from "#shared/lease/byte-flow.ts";
import { SECOND_MS } from "#shared/units.ts";
import type { RatePolicy } from "./rate-budget.ts";

/** In units of BYTE_UNIT. Bytes per second are units per BYTE_UNIT seconds: exact, whatever the bandwidth. */
export function byteRateOf(bandwidth: Bandwidth | null): RatePolicy | null {
  if (bandwidth === null) return null;
  return { tokens: bandwidth.bytesPerSecond, periodMs: BYTE_UNIT * SECOND_MS, burst: bandwidth.burstBytes / BYTE_UNIT };
}
