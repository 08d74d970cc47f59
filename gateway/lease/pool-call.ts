import { poolName, type PoolRpc } from "#shared/protocol/pool-rpc.ts";
import type { GatewayEnv } from "../gateway-env.ts";

/** On a fresh stub each, for calls that the runtime marks as safe to repeat; ids and sequences make repeating harmless. */
const CALL_ATTEMPTS_MAX = 3;

export async function callPool<T>(namespace: GatewayEnv["POOL"], service: string, call: (pool: PoolRpc) => Promise<T> | T): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call(namespace.get(namespace.idFromName(poolName(service))));
    } catch (error) {
      const { retryable, overloaded } = marksOf(error);
      if (!retryable || overloaded || attempt === CALL_ATTEMPTS_MAX) throw error;
    }
  }
}

/** The runtime's word that the object could not be reached, or takes no more: no fault of what it would have done. */
export function isUnreachable(error: unknown): boolean {
  const { retryable, overloaded } = marksOf(error);
  return retryable || overloaded;
}

function marksOf(error: unknown): { readonly retryable: boolean; readonly overloaded: boolean } {
  const { retryable = false, overloaded = false } = error as { retryable?: boolean; overloaded?: boolean };
  return { retryable, overloaded };
}

/** One line for a call that did not arrive, and that something else repairs. */
export function warnOf(event: string, service: string, error: unknown): void {
  console.warn(JSON.stringify({ level: "warn", event, service, error: String(error).slice(0, 500) }));
}
