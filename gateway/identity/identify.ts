// Who asks, for what: token, Connection-Identifier and Priority, down to the identifier that is applied.
import { refuse, type Refusal } from "#shared/errors/refusal.ts";
import { classify } from "#shared/identifier/classify.ts";
import { parseConnectionIdentifier, parsePriority } from "#shared/identifier/connection-identifier.ts";
import type { AppliedIdentifier, Entitlement } from "#shared/identifier/entitlement.ts";
import { verifyToken } from "#shared/identifier/token.ts";
import type { ActiveConfiguration } from "../configuration-cache.ts";
import type { Isolate } from "../isolate.ts";
import type { InboundHeaders } from "../upstream/inbound-headers.ts";

const BEARER = /^bearer +([\w.~+/=-]+) *$/i;

export interface IdentifyInput {
  readonly inbound: InboundHeaders;
  readonly service: string;
  readonly active: ActiveConfiguration;
  readonly audience: string;
  readonly isolate: Isolate;
  readonly nowMs: number;
}

export type Verified = { readonly ok: true; readonly entitlement: Entitlement } | Refusal;

/** Who asks, whatever for. */
export async function verifyCredential(input: Omit<IdentifyInput, "service">): Promise<Verified> {
  const token = tokenOf(input.inbound);
  if (typeof token !== "string") return token;
  const known = input.isolate.verifiedTokens.find(token, input.active.snapshot.version, input.nowMs);
  return known === undefined ? verify(token, input) : { ok: true, entitlement: known };
}

export type Identified = { readonly ok: true; readonly identifier: AppliedIdentifier } | Refusal;

/** Synchronous for a token that this isolate has verified before: the hot path takes no turn of the event loop. */
export function identify(input: IdentifyInput): Identified | Promise<Identified> {
  const { inbound, active, isolate, nowMs } = input;
  const token = tokenOf(inbound);
  if (typeof token !== "string") return token;
  const known = isolate.verifiedTokens.find(token, active.snapshot.version, nowMs);
  return known === undefined ? verifyAndApply(token, input) : apply(known, input);
}

function tokenOf({ authorization, protocolToken }: InboundHeaders): string | Refusal {
  const token = authorization === null ? protocolToken : (BEARER.exec(authorization)?.[1] ?? null);
  if (token !== null) return token;
  return refuse(
    "unauthorized",
    authorization === null
      ? "There is no credential: expected Authorization: Bearer <token>."
      : "The Authorization header is not Bearer <token>.",
  );
}

async function verifyAndApply(token: string, input: IdentifyInput): Promise<Identified> {
  const verified = await verify(token, input);
  return verified.ok ? apply(verified.entitlement, input) : verified;
}

async function verify(token: string, { active, audience, isolate, nowMs }: Omit<IdentifyInput, "service">): Promise<Verified> {
  const verified = await verifyToken(token, { findKey: active.keyring.find, audience, nowMs });
  if (verified.ok) isolate.verifiedTokens.remember(token, verified.entitlement, active.snapshot.version);
  return verified;
}

function apply(entitlement: Entitlement, { inbound, service, active }: IdentifyInput): Identified {
  const parsed = inbound.connectionIdentifier === null ? null : parseConnectionIdentifier(inbound.connectionIdentifier);
  if (parsed !== null && !parsed.ok) return parsed;
  return classify({
    entitlement,
    service,
    asked: parsed?.asked ?? {},
    priority: inbound.priority === null ? {} : parsePriority(inbound.priority),
    configuration: active.snapshot.configuration,
  });
}
