import { describe, expect, it } from "vitest";
import type { ConfigurationDocument } from "#shared/config/read-documents.ts";
import { expectFault, faultsOf, tenantFile, whole, type FaultRow } from "./documents.ts";

const OKP = { kty: "OKP", crv: "Ed25519", alg: "EdDSA", kid: "k-1", x: "A".repeat(43) };
const EC = { kty: "EC", crv: "P-256", alg: "ES256", kid: "k-2", x: "A".repeat(43), y: "A".repeat(43) };
const withKey = (key: unknown): ConfigurationDocument => tenantFile({ keys: { jwks: [key] } });

describe("a tenant's key is public, whole, and pinned to one algorithm", () => {
  it.for([OKP, EC, { ...OKP, use: "sig" }, { ...EC, kid: "k".repeat(128) }])("%j is accepted", (key) => {
    expect(faultsOf(whole(withKey(key)))).toEqual([]);
  });

  it.for<FaultRow>([
    {
      name: "RSA",
      of: withKey({ kty: "RSA", kid: "k", n: "AQAB", e: "AQAB" }),
      path: ["keys", "jwks", 0, "kty"],
      says: /^is "RSA", expected .*OKP.*EC/,
    },
    {
      name: "a secret",
      of: withKey({ kty: "oct", kid: "k", alg: "HS256" }),
      path: ["keys", "jwks", 0, "kty"],
      says: /^is "oct", expected .*OKP.*EC/,
    },
    { name: "no kty", of: withKey({ kid: "k" }), path: ["keys", "jwks", 0, "kty"], says: /^is missing, expected .*OKP.*EC/ },
    { name: "no alg", of: withKey({ ...OKP, alg: undefined }), path: ["keys", "jwks", 0, "alg"], says: "is missing, expected EdDSA" },
    {
      name: "another curve's algorithm",
      of: withKey({ ...OKP, alg: "ES256" }),
      path: ["keys", "jwks", 0, "alg"],
      says: 'is "ES256", expected EdDSA',
    },
    { name: "none", of: withKey({ ...EC, alg: "none" }), path: ["keys", "jwks", 0, "alg"], says: 'is "none", expected ES256' },
    { name: "another curve", of: withKey({ ...EC, crv: "P-384" }), path: ["keys", "jwks", 0, "crv"], says: 'is "P-384", expected P-256' },
    { name: "a key for encryption", of: withKey({ ...OKP, use: "enc" }), path: ["keys", "jwks", 0, "use"], says: 'is "enc", expected sig' },
    { name: "no kid", of: withKey({ ...OKP, kid: undefined }), path: ["keys", "jwks", 0, "kid"], says: "is missing, expected a string" },
    {
      name: "an empty kid",
      of: withKey({ ...OKP, kid: "" }),
      path: ["keys", "jwks", 0, "kid"],
      says: /^is "", expected at least 1 character/,
    },
    {
      name: "a kid of 129 characters",
      of: withKey({ ...OKP, kid: "k".repeat(129) }),
      path: ["keys", "jwks", 0, "kid"],
      says: /, expected at most 128 characters$/,
    },
    { name: "half a point", of: withKey({ ...EC, y: undefined }), path: ["keys", "jwks", 0, "y"], says: "is missing, expected a string" },
    {
      name: "base64 that is not base64url",
      of: withKey({ ...OKP, x: `${"A".repeat(42)}=` }),
      path: ["keys", "jwks", 0, "x"],
      says: /, expected .*base64url/,
    },
    // It would be applied, and then every token under that kid would end in an exception.
    {
      name: "a coordinate that is not 32 bytes",
      of: withKey({ ...OKP, x: "AAAA" }),
      path: ["keys", "jwks", 0, "x"],
      says: /^is "AAAA", expected /,
    },
  ])("refuses $name", expectFault);
});

it("repeats no private key, wherever in keys it was pasted", () => {
  const secret = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
  const key = { ...OKP, d: secret };
  for (const keys of [
    { jwks: [key] },
    { jwks: { keys: [{ kty: "OKP", d: secret }] } },
    { jwks: key },
    key,
    [key],
    { state: secret },
    secret,
  ]) {
    const faults = faultsOf(whole(tenantFile({ keys })));
    expect(faults.length).toBeGreaterThan(0);
    expect(JSON.stringify(faults)).not.toContain(secret.slice(0, 10));
  }
});
