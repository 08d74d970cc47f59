// RFC 8725's attacks and those of JWS libraries past. Every one must end as the same kind of value: a refusal, not an exception.
import { createHmac } from "node:crypto";
import * as fc from "fast-check";
import { exportSPKI } from "jose";
import { describe, expect, it } from "vitest";
import { ALGORITHMS, verifyToken } from "#shared/identifier/token.ts";
import {
  acme,
  attacker,
  AUDIENCE,
  base64Url,
  CLAIMS,
  expectRefused,
  findKey,
  forge,
  globex,
  NOW_MS,
  signingInput,
  verify,
} from "./token-fixture.ts";

const NOT_COMPACT = "is not a JWS in compact form with iss and kid";
const NOT_KNOWN = "names an issuer and key that are not known together";
const WRONG_ALGORITHM = "is signed with another algorithm than its key is for";
const WRONG_SIGNATURE = "has a signature that does not verify";
const NOT_VALID = "is not a valid JWS";

const VALID = await forge(acme.EdDSA);
const SPKI = await exportSPKI(acme.EdDSA.publicKey);

it("takes the token from which the wrong ones are made", async () => {
  expect(await verify(VALID)).toMatchObject({ ok: true });
});

describe("refuses what is no JWS in compact form", () => {
  const [header = "", payload = "", signature = ""] = VALID.split(".");
  it.for([
    { name: "nothing", token: "" },
    { name: "one part", token: header },
    { name: "two parts", token: `${header}.${payload}` },
    { name: "four parts", token: `${VALID}.${signature}` },
    { name: "the five parts of a JWE", token: `${header}.${payload}.${signature}.a.b` },
    { name: "only dots", token: ".." },
    { name: "no header", token: `.${payload}.${signature}` },
    { name: "no payload", token: `${header}..${signature}` },
    { name: "a header that is not base64url", token: `+/+/.${payload}.${signature}` },
    { name: "a payload that is not base64url", token: `${header}.????.${signature}` },
    { name: "a header that is not JSON", token: `${base64Url("{garbage")}.${payload}.${signature}` },
    { name: "a header that is a list", token: `${base64Url('["EdDSA"]')}.${payload}.${signature}` },
    { name: "a header that is null", token: `${base64Url("null")}.${payload}.${signature}` },
    { name: "a header that is not UTF-8", token: `${base64Url(Buffer.from([0x7b, 0xff, 0x7d]))}.${payload}.${signature}` },
    { name: "a payload that is not JSON", token: `${header}.${base64Url("Test")}.${signature}` },
    { name: "a payload that is a list", token: `${header}.${base64Url("[]")}.${signature}` },
    { name: "JSON serialization", token: JSON.stringify({ payload, protected: header, signature }) },
    { name: "no kid", token: `${signingInput({ alg: "EdDSA" }, CLAIMS)}.${signature}` },
    { name: "a kid that is a number", token: `${signingInput({ alg: "EdDSA", kid: 1 }, CLAIMS)}.${signature}` },
    { name: "a kid that is a list", token: `${signingInput({ alg: "EdDSA", kid: ["acme-ed"] }, CLAIMS)}.${signature}` },
    { name: "no iss", token: `${signingInput({ alg: "EdDSA", kid: "acme-ed" }, { ...CLAIMS, iss: undefined })}.${signature}` },
    {
      name: "an iss that is a list",
      token: `${signingInput({ alg: "EdDSA", kid: "acme-ed" }, { ...CLAIMS, iss: ["acme"] })}.${signature}`,
    },
    // RFC 7515 §5.2: "no line breaks, whitespace, or other additional characters"; §2: "with all trailing '=' characters omitted".
    { name: "a line break at the end", token: `${VALID}\n` },
    { name: "white space inside the signature", token: `${VALID.slice(0, -4)} ${VALID.slice(-4)}` },
    { name: "padding", token: `${VALID}==` },
  ])("$name", ({ token }) => expectRefused(token, NOT_COMPACT));
});

