import type { ServiceConfig } from "#shared/config/schema.ts";
import type { AppliedIdentifier } from "#shared/identifier/entitlement.ts";
import type { RequestScope } from "../request-scope.ts";

const KEY_LENGTH_MAX = 1_024;
/** The cookie that makes a session of requests from different devices, or different of one: the application's own. */
const SESSION_COOKIE = /(?:^|;\s*)session=([^;]{1,256})/;

interface AffinityInput {
  readonly scope: RequestScope;
  readonly identifier: AppliedIdentifier;
  readonly service: Pick<ServiceConfig, "affinity" | "balance">;
}

/**
 * Requests with the same key meet the same shard. The tenant is part of it: one tenant cannot aim at another's shard.
 * Without affinity, without what makes the key, or where keys do not choose, every request has one of its own: the pool chooses by it.
 */
export function affinityKeyOf({ scope, identifier, service: { affinity, balance } }: AffinityInput): string {
  const { tenant, device } = identifier;
  if (balance !== "rendezvous") return scope.requestId;
  if (affinity === "device") return `${tenant}/${device}`;
  if (affinity === "none") return scope.requestId;
  const { headers } = scope.request;
  const value =
    affinity === "session" ? SESSION_COOKIE.exec(headers.get("cookie") ?? "")?.[1] : headers.get(affinity.slice("header:".length));
  if (typeof value === "string") return `${tenant}/${value.slice(0, KEY_LENGTH_MAX)}`;
  return affinity === "session" ? `${tenant}/${device}` : scope.requestId;
}
