import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { THIS_PLATFORM } from "#client/platform.ts";
import { DAY_MS, HOUR_MS } from "#shared/units.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"] }));
afterEach(() => void vi.useRealTimers());

it.for([
  { name: "back", setByMs: -HOUR_MS },
  { name: "ahead", setByMs: DAY_MS },
])("a machine's clock that is set $name is not the SDK's", ({ setByMs }) => {
  const beforeMs = THIS_PLATFORM.nowMs();
  vi.setSystemTime(Date.now() + setByMs);
  const passedMs = THIS_PLATFORM.nowMs() - beforeMs;
  expect(passedMs).toBeGreaterThanOrEqual(0);
  expect(passedMs).toBeLessThan(HOUR_MS);
});

it("time passes in whole milliseconds: a timer that is set for a moment comes no sooner", () => {
  expect(Array.from({ length: 100 }, () => THIS_PLATFORM.nowMs()).every(Number.isInteger)).toBe(true);
});
