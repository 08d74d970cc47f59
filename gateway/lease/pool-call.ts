import { poolName, type PoolRpc } from "#shared/protocol/pool-rpc.ts";
import type { GatewayEnv } from "../gateway-env.ts";

/** On a fresh stub each, for calls that the runtime marks as safe to repeat; ids and sequences make repeating harmless. */
const CALL_ATTEMPTS_MAX = 3;

export async function callPool<T>(namespace: GatewayEnv["POOL"], service: string, call: (pool: PoolRpc) => Promise<T> | T): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call(namespace.get(namespace.idFromName(poolName(service))));
    } catch (error) {
      const { retryable = false, overloaded = false } = error as { retryable?: boolean; overloaded?: boolean };
      if (!retryable || overloaded || attempt === CALL_ATTEMPTS_MAX) throw error;
    }
  }
}

/** One line for a call that did not arrive, and that something else repairs. */
export function warnOf(event: string, service: string, error: unknown): void {
  console.warn(JSON.stringify({ level: "warn", event, service, error: String(error).slice(0, 500) }));
}