describe("refuses a key that is not the issuer's", () => {
  it.for([
    { name: "an unknown tenant", token: forge(attacker.EdDSA, { claims: { iss: "umbrella" } }) },
    { name: "an unknown key of a known tenant", token: forge(attacker.EdDSA, { header: { kid: "other" } }) },
    { name: "another tenant's key under its own id", token: forge(globex.EdDSA) },
    { name: "a tenant's key for another tenant", token: forge(acme.EdDSA, { claims: { iss: "globex" } }) },
    { name: "a kid that is a path", token: forge(acme.EdDSA, { header: { kid: "../../acme-ed" } }) },
    { name: "a kid that is a query", token: forge(acme.EdDSA, { header: { kid: "' OR '1'='1" } }) },
    { name: "a kid with a null byte", token: forge(acme.EdDSA, { header: { kid: "acme-ed\0" } }) },
    { name: "an empty kid", token: forge(acme.EdDSA, { header: { kid: "" } }) },
    { name: "names of the prototype", token: forge(acme.EdDSA, { header: { kid: "constructor" }, claims: { iss: "__proto__" } }) },
  ])("$name, and says no more than that", ({ token }) => expectRefused(token, NOT_KNOWN));

  it("looks a key up by the token's own issuer and id, verbatim and once", async () => {
    const asked: string[][] = [];
    const token = await forge(acme.EdDSA, { header: { kid: "../%2e%2e/acme-ed" }, claims: { iss: "Acme " } });
    await verifyToken(token, { findKey: async (...names) => (asked.push(names), null), audience: AUDIENCE, nowMs: NOW_MS });
    expect(asked).toEqual([["Acme ", "../%2e%2e/acme-ed"]]);
  });

  it("asks for no key for a token that it cannot read or that is too long", async () => {
    const never = (): never => expect.unreachable();
    for (const token of ["", "a.b.c", "x".repeat(1_000_000)]) {
      expect(await verifyToken(token, { findKey: never, audience: AUDIENCE, nowMs: NOW_MS })).toMatchObject({
        ok: false,
        outcome: "unauthorized",
      });
    }
  });
});

describe("refuses an algorithm that is not the key's", () => {
  const unsigned = (alg: unknown): string => signingInput({ alg, kid: "acme-ed" }, CLAIMS);
  const hmac = (secret: string | Buffer): string =>
    `${unsigned("HS256")}.${createHmac("sha256", secret).update(unsigned("HS256")).digest("base64url")}`;
  it.for([
    { name: "none, without a signature", token: `${unsigned("none")}.`, says: WRONG_ALGORITHM },
    { name: "none, with a signature", token: `${unsigned("none")}.${VALID.split(".")[2]}`, says: WRONG_ALGORITHM },
    { name: "nOnE", token: `${unsigned("nOnE")}.`, says: WRONG_ALGORITHM },
    { name: "HS256 keyed with the public key's PEM", token: hmac(SPKI), says: WRONG_ALGORITHM },
    {
      name: "HS256 keyed with the public key's bytes",
      token: hmac(Buffer.from(acme.EdDSA.publicJwk.x ?? "", "base64url")),
      says: WRONG_ALGORITHM,
    },
    { name: "HS256 keyed with the JWK", token: hmac(JSON.stringify(acme.EdDSA.publicJwk)), says: WRONG_ALGORITHM },
    {
      name: "the tenant's other algorithm under this key's id",
      token: forge(acme.ES256, { header: { kid: "acme-ed" } }),
      says: WRONG_ALGORITHM,
    },
    { name: "ES256 claimed for an EdDSA signature", token: forge(acme.EdDSA, { header: { alg: "ES256" } }), says: WRONG_ALGORITHM },
    { name: "the same curve under another name", token: forge(acme.EdDSA, { header: { alg: "Ed25519" } }), says: WRONG_ALGORITHM },
    { name: "RS256", token: forge(acme.EdDSA, { header: { alg: "RS256" } }), says: WRONG_ALGORITHM },
    { name: "no alg", token: forge(acme.EdDSA, { header: { alg: undefined } }), says: NOT_VALID },
    { name: "an alg that is a list", token: forge(acme.EdDSA, { header: { alg: ["EdDSA"] } }), says: NOT_VALID },
  ])("$name", ({ token, says }) => expectRefused(token, says));
});

