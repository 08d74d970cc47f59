import { describe, expect, it } from "vitest";
import { VerifiedTokens } from "#gateway/identity/verified-tokens.ts";
import type { Entitlement } from "#shared/identifier/entitlement.ts";
import { LIMITS } from "#shared/limits.ts";

function entitlementOf(expiresAtMs = 1_000_000): Entitlement {
  return { tenant: "acme", device: "d", services: ["echo"], classHighest: "gold", urgencyFirst: 0, role: "device", expiresAtMs };
}

describe("verified tokens", () => {
  it("are remembered until they expire, and the skew that verifying allows", () => {
    const tokens = new VerifiedTokens();
    tokens.remember("t", entitlementOf(1_000), 1);
    expect(tokens.find("t", 1, 999 + LIMITS.clockSkewMsMax)).toBeDefined();
    expect(tokens.find("t", 1, 1_000 + LIMITS.clockSkewMsMax)).toBeUndefined();
    expect(tokens.size).toBe(0);
  });

  it("are forgotten with the version of the keys that verified them", () => {
    const tokens = new VerifiedTokens();
    tokens.remember("t", entitlementOf(), 1);
    expect(tokens.find("t", 2, 0)).toBeUndefined();
    expect(tokens.size).toBe(0);
  });

  it("are bounded in number, the oldest going first", () => {
    const tokens = new VerifiedTokens();
    for (let token = 0; token <= LIMITS.verifiedTokenCountMax; token += 1) tokens.remember(`t-${token}`, entitlementOf(), 1);
    expect(tokens.size).toBe(LIMITS.verifiedTokenCountMax);
    expect(tokens.find("t-0", 1, 0)).toBeUndefined();
    expect(tokens.find("t-1", 1, 0)).toBeDefined();
  });

  it("are bounded in bytes: long ones push more than one out", () => {
    const tokens = new VerifiedTokens();
    const long = (index: number): string => `${index}`.padEnd(LIMITS.tokenBytesMax, "x");
    const fitting = LIMITS.verifiedTokenBytesMax / LIMITS.tokenBytesMax;
    for (let index = 0; index < fitting + 10; index += 1) tokens.remember(long(index), entitlementOf(), 1);
    expect(tokens.size).toBe(fitting);
    expect(tokens.find(long(9), 1, 0)).toBeUndefined();
    expect(tokens.find(long(10), 1, 0)).toBeDefined();
  });
});
