// Bandwidth is leased like a rate, in units of a KiB: as the tokens of a flow beside the tenant's own, which has no slots. So what holds
// for tokens holds for bytes (docs/design/leases.md, Rates): over any interval at most burst + rate × time, at all holders together.
import { KIB_BYTES } from "../units.ts";

export const BYTE_UNIT = KIB_BYTES;

const SUFFIX = "/bytes";

/** Beside `tenant/class`. */
export function byteFlowOf(flow: string): string {
  return flow + SUFFIX;
}

/** The flow whose bytes it counts; null: it is a flow of requests. */
export function flowOfBytes(flow: string): string | null {
  return flow.endsWith(SUFFIX) ? flow.slice(0, -SUFFIX.length) : null;
}