describe("lets a token's header say nothing about how it is verified", () => {
  const jwk = { ...attacker.EdDSA.publicJwk, alg: "EdDSA", kid: "acme-ed", use: "sig" };
  it.for([
    { name: "an embedded key", header: { jwk } },
    { name: "the address of a key set", header: { jku: "https://evil.example/jwks.json" } },
    { name: "an embedded certificate", header: { x5c: ["MIIB"], x5t: "AA" } },
    { name: "the address of a certificate", header: { x5u: "https://evil.example/cert.pem" } },
  ])("$name is not used", ({ header }) => expectRefused(forge(attacker.EdDSA, { header }), WRONG_SIGNATURE));

  it("takes an attacker's key in the header for what it is where the tenant's own signature holds: nothing", async () => {
    expect(await verify(await forge(acme.EdDSA, { header: { jwk, jku: "https://evil.example" } }))).toMatchObject({ ok: true });
  });

  it.for([
    { name: "an unknown critical extension", header: { crit: ["exp"], exp: 1 } },
    { name: "a critical extension that is absent", header: { crit: ["http://example.com/x"] } },
    { name: "an empty crit", header: { crit: [] } },
    { name: "a crit that is text", header: { crit: "b64" } },
    { name: "an unencoded payload (RFC 7797)", header: { b64: false, crit: ["b64"] } },
  ])("refuses $name, though the tenant itself signed it", async ({ header }) => {
    await expectRefused(forge(acme.EdDSA, { header }), NOT_VALID);
  });
});

it("answers any text and any header and payload with a refusal, never an exception", async () => {
  const part = fc.oneof(fc.string({ unit: "binary" }), fc.json().map(base64Url), fc.base64String());
  const token = fc.oneof(
    fc.string({ unit: "binary", maxLength: 200 }),
    fc.tuple(part, part, part).map((parts) => parts.join(".")),
    fc
      .tuple(anyHeader(), anyPayload(), fc.uint8Array({ maxLength: 80 }))
      .map(([h, p, signature]) => `${signingInput(h, p)}.${base64Url(signature)}`),
  );
  await fc.assert(
    fc.asyncProperty(token, async (text) => {
      expect(await verifyToken(text, { findKey, audience: AUDIENCE, nowMs: NOW_MS })).toMatchObject({ ok: false, outcome: "unauthorized" });
    }),
    { numRuns: 1_000 },
  );
});

it("answers whatever a tenant itself signs with a value, never an exception", async () => {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...ALGORITHMS), anyHeader(), anyPayload(), async (algorithm, more, claims) => {
      const token = await forge(acme[algorithm], {
        header: { ...more, alg: algorithm, kid: acme[algorithm].keyId },
        claims: { ...claims, iss: "acme" },
      });
      const verified = await verify(token);
      if (verified.ok) expect(verified.entitlement.tenant).toBe("acme");
      else expect(verified.outcome).toBe("unauthorized");
    }),
    { numRuns: 500 },
  );
});

function anyHeader(): fc.Arbitrary<object> {
  const any = fc.jsonValue();
  return fc.record(
    {
      alg: fc.oneof(fc.constantFrom("EdDSA", "ES256", "none"), any),
      kid: fc.oneof(fc.constantFrom("acme-ed", "acme-es"), any),
      crit: any,
      b64: any,
      jwk: any,
    },
    { requiredKeys: [] },
  );
}

function anyPayload(): fc.Arbitrary<object> {
  const any = fc.jsonValue();
  const claim = fc.constantFrom(...Object.keys(CLAIMS), "role", "nbf", "__proto__", "constructor");
  return fc.dictionary(claim, any).map((claims) => ({ iss: "acme", ...claims }));
}
