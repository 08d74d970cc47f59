import type { AppliedIdentifier } from "#shared/identifier/entitlement.ts";
import { identifierHeaders } from "../identity/identifier-headers.ts";
import type { RequestScope } from "../request-scope.ts";
import type { HeaderRecord } from "./header-record.ts";
import type { InboundHeaders } from "./inbound-headers.ts";

export interface OutboundInput {
  readonly scope: RequestScope;
  readonly identifier: AppliedIdentifier;
  readonly inbound: InboundHeaders;
}

/** What the endpoint sees: the device's own headers, and what the gateway vouches for. Extends `inbound.forwarded` in place. */
export function outboundHeaders({ scope, identifier, inbound }: OutboundInput): HeaderRecord {
  const headers = inbound.forwarded;
  const { connectionIdentifier, priority } = identifierHeaders(identifier);
  const { host, protocol } = originOf(scope.url);
  headers["connection-identifier"] = connectionIdentifier;
  headers["priority"] = priority;
  headers["via"] = `1.1 ${scope.env.GATEWAY_NAME}`;
  headers["x-forwarded-host"] = host;
  headers["x-forwarded-proto"] = protocol;
  // Cloudflare sets it and overwrites what a device says; elsewhere nobody vouches for it.
  const address = scope.env.IS_LOOPBACK === "true" ? null : inbound.connectingAddress;
  if (address !== null) headers["x-forwarded-for"] = address;
  headers["x-request-id"] = scope.requestId;
  return headers;
}

interface Origin {
  readonly host: string;
  readonly protocol: string;
}

/** Of the last request: a gateway has one name, or few. */
let lastOrigin = { written: "", host: "", protocol: "" };

/** Host and scheme as a parser has them: lower case, no default port. */
function originOf(url: string): Origin {
  const written = url.slice(0, url.indexOf("/", url.indexOf("://") + 3));
  if (lastOrigin.written !== written) {
    const { host, protocol } = new URL(url);
    lastOrigin = { written, host, protocol: protocol.slice(0, -1) };
  }
  return lastOrigin;
}
