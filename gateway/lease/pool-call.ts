import { refuse, type Refusal } from "#shared/errors/refusal.ts";
import type { Region } from "#shared/config/regions.ts";
import { poolName, regionalPoolName, type PoolRpc, type RegionalPoolRpc } from "#shared/protocol/pool-rpc.ts";
import { repeatPauseMs } from "#shared/protocol/repeat-pause.ts";
import { SECOND_MS } from "#shared/units.ts";
import type { GatewayEnv } from "../gateway-env.ts";
import type { PoolPlace } from "./pool-place.ts";

type Pools = Pick<GatewayEnv, "POOL" | "REGIONAL_POOL">;
/** What any pool of a service answers. */
type AnyPool = Pick<PoolRpc, "renew" | "acquire" | "exchange" | "release">;

/** On a fresh stub each, for calls that the runtime marks as safe to repeat; ids and sequences make repeating harmless. */
const CALL_ATTEMPTS_MAX = 3;
/** A pool that moves to another machine is back in seconds. */
const UNREACHABLE_RETRY_MS = 2 * SECOND_MS;

export async function callPool<T>(pools: Pools, place: PoolPlace, call: (pool: AnyPool) => Promise<T> | T): Promise<T> {
  return attempt(async () => call(poolAt(pools, place)));
}

/** For a call that is made anew, with what there is to say then, where it did not arrive. */
export async function callPoolOnce<T>(pools: Pools, place: PoolPlace, call: (pool: AnyPool) => Promise<T> | T): Promise<T> {
  return attempt(async () => call(poolAt(pools, place)), 1);
}

/** What only a home pool answers. */
export async function callHome<T>(pools: Pools, place: Omit<PoolPlace, "region">, call: (pool: PoolRpc) => Promise<T> | T): Promise<T> {
  return attempt(() => call(homePool(pools, place)));
}

/** The hint counts where the object is made by this call; it does not move afterwards. */
export function homePool({ POOL }: Pick<Pools, "POOL">, { service, home }: Omit<PoolPlace, "region">) {
  return POOL.get(POOL.idFromName(poolName(service)), home && { locationHint: home });
}

export function regionalPool({ REGIONAL_POOL }: Pick<Pools, "REGIONAL_POOL">, service: string, region: Region): RegionalStub {
  return REGIONAL_POOL.get(REGIONAL_POOL.idFromName(regionalPoolName(service, region)), { locationHint: region });
}

function poolAt(pools: Pools, place: PoolPlace) {
  const { service, region } = place;
  return region === null ? homePool(pools, place) : regionalPool(pools, service, region);
}

type RegionalStub = DurableObjectStub<RegionalPoolRpc & Rpc.DurableObjectBranded>;

async function attempt<T>(call: () => Promise<T> | T, attemptsMax = CALL_ATTEMPTS_MAX): Promise<T> {
  for (let count = 1; ; count += 1) {
    try {
      return await call();
    } catch (error) {
      if (!mayRepeat(error)) throw error;
      // After the last one too: whoever hears of it may give back what the call was for, with another call.
      await new Promise((wake) => setTimeout(wake, repeatPauseMs(Math.random())));
      if (count === attemptsMax) throw error;
    }
  }
}

/** The runtime's word that the call did not arrive, or its answer did not. */
export function mayRepeat(error: unknown): boolean {
  const { retryable, overloaded } = marksOf(error);
  return retryable && !overloaded;
}

/** The runtime's word that the object could not be reached, or takes no more: no fault of what it would have done. */
export function isUnreachable(error: unknown): boolean {
  const { retryable, overloaded } = marksOf(error);
  return retryable || overloaded;
}

/** Of what has no slot here, and whose pool cannot be asked for one. */
export function refuseUnreachable(service: string): Refusal {
  return refuse("rejected-capacity", `The pool of service ${service} cannot be reached, and no slot is held here.`, {
    retryAfterMs: UNREACHABLE_RETRY_MS,
    decidedBy: "edge",
  });
}

function marksOf(error: unknown): { readonly retryable: boolean; readonly overloaded: boolean } {
  const { retryable = false, overloaded = false } = error as { retryable?: boolean; overloaded?: boolean };
  return { retryable, overloaded };
}

/** One line for a call that did not arrive, and that something else repairs. */
export function warnOf(event: string, service: string, error: unknown): void {
  console.warn(JSON.stringify({ level: "warn", event, service, error: String(error).slice(0, 500) }));
}
