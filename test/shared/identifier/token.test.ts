import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ALGORITHMS } from "#shared/identifier/token.ts";
import { LIMITS } from "#shared/limits.ts";
import { acme, AUDIENCE, forge, globex, mint, NOW_MS, NOW_S, refusal, verify } from "./token-fixture.ts";

const SKEW_S = LIMITS.clockSkewMsMax / 1_000;

describe("a minted token", () => {
  it.for(ALGORITHMS)("signed with %s verifies and gives exactly its entitlement", async (algorithm) => {
    expect(await verify(await mint(acme[algorithm]))).toEqual({
      ok: true,
      entitlement: {
        tenant: "acme",
        device: "d-17",
        services: ["echo", "telemetry"],
        classHighest: "gold",
        urgencyFirst: 1,
        role: "device",
        expiresAtMs: NOW_MS + 60_000,
      },
    });
  });

  it("carries the role of a service's credential", async () => {
    expect(await verify(await mint(acme.EdDSA, { role: "service" }))).toMatchObject({ ok: true, entitlement: { role: "service" } });
  });

  it("belongs to the tenant whose key signed it", async () => {
    expect(await verify(await mint(globex.ES256, { tenant: "globex" }))).toMatchObject({ ok: true, entitlement: { tenant: "globex" } });
  });

  it("gives back what was minted, whatever that is within the protocol", async () => {
    const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,62}$/);
    const request = fc.record({
      device: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}$/),
      services: fc.array(name, { maxLength: 8 }),
      className: name,
      urgencyFirst: fc.integer({ min: 0, max: 7 }),
      role: fc.constantFrom("device" as const, "service" as const),
      lifetimeMs: fc.integer({ min: 1, max: 86_400 }).map((seconds) => seconds * 1_000),
    });
    await fc.assert(
      fc.asyncProperty(request, fc.constantFrom(...ALGORITHMS), async ({ lifetimeMs, ...asked }, algorithm) => {
        const { className, ...same } = asked;
        expect(await verify(await mint(acme[algorithm], { ...asked, lifetimeMs }))).toEqual({
          ok: true,
          entitlement: { tenant: "acme", ...same, classHighest: className, expiresAtMs: NOW_MS + lifetimeMs },
        });
      }),
    );
  });

  it("of exactly the longest length verifies, one byte more does not", async () => {
    const padded = async (bytes: number): Promise<string> => {
      const bare = await forge(acme.EdDSA, { claims: { pad: "" }, header: { typ: "" } });
      const start = Math.floor(((bytes - bare.length) * 3) / 4) - 8;
      // Base64 writes three bytes as two to four characters: some lengths need another header.
      for (let step = 0; step < 64; step++) {
        const token = await forge(acme.EdDSA, { claims: { pad: "x".repeat(start + (step >> 2)) }, header: { typ: "x".repeat(step & 3) } });
        if (token.length === bytes) return token;
      }
      return expect.unreachable();
    };
    expect(await verify(await padded(LIMITS.tokenBytesMax))).toMatchObject({ ok: true });
    expect(await verify(await padded(LIMITS.tokenBytesMax + 1))).toEqual(refusal(`is longer than ${LIMITS.tokenBytesMax} bytes`));
  });
});

describe("a token's times, against a clock that may be off by the skew", () => {
  it.for([
    { name: "before its expiry", nowMs: NOW_MS - 1, claims: { exp: NOW_S }, ok: true },
    { name: "expired within the skew", nowMs: NOW_MS + LIMITS.clockSkewMsMax - 1, claims: { exp: NOW_S }, ok: true },
    { name: "expired by the skew", nowMs: NOW_MS + LIMITS.clockSkewMsMax, claims: { exp: NOW_S }, ok: false, says: "has expired" },
    { name: "expired long ago", nowMs: NOW_MS, claims: { exp: 0 }, ok: false, says: "has expired" },
    { name: "expired before 1970", nowMs: NOW_MS, claims: { exp: -1 }, ok: false, says: "has expired" },
    { name: "valid from now on", nowMs: NOW_MS, claims: { nbf: NOW_S }, ok: true },
    { name: "valid from within the skew", nowMs: NOW_MS, claims: { nbf: NOW_S + SKEW_S }, ok: true },
    { name: "valid from beyond the skew", nowMs: NOW_MS, claims: { nbf: NOW_S + SKEW_S + 1 }, ok: false, says: "is not valid yet" },
    { name: "issued within the skew ahead", nowMs: NOW_MS, claims: { iat: NOW_S + SKEW_S }, ok: true },
    {
      name: "issued beyond the skew ahead",
      nowMs: NOW_MS,
      claims: { iat: NOW_S + SKEW_S + 1 },
      ok: false,
      says: "was issued in the future",
    },
    { name: "issued long ago", nowMs: NOW_MS, claims: { iat: 0 }, ok: true },
    { name: "without iat", nowMs: NOW_MS, claims: { iat: undefined }, ok: true },
    { name: "with fractions of seconds", nowMs: NOW_MS, claims: { exp: NOW_S + 0.5, nbf: NOW_S - 0.5, iat: NOW_S - 0.5 }, ok: true },
  ])("$name: ok is $ok", async ({ nowMs, claims, ok, says }) => {
    const verified = await verify(await forge(acme.EdDSA, { claims: { exp: NOW_S + 600, ...claims } }), nowMs);
    if (ok) expect(verified).toMatchObject({ ok });
    else expect(verified).toEqual(refusal(says ?? ""));
  });
});

