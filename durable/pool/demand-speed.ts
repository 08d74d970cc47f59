import type { ObjectEnv } from "#durable/lib/env.ts";
import { readDemandSpeed } from "#shared/demand-clock.ts";

/** 1 wherever anybody but this machine can connect: a deployment has the wall's clock, whatever its bindings say. */
export function demandSpeedOf({ DEMAND_SPEED, IS_LOOPBACK }: Pick<ObjectEnv, "DEMAND_SPEED" | "IS_LOOPBACK">): number {
  return IS_LOOPBACK === "true" ? readDemandSpeed(DEMAND_SPEED) : 1;
}
