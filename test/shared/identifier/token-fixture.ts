import { exportJWK, generateKeyPair, type CryptoKey, type JWK } from "jose";
import { expect } from "vitest";
import { ALGORITHMS, mintToken, verifyToken, type Algorithm, type FindKey, type MintRequest } from "#shared/identifier/token.ts";

/** A whole second, so that a claim's seconds and the clock's milliseconds meet without rounding. */
export const NOW_MS = 1_800_000_000_000;
export const NOW_S = NOW_MS / 1_000;
export const AUDIENCE = "tidegate";

export interface Signer {
  readonly algorithm: Algorithm;
  readonly keyId: string;
  readonly key: CryptoKey;
  readonly publicKey: CryptoKey;
  readonly publicJwk: JWK;
}

async function signer(algorithm: Algorithm, keyId: string): Promise<Signer> {
  const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true });
  return { algorithm, keyId, key: privateKey, publicKey, publicJwk: await exportJWK(publicKey) };
}

/** Two tenants with a key per algorithm each, and an attacker whom nobody registered but who chose acme's key id. */
export const acme = { EdDSA: await signer("EdDSA", "acme-ed"), ES256: await signer("ES256", "acme-es") };
export const globex = { EdDSA: await signer("EdDSA", "globex-ed"), ES256: await signer("ES256", "globex-es") };
export const attacker = { EdDSA: await signer("EdDSA", "acme-ed"), ES256: await signer("ES256", "acme-es") };

const registered: Record<string, Record<Algorithm, Signer>> = { acme, globex };

export const findKey: FindKey = async (tenant, keyId) => {
  const keys = Object.hasOwn(registered, tenant) ? registered[tenant] : undefined;
  const found = keys && ALGORITHMS.map((algorithm) => keys[algorithm]).find((key) => key.keyId === keyId);
  return found ? { algorithm: found.algorithm, key: found.publicKey } : null;
};

export const verify = (token: string, nowMs: number = NOW_MS): ReturnType<typeof verifyToken> =>
  verifyToken(token, { findKey, audience: AUDIENCE, nowMs });

export const mint = (by: Signer, more: Partial<MintRequest> = {}): Promise<string> =>
  mintToken({
    tenant: "acme",
    device: "d-17",
    services: ["echo", "telemetry"],
    className: "gold",
    urgencyFirst: 1,
    audience: AUDIENCE,
    nowMs: NOW_MS,
    lifetimeMs: 60_000,
    signer: by,
    ...more,
  });

export const CLAIMS = {
  iss: "acme",
  aud: AUDIENCE,
  sub: "d-17",
  svc: ["echo"],
  cls: "gold",
  urg: 1,
  exp: NOW_S + 60,
  iat: NOW_S,
} as const satisfies Record<string, unknown>;

export const base64Url = (data: string | Uint8Array): string => Buffer.from(data).toString("base64url");

/** The bytes that a JWS signs. Undefined members vanish, as in JSON. */
export const signingInput = (header: unknown, payload: unknown): string =>
  `${base64Url(JSON.stringify(header))}.${base64Url(JSON.stringify(payload))}`;

export async function signatureOf(by: Signer, input: string): Promise<Buffer> {
  const how = by.algorithm === "EdDSA" ? "Ed25519" : { name: "ECDSA", hash: "SHA-256" };
  return Buffer.from(await crypto.subtle.sign(how, by.key, Buffer.from(input)));
}

/** Signed by hand and not by jose: jose refuses to write most of what an attacker would. */
export async function forge(by: Signer, { header = {}, claims = {} }: { header?: object; claims?: object } = {}): Promise<string> {
  const input = signingInput({ alg: by.algorithm, kid: by.keyId, ...header }, { ...CLAIMS, ...claims });
  return `${input}.${base64Url(await signatureOf(by, input))}`;
}

export const refusal = (reason: string): object => ({ ok: false, outcome: "unauthorized", detail: `The token ${reason}.` });

/** As a value, with exactly that reason, and nothing in it that its reader does not know: it is shown to strangers. */
export async function expectRefused(token: string | Promise<string>, reason: string): Promise<void> {
  const text = await token;
  const verified = await verify(text);
  expect(verified).toEqual(refusal(reason));
  const { detail } = verified as { detail: string };
  // It goes into a quoted string of WWW-Authenticate.
  expect(detail).toMatch(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/);
  const parts = text.split(".").filter((part) => part.length > 8);
  for (const secret of [...parts, ...NEVER_SAID]) expect(detail).not.toContain(secret);
}

const NEVER_SAID = ["acme", "globex", CLAIMS.sub, ...ALGORITHMS.map((algorithm) => String(acme[algorithm].publicJwk.x))];
