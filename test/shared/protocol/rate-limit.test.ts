import * as fc from "fast-check";
import { parseList } from "structured-headers";
import { describe, expect, it } from "vitest";
import { policiesOf } from "#shared/config/quota-policies.ts";
import type { QuotaConfig } from "#shared/config/schema.ts";
import { QUOTA_KINDS, type QuotaState } from "#shared/protocol/quota-state.ts";
import { DRAFT_10, RATE_LIMIT, rateLimitFields } from "#shared/protocol/rate-limit.ts";
import { retryAfterSeconds } from "#shared/protocol/retry-after.ts";

const FLOW = { tenant: "tenant-42", service: "echo", className: "gold" };
/** tenant-42/echo */
const PK = ":dGVuYW50LTQyL2VjaG8=:";

const quota = (more: Partial<QuotaConfig>): QuotaConfig => ({ mode: "enforce", weight: 1, ...more });

describe("RateLimit-Policy", () => {
  it.for([
    { name: "a rate with its burst", of: { ratePerSecond: 500, burst: 1_000 }, want: `"gold-rate";q=1000;w=2;pk=${PK}` },
    { name: "a rate alone, which has a second's burst", of: { ratePerSecond: 500 }, want: `"gold-rate";q=500;w=1;pk=${PK}` },
    { name: "a burst below a second's worth", of: { ratePerSecond: 500, burst: 20 }, want: `"gold-rate";q=500;w=1;pk=${PK}` },
    { name: "a burst of a broken number of seconds", of: { ratePerSecond: 500, burst: 1_200 }, want: `"gold-rate";q=1500;w=3;pk=${PK}` },
    { name: "slots", of: { slots: 25 }, want: `"gold-slots";q=25;qu="concurrent-requests";pk=${PK}` },
    {
      name: "bandwidth",
      of: { bandwidthBytesPerSecond: 10_000_000 },
      want: `"gold-bandwidth";q=10000000;qu="content-bytes";w=1;pk=${PK}`,
    },
    {
      name: "a small bandwidth with the burst that it has",
      of: { bandwidthBytesPerSecond: 3_000 },
      want: `"gold-bandwidth";q=33000;qu="content-bytes";w=11;pk=${PK}`,
    },
    {
      name: "two, as one list",
      of: { ratePerSecond: 10, burst: 100, slots: 25 },
      want: `"gold-rate";q=100;w=10;pk=${PK}, "gold-slots";q=25;qu="concurrent-requests";pk=${PK}`,
    },
    { name: "nothing that is limited", of: {}, want: null },
    { name: "nothing that only casts a shadow", of: { slots: 25, mode: "shadow" as const }, want: null },
    { name: "nothing that has no quota unit", of: { queueLengthMax: 10, waitMsMax: 100 }, want: null },
  ])("says $name", ({ of, want }) => {
    expect(RATE_LIMIT.policies(policiesOf(quota(of)), FLOW)).toBe(want);
  });

  it("never promises a higher rate than is configured, whatever rate and burst", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000_000 }), fc.integer({ min: 0, max: 10_000_000 }), (ratePerSecond, burst) => {
        const [policy] = policiesOf(quota({ ratePerSecond, burst }));
        const { quota: q = 0, windowMs = 0 } = policy ?? {};
        expect(q / windowMs).toBe(ratePerSecond / 1_000);
        expect(q).toBeGreaterThanOrEqual(Math.min(burst, q));
        expect(q).toBeGreaterThanOrEqual(burst);
      }),
    );
  });
});

describe("RateLimit", () => {
  it.for([
    {
      name: "what is left, and when there is more",
      of: [{ kind: "rate", quota: 1_000, remaining: 37, resetAfterMs: 5_001 }] as const,
      want: `"gold-rate";r=37;t=6;pk=${PK}`,
    },
    {
      name: "nothing of a time that is not known",
      of: [{ kind: "slots", quota: 25, remaining: 3 }] as const,
      want: `"gold-slots";r=3;pk=${PK}`,
    },
    { name: "nothing below nothing", of: [{ kind: "slots", quota: 25, remaining: -2 }] as const, want: `"gold-slots";r=0;pk=${PK}` },
    { name: "nothing of what has no unit", of: [{ kind: "capacity", quota: 0, remaining: 0 }] as const, want: null },
  ])("says $name", ({ of, want }) => {
    expect(RATE_LIMIT.states(of, FLOW)).toBe(want);
  });

  it("says in its t what Retry-After never comes before", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 86_400_000 }), fc.string(), (resetAfterMs, device) => {
        const field = RATE_LIMIT.states([{ kind: "rate", quota: 1, remaining: 0, resetAfterMs }], FLOW);
        expect(retryAfterSeconds(resetAfterMs, device)).toBeGreaterThanOrEqual(Number(/;t=(\d+)/.exec(field ?? "")?.[1]));
      }),
    );
  });
});

describe("both fields", () => {
  const anyState = fc.record(
    {
      kind: fc.constantFrom(...QUOTA_KINDS),
      quota: fc.integer({ min: 0, max: 10 ** 15 - 1 }),
      remaining: fc.integer({ min: -5, max: 10 ** 15 - 1 }),
      windowMs: fc.integer({ min: 0, max: 86_400_000 }),
      resetAfterMs: fc.integer({ min: 0, max: 86_400_000 }),
    },
    { requiredKeys: ["kind", "quota", "remaining"] },
  ) as fc.Arbitrary<QuotaState>;

  it("are structured fields: strings with integers, a token's unit as a string, bytes as the partition", () => {
    fc.assert(
      fc.property(fc.array(anyState, { minLength: 1, maxLength: 6 }), (states) => {
        for (const field of [RATE_LIMIT.policies(states, FLOW), RATE_LIMIT.states(states, FLOW)]) {
          if (field === null) continue;
          for (const [name, parameters] of parseList(field)) {
            expect(name).toMatch(/^(gold-(rate|slots|bandwidth)|total-(rate|slots|bandwidth))$/);
            for (const key of ["q", "w", "r", "t"]) expect(Number.isSafeInteger(parameters.get(key) ?? 0)).toBe(true);
            expect([undefined, "concurrent-requests", "content-bytes"]).toContain(parameters.get("qu"));
            const isTotal = (name as string).startsWith("total-");
            expect(Buffer.from(parameters.get("pk") as ArrayBuffer).toString()).toBe(isTotal ? "tenant-42" : "tenant-42/echo");
          }
        }
      }),
    );
  });

  it("are the same from a template, which served answers use", () => {
    fc.assert(
      fc.property(fc.array(anyState, { maxLength: 4 }), (states) => {
        const bare = states.map(({ kind, quota: of, remaining }) => ({ kind, quota: of, remaining }));
        const template = RATE_LIMIT.template(bare, FLOW);
        const left = bare.filter(({ kind }) => template?.kinds.includes(kind)).map(({ remaining }) => remaining);
        expect(template?.fill(left) ?? null).toBe(RATE_LIMIT.states(bare, FLOW));
      }),
    );
  });

  it("are of one version of the draft in one place: a rename is a table", () => {
    const renamed = rateLimitFields({ ...DRAFT_10, remaining: "available", reset: "effective-window" });
    expect(renamed.states([{ kind: "rate", quota: 9, remaining: 4, resetAfterMs: 1_000 }], FLOW)).toBe(
      `"gold-rate";available=4;effective-window=1;pk=${PK}`,
    );
  });
});
