import { formatConnectionIdentifier, formatPriority } from "#shared/identifier/connection-identifier.ts";
import type { AppliedIdentifier } from "#shared/identifier/entitlement.ts";
import type { RequestScope } from "../request-scope.ts";
import type { InboundHeaders } from "./inbound-headers.ts";

export interface OutboundInput {
  readonly scope: RequestScope;
  readonly identifier: AppliedIdentifier;
  readonly inbound: InboundHeaders;
}

/** What the endpoint sees: the device's own headers, and what the gateway vouches for. Extends `inbound.forwarded` in place. */
export function outboundHeaders({ scope, identifier, inbound }: OutboundInput): Headers {
  const headers = inbound.forwarded;
  const url = new URL(scope.request.url);
  headers.set("connection-identifier", formatConnectionIdentifier(identifier));
  headers.set("priority", formatPriority(identifier));
  headers.set("via", `1.1 ${scope.env.GATEWAY_NAME}`);
  headers.set("x-forwarded-host", url.host);
  headers.set("x-forwarded-proto", url.protocol.slice(0, -1));
  // Cloudflare sets it and overwrites what a device says; elsewhere nobody vouches for it.
  const address = scope.env.IS_LOOPBACK === "true" ? null : scope.request.headers.get("cf-connecting-ip");
  if (address !== null) headers.set("x-forwarded-for", address);
  headers.set("x-request-id", scope.requestId);
  return headers;
}
