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

export type Identified = { readonly ok: true; readonly identifier: AppliedIdentifier } | Refusal;

/** Synchronous for a token that this isolate has verified before: the hot path takes no turn of the event loop. */
export function identify(input: IdentifyInput): Identified | Promise<Identified> {
  const { inbound, active, isolate, nowMs } = input;
  const token = inbound.authorization === null ? inbound.protocolToken : (BEARER.exec(inbound.authorization)?.[1] ?? null);
  if (token === null) {
    return refuse(
      "unauthorized",
      inbound.authorization === null
        ? "There is no credential: expected Authorization: Bearer <token>."
        : "The Authorization header is not Bearer <token>.",
    );
  }
  const known = isolate.verifiedTokens.find(token, active.snapshot.version, nowMs);
  return known === undefined ? verifyAndApply(token, input) : apply(known, input);
}

async function verifyAndApply(token: string, input: IdentifyInput): Promise<Identified> {
  const { active, audience, isolate, nowMs } = input;
  const verified = await verifyToken(token, { findKey: active.keyring.find, audience, nowMs });
  if (!verified.ok) return verified;
  isolate.verifiedTokens.remember(token, verified.entitlement, active.snapshot.version);
  return apply(verified.entitlement, input);
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
