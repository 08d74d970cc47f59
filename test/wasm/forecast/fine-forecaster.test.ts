import { describe, expect, it } from "vitest";
import { FineForecasterReference } from "#wasm/reference/forecast/fine-forecaster.ts";

const STEP_MS = 10_000;
const HORIZONS_MS = [60_000, 300_000, 3_600_000];

describe("fine forecaster", () => {
  it("says the first value for every horizon, between wide bounds", () => {
    const forecaster = new FineForecasterReference({ stepMs: STEP_MS, horizonsMs: HORIZONS_MS });
    forecaster.observe(100, 0);
    for (const { mean, lower, upper } of forecaster.profile(HORIZONS_MS)) {
      expect(mean).toBeCloseTo(100, 3);
      expect(lower).toBeLessThan(60);
      expect(upper).toBeGreaterThan(150);
    }
  });
});
