// A token's claims, checked: JOSE has verified the signature and the times; this says what they entitle to.
import * as z from "zod";
import { DEVICE_PATTERN, LIMITS, NAME_PATTERN, URGENCY_FIRST, URGENCY_LAST } from "../limits.ts";
import { SECOND_MS } from "../units.ts";
import type { Entitlement } from "./entitlement.ts";

const name = z.string().regex(NAME_PATTERN);

const claimsSchema = z.object({
  iss: name,
  sub: z.string().regex(DEVICE_PATTERN),
  svc: z.array(name).max(LIMITS.tokenServiceCountMax),
  cls: name,
  urg: z.int().min(URGENCY_FIRST).max(URGENCY_LAST).default(URGENCY_FIRST),
  exp: z.number(),
  role: z.enum(["device", "service"]).default("device"),
});

/** The entitlement of verified claims, or the first claim that is not as docs/protocol.md has it. */
export function entitlementOf(claims: unknown): { ok: true; entitlement: Entitlement } | { ok: false; claim: string } {
  const parsed = claimsSchema.safeParse(claims);
  if (!parsed.success) return { ok: false, claim: String(parsed.error.issues[0]?.path[0] ?? "payload") };
  const { iss, sub, svc, cls, urg, exp, role } = parsed.data;
  return {
    ok: true,
    entitlement: { tenant: iss, device: sub, services: svc, classHighest: cls, urgencyFirst: urg, role, expiresAtMs: exp * SECOND_MS },
  };
}
