// Who asks, for what: token, Connection-Identifier and Priority, down to the identifier that is applied.
import { refuse, type Refusal } from "#shared/errors/refusal.ts";
import { classify } from "#shared/identifier/classify.ts";
import { parseConnectionIdentifier, parsePriority } from "#shared/identifier/connection-identifier.ts";
import type { AppliedIdentifier, Entitlement } from "#shared/identifier/entitlement.ts";
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

/** Who asks, whatever for. */
export async function verifyCredential(input: Omit<IdentifyInput, "service">): Promise<{ ok: true; entitlement: Entitlement } | Refusal> {
  const { inbound, active, isolate, nowMs } = input;
  const credential = credentialOf(inbound);
  const found = credential === null ? undefined : isolate.verifiedTokens.find(credential, active.snapshot.version, nowMs);
  if (found !== undefined) return { ok: true, entitlement: found.entitlement };
  const verified = await verify(credential, input);
  return verified.ok ? { ok: true, entitlement: verified.known.entitlement } : verified;
}

export type Identified = { readonly ok: true; readonly identifier: AppliedIdentifier } | Refusal;

/** Synchronous for a credential that this isolate has verified before: the hot path takes no turn of the event loop. */
export function identify(input: IdentifyInput): Identified | Promise<Identified> {
  const { inbound, active, isolate, nowMs } = input;
  const credential = credentialOf(inbound);
  const known = credential === null ? undefined : isolate.verifiedTokens.find(credential, active.snapshot.version, nowMs);
  return known === undefined ? verifyAndApply(credential, input) : apply(known, input);
}

/** As it was sent: only a new one is taken apart. No header's value begins with a blank, so a subprotocol's token is never taken for one. */
function credentialOf({ authorization, protocolToken }: InboundHeaders): string | null {
  return authorization ?? (protocolToken === null ? null : ` ${protocolToken}`);
}

async function verifyAndApply(credential: string | null, input: IdentifyInput): Promise<Identified> {
  const verified = await verify(credential, input);
  return verified.ok ? apply(verified.known, input) : verified;
}

async function verify(
  credential: string | null,
  { inbound, active, audience, isolate, nowMs }: Omit<IdentifyInput, "service">,
): Promise<{ readonly ok: true; readonly known: Verified } | Refusal> {
  if (credential === null) return refuse("unauthorized", "There is no credential: expected Authorization: Bearer <token>.");
  const token = inbound.authorization === null ? credential.slice(1) : BEARER.exec(credential)?.[1];
  if (token === undefined) return refuse("unauthorized", "The Authorization header is not Bearer <token>.");
  const verified = await verifyToken(token, { findKey: active.keyring.find, audience, nowMs });
  if (!verified.ok) return verified;
  return { ok: true, known: isolate.verifiedTokens.remember(credential, verified.entitlement, active.snapshot.version) };
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
