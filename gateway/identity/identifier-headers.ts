import { formatConnectionIdentifier, formatPriority } from "#shared/identifier/connection-identifier.ts";
import type { AppliedIdentifier } from "#shared/identifier/entitlement.ts";

export interface IdentifierHeaders {
  readonly connectionIdentifier: string;
  readonly priority: string;
}

const written = new WeakMap<AppliedIdentifier, IdentifierHeaders>();

/** An identifier as endpoint and device read it, written once: devices ask for the same again and again. */
export function identifierHeaders(identifier: AppliedIdentifier): IdentifierHeaders {
  let headers = written.get(identifier);
  if (headers === undefined) {
    headers = { connectionIdentifier: formatConnectionIdentifier(identifier), priority: formatPriority(identifier) };
    written.set(identifier, headers);
  }
  return headers;
}
