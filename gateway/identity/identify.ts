// Who asks, for what: token, Connection-Identifier and Priority, down to the identifier that is applied.
import { refuse, type Refusal } from "#shared/errors/refusal.ts";
import { classify } from "#shared/identifier/classify.ts";
import { parseConnectionIdentifier, parsePriority } from "#shared/identifier/connection-identifier.ts";
import type { AppliedIdentifier } from "#shared/identifier/entitlement.ts";
import { verifyToken } from "#shared/identifier/token.ts";
import type { ActiveConfiguration } from "../configuration-cache.ts";
import type { Isolate } from "../isolate.ts";
import type { InboundHeaders } from "../upstream/inbound-headers.ts";
import type { Verified } from "./verified-tokens.ts";

const BEARER = /^bearer +([\w.~+/=-]+) *$/i;

export interface IdentifyInput {
  readonly inbound: InboundHeaders;
  readonly service: string;
  readonly active: ActiveConfiguration;
  readonly audience: string;
  readonly isolate: Isolate;
  readonly nowMs: number;
}

export type Identified = { readonly ok: true; readonly identifier: AppliedIdentifier } | Refusal;

/** Synchronous for a credential that this isolate has verified before: the hot path takes no turn of the event loop. */
export function identify(input: IdentifyInput): Identified | Promise<Identified> {
  const { inbound, active, isolate, nowMs } = input;
  // Looked up as it was sent: only a new one is taken apart. No header's value begins with a blank, so that a subprotocol's
  // token is never taken for one.
  const credential = inbound.authorization ?? (inbound.protocolToken === null ? null : ` ${inbound.protocolToken}`);
  const known = credential === null ? undefined : isolate.verifiedTokens.find(credential, active.snapshot.version, nowMs);
  return known === undefined ? verifyAndApply(credential, input) : apply(known, input);
}

async function verifyAndApply(credential: string | null, input: IdentifyInput): Promise<Identified> {
  const { inbound, active, audience, isolate, nowMs } = input;
  if (credential === null) return refuse("unauthorized", "There is no credential: expected Authorization: Bearer <token>.");
  const token = inbound.authorization === null ? credential.slice(1) : BEARER.exec(credential)?.[1];
  if (token === undefined) return refuse("unauthorized", "The Authorization header is not Bearer <token>.");
  const verified = await verifyToken(token, { findKey: active.keyring.find, audience, nowMs });
  if (!verified.ok) return verified;
  return apply(isolate.verifiedTokens.remember(credential, verified.entitlement, active.snapshot.version), input);
}

function apply({ entitlement, plain }: Verified, { inbound, service, active }: IdentifyInput): Identified {
  const asksNothing = inbound.connectionIdentifier === null && inbound.priority === null;
  const known = asksNothing ? plain.get(service) : undefined;
  if (known !== undefined) return { ok: true, identifier: known };
  const parsed = inbound.connectionIdentifier === null ? null : parseConnectionIdentifier(inbound.connectionIdentifier);
  if (parsed !== null && !parsed.ok) return parsed;
  const classified = classify({
    entitlement,
    service,
    asked: parsed?.asked ?? {},
    priority: inbound.priority === null ? {} : parsePriority(inbound.priority),
    configuration: active.snapshot.configuration,
  });
  if (asksNothing && classified.ok) plain.set(service, classified.identifier);
  return classified;
}
