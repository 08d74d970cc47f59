import type { ObjectEnv } from "#durable/lib/env.ts";

/** The Worker's bindings: wrangler.toml in a deployment, scripts/local/workerd-config.ts on this machine. */
export interface GatewayEnv extends ObjectEnv {
  /** The aud of every token, and our name in Proxy-Status and Via. */
  readonly GATEWAY_NAME: string;
  /** SHA-256 of the operator's credential, hexadecimal. Absent: the operator's API is closed. */
  readonly OPERATOR_KEY_SHA256?: string;
  /** The keys that seal what `instance` says: `NUMBER:KEY`, at most two, the first seals. Absent: nothing can be explained. */
  readonly EXPLAIN_KEYS?: string;
  /** "true" where only this machine can connect: /metrics is open there. */
  readonly IS_LOOPBACK?: string;
}
