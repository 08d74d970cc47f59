import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DECISION_PLACES, REFUSALS, type RefusalOutcome } from "#shared/errors/outcomes.ts";
import { nameOf, VIOLATED_MAX, type Account } from "#shared/explain/account.ts";
import { ACCOUNT_BYTES_MAX, decodeAccount, encodeAccount } from "#shared/explain/account-codec.ts";
import { QUOTA_KINDS } from "#shared/protocol/quota-state.ts";

const OUTCOMES = Object.keys(REFUSALS) as RefusalOutcome[];
const SMALL: Account = {
  requestId: "00112233445566778899-1z",
  atMs: 1_795_000_000_123,
  outcome: "rejected-quota",
  decidedBy: "lease",
  elapsedMs: 12,
  configurationVersion: 7,
  retryAfterMs: 400,
  identifier: { service: "telemetry", tenant: "acme", className: "gold", device: "d-17", urgency: 1 },
  queue: { position: 3, length: 12, waitMs: 250 },
  lease: { slots: 5, running: 5, tokens: 0, expiresInMs: 2_400 },
  violated: [
    { kind: "rate", quota: 1_000, windowMs: 2_000, remaining: 0, resetAfterMs: 400 },
    { kind: "slots", quota: 50, remaining: 0 },
  ],
};

const count = (max: number) => fc.integer({ min: 0, max });
const anyName = (max: number) => fc.stringMatching(/^[a-z][a-z0-9-]*$/, { maxLength: max });
const anyAccount: fc.Arbitrary<Account> = fc
  .record(
    {
      requestId: fc.tuple(fc.stringMatching(/^[\da-f]{20}$/), count(2 ** 48)).map(([holder, number]) => `${holder}-${number.toString(36)}`),
      atMs: count(2 ** 47),
      outcome: fc.constantFrom(...OUTCOMES),
      decidedBy: fc.constantFrom(...DECISION_PLACES),
      elapsedMs: count(86_400_000),
      configurationVersion: count(1_000_000),
      retryAfterMs: count(86_400_000),
      identifier: fc.record({ service: anyName(63), tenant: anyName(63), className: anyName(63), device: anyName(128), urgency: count(7) }),
      queue: fc.record({ position: count(1_000_000), length: count(1_000_000), waitMs: count(600_000) }),
      lease: fc.record({ slots: count(1_000_000), running: count(1_000_000), tokens: count(10_000_000), expiresInMs: count(10_000) }),
      violated: fc.array(
        fc.record(
          {
            kind: fc.constantFrom(...QUOTA_KINDS),
            quota: count(2 ** 48),
            remaining: count(2 ** 48),
            windowMs: count(86_400_000),
            resetAfterMs: count(86_400_000),
          },
          { requiredKeys: ["kind", "quota", "remaining"] },
        ),
        { maxLength: VIOLATED_MAX },
      ),
    },
    { requiredKeys: ["requestId", "atMs", "outcome", "decidedBy", "elapsedMs", "configurationVersion", "violated"] },
  )
  .map((account) => account as Account);

describe("an account", () => {
  it("comes back whole, names included, in the usual case", () => {
    expect(decodeAccount(encodeAccount(SMALL))).toEqual(SMALL);
    expect(encodeAccount(SMALL)).toHaveLength(74);
  });

  it("comes back whole but for the ends of long names, and never takes more than its bytes", () => {
    fc.assert(
      fc.property(anyAccount, (account) => {
        const bytes = encodeAccount(account);
        expect(bytes.length).toBeLessThanOrEqual(ACCOUNT_BYTES_MAX);
        const { identifier, ...rest } = decodeAccount(bytes);
        const { identifier: said, ...expected } = account;
        expect(rest).toEqual(expected);
        for (const key of ["service", "tenant", "className", "device"] as const) {
          const name = identifier?.[key];
          const whole = said?.[key];
          if (name === undefined || typeof whole !== "string") expect(name).toBe(whole);
          else expect(nameOf(name, ["other", whole])).toBe(whole);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it("keeps the longest names to what fits, and says where one was cut", () => {
    const long = { service: "s".repeat(63), tenant: "t".repeat(63), className: "gold", device: "d".repeat(128), urgency: 0 };
    const { identifier } = decodeAccount(encodeAccount({ ...SMALL, identifier: long }));
    expect(identifier).toMatchObject({ className: "gold", service: { prefix: expect.stringMatching(/^s{10,}$/) as string } });
    expect(nameOf(identifier?.device ?? "", [])).toMatch(/^d+…$/);
    expect(nameOf(identifier?.tenant ?? "", ["t".repeat(62), "t".repeat(63)])).toBe("t".repeat(63));
  });

  it("clamps what no gateway counts to, instead of growing", () => {
    const huge = { ...SMALL, elapsedMs: 1e300, retryAfterMs: Number.NaN, configurationVersion: -4 };
    expect(decodeAccount(encodeAccount(huge))).toMatchObject({ elapsedMs: 2 ** 28 - 1, retryAfterMs: 0, configurationVersion: 0 });
  });

  it("has a number for every outcome: one that is added to the table is added here", () => {
    for (const outcome of OUTCOMES) expect(decodeAccount(encodeAccount({ ...SMALL, outcome })).outcome).toBe(outcome);
  });

  it("keeps the numbers that ids out there were made with", () => {
    const fields = [
      "010f", // Version, and all four optional parts.
      "01a1ee565e7b",
      "0011223344556677889947", // The request id: holder, count 71.
      "00010c07", // Outcome, place, 12 ms, configuration 7.
      "9003", // Retry after 400 ms.
      "030cfa01",
      "050500e012",
      "02",
      "00e80700d10f9103", // rate: 1,000 in 2 s, none left, more in 400 ms.
      "0132000000",
      "01", // Urgency.
      "0974656c656d657472790461636d6504676f6c6404642d3137",
    ];
    expect(Buffer.from(encodeAccount(SMALL)).toString("hex")).toBe(fields.join(""));
  });

  it.for([
    { name: "nothing", bytes: [] },
    { name: "another version", bytes: [2, 0] },
    { name: "half of one", bytes: Array.from(encodeAccount(SMALL).slice(0, 40)) },
    { name: "one with something behind it", bytes: [...encodeAccount(SMALL), 0] },
    { name: "an outcome that there is none of", bytes: [1, 0, ...Array.from({ length: 17 }, () => 0), 250, 0, 0, 0, 0] },
    { name: "a number without an end", bytes: [1, 0, ...Array.from({ length: 16 }, () => 0), ...Array.from({ length: 20 }, () => 0xff)] },
  ])("is not read from $name", ({ bytes }) => {
    expect(() => decodeAccount(Uint8Array.from(bytes))).toThrow(RangeError);
  });

  it("is read or refused, whatever the bytes are", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decodeAccount(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
    );
  });
});
