import { expect, it } from "vitest";
import { AwakeClock } from "#cli/agent/awake-clock.ts";

it("counts the time between readings, and no more than a step of it where it slept or was set", () => {
  const clock = new AwakeClock(1_000_000, 1_000);
  expect([1_000_250, 1_000_500, 1_020_500, 1_020_750, 500_000, 500_250].map((wallMs) => clock.at(wallMs))).toEqual([
    1_000_250, 1_000_500, 1_001_500, 1_001_750, 1_001_750, 1_002_000,
  ]);
});
