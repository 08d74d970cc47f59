import { KIB_BYTES } from "#shared/units.ts";
import { CANARY_METER_BYTES } from "./canary-meters.ts";
import { DEVICE_METER_BYTES } from "./device-meters.ts";
import { DEMAND_MEMORY_BYTES } from "./service-demand.ts";
import { METER_MEMORY_BYTES } from "./shard-meters.ts";
import { QUEUE_MEMORY_BYTES } from "./waiting-line.ts";

/** Of the kernels of a service's home pool: what its parts take, and room for the others. */
export const POOL_MEMORY_BYTES =
  QUEUE_MEMORY_BYTES + METER_MEMORY_BYTES + DEMAND_MEMORY_BYTES + CANARY_METER_BYTES + DEVICE_METER_BYTES + 192 * KIB_BYTES;
