import type { Caller, Tidegate } from "./contenders/tidegate.ts";
import { requestBytes } from "./load/requests.ts";

/** Of the closed loop. */
export const CONNECTION_COUNT = 32;
const TENANTS = ["acme", "globex", "initech"];
const CLASSES = ["gold", "silver", "bronze"];

/** Devices of every tenant and class of the embedded default, one for each connection of the closed loop. */
const CALLERS: readonly Caller[] = Array.from({ length: CONNECTION_COUNT }, (_, index) => ({
  tenant: TENANTS[index % TENANTS.length] ?? "",
  className: CLASSES[Math.floor(index / TENANTS.length) % CLASSES.length] ?? "",
  device: `d-${index}`,
}));

/** A prepared request for each caller; of one class alone where it is named. */
export async function requestsOf(tidegate: Pick<Tidegate, "token">, className?: string): Promise<Buffer[]> {
  const callers = CALLERS.filter((caller) => className === undefined || caller.className === className);
  return Promise.all(callers.map(async (caller) => requestBytes({ className: caller.className, token: await tidegate.token(caller) })));
}
