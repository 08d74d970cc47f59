import { describe, expect, it } from "vitest";
import { localTimeAt } from "#shared/forecast/local-time.ts";

const HOUR_MS = 3_600_000;

describe("local time", () => {
  it.for([
    { zone: "UTC", at: Date.UTC(2026, 2, 28), want: { offsetMs: 0, changeAtMs: Infinity, offsetAfterMs: 0 } },
    {
      zone: "Asia/Kolkata",
      at: Date.UTC(2026, 2, 28),
      want: { offsetMs: 5.5 * HOUR_MS, changeAtMs: Infinity, offsetAfterMs: 5.5 * HOUR_MS },
    },
    {
      zone: "Europe/Berlin",
      at: Date.UTC(2026, 2, 28),
      want: { offsetMs: HOUR_MS, changeAtMs: Date.UTC(2026, 2, 29, 1), offsetAfterMs: 2 * HOUR_MS },
    },
    {
      zone: "Europe/Berlin",
      at: Date.UTC(2026, 9, 24),
      want: { offsetMs: 2 * HOUR_MS, changeAtMs: Date.UTC(2026, 9, 25, 1), offsetAfterMs: HOUR_MS },
    },
    {
      zone: "Australia/Lord_Howe",
      at: Date.UTC(2026, 3, 1),
      want: { offsetMs: 11 * HOUR_MS, changeAtMs: Date.UTC(2026, 3, 4, 15), offsetAfterMs: 10.5 * HOUR_MS },
    },
  ])("$zone at $at", ({ zone, at, want }) => {
    expect(localTimeAt(zone, at)).toEqual(want);
  });

  it("refuses a zone that is none", () => {
    expect(() => localTimeAt("Mars/Olympus", 0)).toThrow(RangeError);
  });
});
