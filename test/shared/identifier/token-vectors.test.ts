// Published JWS vectors. They carry no claims of ours, so a valid one passes the signature and stops after it, and an invalid
// one must stop before: jose is called with the key and the pinned algorithm, as verifyToken calls it.
import { readFileSync } from "node:fs";
import { compactVerify, errors, importJWK, type CryptoKey, type JWK } from "jose";
import { describe, expect, it } from "vitest";
import { verifyToken, type Algorithm } from "#shared/identifier/token.ts";
import { AUDIENCE, NOW_MS } from "./token-fixture.ts";

interface Vectors {
  readonly algorithm: Algorithm;
  readonly publicKey: JWK;
  readonly tests: readonly { readonly tcId: number; readonly comment: string; readonly jws: string; readonly result: string }[];
}

describe.for(["jws-es256.json", "jws-eddsa.json"])("%s", (file) => {
  const text = readFileSync(new URL(`../../vectors/${file}`, import.meta.url), "utf8");
  const { algorithm, publicKey, tests } = JSON.parse(text) as Vectors;
  const importKey = async (): Promise<CryptoKey> => (await importJWK(publicKey, algorithm)) as CryptoKey;
  const valid = tests.filter(({ result }) => result === "valid");
  const invalid = tests.filter(({ result }) => result !== "valid");

  it.for(valid)("$tcId $comment: verifies", async ({ jws }) => {
    const { payload } = await compactVerify(jws, await importKey(), { algorithms: [algorithm] });
    expect(payload.length).toBeGreaterThan(0);
  });

  it.for(invalid)("$tcId $comment: does not verify", async ({ jws }) => {
    await expect(compactVerify(jws, await importKey(), { algorithms: [algorithm] })).rejects.toBeInstanceOf(errors.JOSEError);
  });

  it.for(tests)("$tcId $comment: is no token, valid or not", async ({ jws }) => {
    const findKey = async (): Promise<{ algorithm: Algorithm; key: CryptoKey }> => ({ algorithm, key: await importKey() });
    expect(await verifyToken(jws, { findKey, audience: AUDIENCE, nowMs: NOW_MS })).toMatchObject({ ok: false, outcome: "unauthorized" });
  });
});
