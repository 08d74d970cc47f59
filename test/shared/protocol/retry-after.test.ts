import { describe, expect, it } from "vitest";
import { retryAfterSeconds } from "#shared/protocol/retry-after.ts";

describe("Retry-After", () => {
  it.for([
    { retryAfterMs: 0, from: 1, to: 5 },
    { retryAfterMs: 1_000, from: 1, to: 5 },
    { retryAfterMs: 1_001, from: 2, to: 6 },
    { retryAfterMs: 60_000, from: 60, to: 75 },
  ])("of $retryAfterMs ms is spread over devices from $from to $to s, both ends reached", ({ retryAfterMs, from, to }) => {
    const told = new Set(Array.from({ length: 1_000 }, (_, device) => retryAfterSeconds(retryAfterMs, `device-${device}`)));
    expect(Math.min(...told)).toBe(from);
    expect(Math.max(...told)).toBe(to);
    expect(told.size).toBe(to - from + 1);
  });

  it("is the same for the same device", () => {
    expect(retryAfterSeconds(5_000, "d-1")).toBe(retryAfterSeconds(5_000, "d-1"));
  });
});
