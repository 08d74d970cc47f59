import * as fc from "fast-check";
import { expect, it } from "vitest";
import { assert, InvariantError } from "#shared/assert.ts";
import { LIMITS, URGENCY_DEFAULT, URGENCY_FIRST, URGENCY_LAST } from "#shared/limits.ts";
import { DAY_MS, HOUR_MS, KIB_BYTES, MIB_BYTES, MINUTE_MS, SECOND_MS, wholeSeconds } from "#shared/units.ts";

it("units are what their names say", () => {
  expect([SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS]).toEqual([1_000, 60 * 1_000, 60 * 60 * 1_000, 24 * 60 * 60 * 1_000]);
  expect([KIB_BYTES, MIB_BYTES]).toEqual([2 ** 10, 2 ** 20]);
});

it.for([
  { durationMs: -5_000, seconds: 1 },
  { durationMs: 0, seconds: 1 },
  { durationMs: 1, seconds: 1 },
  { durationMs: 1_000, seconds: 1 },
  { durationMs: 1_001, seconds: 2 },
  { durationMs: 1_999.5, seconds: 2 },
  { durationMs: 60_000, seconds: 60 },
])("$durationMs ms are $seconds s in a header", ({ durationMs, seconds }) => {
  expect(wholeSeconds(durationMs)).toBe(seconds);
});

it("nobody who waits as many seconds as the header says comes too early, nor a second too late", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 366 * DAY_MS }), (durationMs) => {
      const waitedMs = wholeSeconds(durationMs) * SECOND_MS;
      expect(Number.isInteger(wholeSeconds(durationMs))).toBe(true);
      expect(waitedMs).toBeGreaterThanOrEqual(durationMs);
      expect(waitedMs).toBeLessThan(durationMs + SECOND_MS);
    }),
  );
});

it("urgency is RFC 9218's: 0 to 7, 3 where nothing is said", () => {
  expect([URGENCY_FIRST, URGENCY_DEFAULT, URGENCY_LAST]).toEqual([0, 3, 7]);
});

it("takes 32 KiB of headers, as the design says, and a token fits into them", () => {
  expect(LIMITS.headerBytesMax).toBe(32 * 1_024);
  expect(LIMITS.tokenBytesMax).toBeLessThan(LIMITS.headerBytesMax);
});

it("every limit is a whole number that can be reached", () => {
  for (const [name, limit] of Object.entries(LIMITS)) {
    expect(Number.isSafeInteger(limit) && limit > 0, name).toBe(true);
  }
});

it("assert lets what holds pass and stops what does not, naming the promise", () => {
  expect(() => assert(true, "x")).not.toThrow();
  const stopped = expect(() => assert(false, "slots in use are at most the capacity"));
  stopped.toThrow(InvariantError);
  stopped.toThrow(/^Broken promise: slots in use are at most the capacity$/);
});

it("a broken promise is known by its name where its class is lost, as across RPC", () => {
  const error = new InvariantError("x");
  expect(error).toBeInstanceOf(Error);
  expect(error.name).toBe("InvariantError");
});
