// Tokens: JWS in compact form (RFC 7515, 7519), through jose. A key is pinned to one algorithm; the token's
// header chooses the key by iss and kid and has no say in how it is verified.
import { decodeJwt, decodeProtectedHeader, errors, jwtVerify, SignJWT, type CryptoKey } from "jose";
import { refuse, type Refusal } from "../errors/refusal.ts";
import { LIMITS } from "../limits.ts";
import { SECOND_MS } from "../units.ts";
import { entitlementOf } from "./claims.ts";
import type { Entitlement } from "./entitlement.ts";

export const ALGORITHMS = ["EdDSA", "ES256"] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

export interface VerificationKey {
  readonly algorithm: Algorithm;
  readonly key: CryptoKey;
}

/** RFC 7515 §7.1, base64url without padding: parsers that forgive more give one token many spellings. */
const COMPACT_FORM = /^[\w-]+\.[\w-]+\.[\w-]*$/;

/** The tenant's key of that id, or null; also null where there is no such tenant. */
export type FindKey = (tenant: string, keyId: string) => Promise<VerificationKey | null>;

export interface VerifyOptions {
  readonly findKey: FindKey;
  /** The gateway's name: the token's aud. */
  readonly audience: string;
  readonly nowMs: number;
}

/** Verifies a token, once: callers remember the entitlement until it expires. */
export async function verifyToken(
  token: string,
  { findKey, audience, nowMs }: VerifyOptions,
): Promise<{ ok: true; entitlement: Entitlement } | Refusal> {
  if (token.length > LIMITS.tokenBytesMax) return unauthorized(`is longer than ${LIMITS.tokenBytesMax} bytes`);
  const claimed = readUnverified(token);
  if (claimed === null) return unauthorized("is not a JWS in compact form with iss and kid");
  const found = await findKey(claimed.issuer, claimed.keyId);
  // One sentence for an unknown tenant and an unknown key: who our tenants are is not for strangers.
  if (found === null) return unauthorized("names an issuer and key that are not known together");
  try {
    const { payload } = await jwtVerify(token, found.key, {
      algorithms: [found.algorithm],
      issuer: claimed.issuer,
      audience,
      requiredClaims: ["iss", "aud", "sub", "exp"],
      currentDate: new Date(nowMs),
      clockTolerance: LIMITS.clockSkewMsMax / SECOND_MS,
    });
    if (payload.iat !== undefined && payload.iat * SECOND_MS > nowMs + LIMITS.clockSkewMsMax)
      return unauthorized("was issued in the future");
    const entitled = entitlementOf(payload);
    return entitled.ok ? entitled : unauthorized(`has a claim ${entitled.claim} that is missing or malformed`);
  } catch (error) {
    return unauthorized(reasonOf(error));
  }
}

export interface MintRequest {
  readonly tenant: string;
  readonly device: string;
  readonly services: readonly string[];
  readonly className: string;
  readonly urgencyFirst: number;
  readonly audience: string;
  readonly nowMs: number;
  readonly lifetimeMs: number;
  readonly role?: "device" | "service";
  readonly signer: { readonly algorithm: Algorithm; readonly keyId: string; readonly key: CryptoKey };
}

/** Signs a token as a tenant would; for the command line, tests and the demo. */
export async function mintToken(request: MintRequest): Promise<string> {
  const { signer, nowMs } = request;
  return new SignJWT({
    svc: [...request.services],
    cls: request.className,
    urg: request.urgencyFirst,
    ...(request.role === "service" ? { role: "service" } : {}),
  })
    .setProtectedHeader({ alg: signer.algorithm, kid: signer.keyId, typ: "JWT" })
    .setIssuer(request.tenant)
    .setAudience(request.audience)
    .setSubject(request.device)
    .setIssuedAt(Math.floor(nowMs / SECOND_MS))
    .setExpirationTime(Math.floor((nowMs + request.lifetimeMs) / SECOND_MS))
    .sign(signer.key);
}

/** `reason` completes "The token …". It goes into WWW-Authenticate: plain ASCII, no quotes. */
function unauthorized(reason: string): Refusal {
  return refuse("unauthorized", `The token ${reason}.`);
}

function readUnverified(token: string): { issuer: string; keyId: string } | null {
  if (!COMPACT_FORM.test(token)) return null;
  try {
    const { kid } = decodeProtectedHeader(token);
    const { iss } = decodeJwt(token);
    return typeof kid === "string" && typeof iss === "string" ? { issuer: iss, keyId: kid } : null;
  } catch {
    return null;
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof errors.JWTExpired) return "has expired";
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === "nbf" && error.reason === "check_failed") return "is not valid yet";
    return `has a claim ${error.claim} that ${error.reason === "missing" ? "is missing" : "does not hold here"}`;
  }
  if (error instanceof errors.JOSEAlgNotAllowed) return "is signed with another algorithm than its key is for";
  if (error instanceof errors.JWSSignatureVerificationFailed) return "has a signature that does not verify";
  return "is not a valid JWS";
}
