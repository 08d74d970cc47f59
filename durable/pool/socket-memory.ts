// What a socket has of its flow's memory: fixed when it opens, its own as long as it has its slot: of a session a quarter for what its device sends,
// and the rest for what it is sent; of a plain socket half each. So its Shard object asks nobody, and what all of a flow's sockets keep is bounded by what they were given. Pure.
import type { SocketCounts, socketLimitsOf } from "#shared/config/socket-limits.ts";
import { RESUME } from "#shared/resume/bounds.ts";
import { KIB_BYTES } from "#shared/units.ts";
import type { FlowLimits } from "./flow-quotas.ts";

/** Of a socket, both ways; more where the largest message that is configured does not fit. */
export const SOCKET_BYTES_MIN = 64 * KIB_BYTES;
const SOCKET_BYTES_MAX = 2 * RESUME.windowBytesMax;
/** Where nothing says how many there may be. */
const SOCKETS_EXPECTED = 1_024;

type Limits = Pick<ReturnType<typeof socketLimitsOf>, "messageBytesMax"> & Pick<SocketCounts, "perTenantMax">;

/** As many sockets as a flow may have share half of what it has for them and for requests that wait. Null: it has no limit. */
export function socketBytesOf({ memory, slotsMax }: FlowLimits, { messageBytesMax, perTenantMax }: Limits): number | null {
  if (memory === null) return null;
  const countMax = Math.min(slotsMax, perTenantMax ?? Infinity);
  const part = memory.sharedBytes / 2 / (countMax === Infinity ? SOCKETS_EXPECTED : Math.max(1, countMax));
  const isSmall = messageBytesMax < RESUME.messageBytesMax;
  const bytesMin = Math.max(SOCKET_BYTES_MIN, isSmall ? 4 * messageBytesMax : 0);
  return Math.min(SOCKET_BYTES_MAX, Math.max(bytesMin, 2 * Math.floor(part / 2)));
}