describe("a token's claims", () => {
  const malformed = (claim: string): string => `has a claim ${claim} that is missing or malformed`;
  const wrong = (claim: string): string => `has a claim ${claim} that does not hold here`;
  const missing = (claim: string): string => `has a claim ${claim} that is missing`;

  it.for([
    { name: "another audience", claims: { aud: "other" }, says: wrong("aud") },
    { name: "an audience of another case", claims: { aud: "Tidegate" }, says: wrong("aud") },
    { name: "an audience that only starts with ours", claims: { aud: "tidegate.evil" }, says: wrong("aud") },
    { name: "audiences without ours", claims: { aud: ["a", "b"] }, says: wrong("aud") },
    { name: "no audience in the list", claims: { aud: [] }, says: wrong("aud") },
    { name: "an audience that is an object", claims: { aud: { tidegate: true } }, says: wrong("aud") },
    { name: "no aud", claims: { aud: undefined }, says: missing("aud") },
    { name: "no exp", claims: { exp: undefined }, says: missing("exp") },
    { name: "no sub", claims: { sub: undefined }, says: missing("sub") },
    { name: "exp as text", claims: { exp: String(NOW_S + 60) }, says: wrong("exp") },
    { name: "exp null", claims: { exp: null }, says: wrong("exp") },
    { name: "nbf as text", claims: { nbf: "0" }, says: wrong("nbf") },
    { name: "iat as text", claims: { iat: "0" }, says: wrong("iat") },
    { name: "no svc", claims: { svc: undefined }, says: malformed("svc") },
    { name: "svc as text", claims: { svc: "echo" }, says: malformed("svc") },
    { name: "svc with a number", claims: { svc: ["echo", 1] }, says: malformed("svc") },
    { name: "svc with a wildcard", claims: { svc: ["*"] }, says: malformed("svc") },
    { name: "svc of a path", claims: { svc: ["../echo"] }, says: malformed("svc") },
    { name: "too many services", claims: { svc: names(LIMITS.tokenServiceCountMax + 1) }, says: malformed("svc") },
    { name: "no cls", claims: { cls: undefined }, says: malformed("cls") },
    { name: "cls as a list", claims: { cls: ["gold"] }, says: malformed("cls") },
    { name: "cls in capitals", claims: { cls: "Gold" }, says: malformed("cls") },
    { name: "urg below the range", claims: { urg: -1 }, says: malformed("urg") },
    { name: "urg above the range", claims: { urg: 8 }, says: malformed("urg") },
    { name: "urg as a fraction", claims: { urg: 1.5 }, says: malformed("urg") },
    { name: "urg as text", claims: { urg: "1" }, says: malformed("urg") },
    { name: "urg null", claims: { urg: null }, says: malformed("urg") },
    { name: "sub empty", claims: { sub: "" }, says: malformed("sub") },
    { name: "sub with a space", claims: { sub: "d 17" }, says: malformed("sub") },
    { name: "sub with a line break", claims: { sub: "d-17\r\nSet-Cookie: a=b" }, says: malformed("sub") },
    { name: "sub with a trailing line break", claims: { sub: "d-17\n" }, says: malformed("sub") },
    { name: "sub with a quote", claims: { sub: 'd"17' }, says: malformed("sub") },
    { name: "sub beyond ASCII", claims: { sub: "d-١٧" }, says: malformed("sub") },
    { name: "sub of 129 characters", claims: { sub: "d".repeat(129) }, says: malformed("sub") },
    { name: "sub as a number", claims: { sub: 17 }, says: malformed("sub") },
    { name: "an unknown role", claims: { role: "operator" }, says: malformed("role") },
    { name: "a role as a list", claims: { role: ["service"] }, says: malformed("role") },
  ])("are refused by name: $name", async ({ claims, says }) => {
    expect(await verify(await forge(acme.ES256, { claims }))).toEqual(refusal(says));
  });

  it.for([
    { name: "ours among several audiences", claims: { aud: ["other", AUDIENCE] } },
    { name: "as many services as allowed", claims: { svc: names(LIMITS.tokenServiceCountMax) } },
    { name: "no service at all", claims: { svc: [] } },
    { name: "the longest device name", claims: { sub: "d".repeat(128) } },
    { name: "claims that nobody knows", claims: { "https://example.com/x": 1, __proto__: 1, jti: "1" } },
  ])("are accepted: $name", async ({ claims }) => {
    expect(await verify(await forge(acme.ES256, { claims }))).toMatchObject({ ok: true });
  });
});

function names(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `s-${index}`);
}
