import { expect, it } from "vitest";
import { Random } from "#cli/load/random.ts";
import { LeastSquares } from "#wasm/reference/forecast/fine-least-squares.ts";

it("keeps apart two features that are nearly the same, however long it remembers", () => {
  // Single-precision moments stood still beside where they should be: the two answers then differed by 2 %.
  const random = new Random(1);
  const squares = new LeastSquares({ means: [0, 0, 0], precision: 10, keep: Math.exp(-1 / 43_200) });
  const features = new Float32Array(3);
  for (let step = 0; step < 200_000; step++) {
    const [first, second] = [0.05 * random.normal(), 0.05 * random.normal()];
    features.set([1, -3 + first, -3 + second]);
    squares.observe({ features, at: 0, weight: 1, targets: [first - second, 0] });
  }
  squares.solve();
  const [first, second] = [squares.predict(0, Float32Array.from([1, -2.9, -3])), squares.predict(0, Float32Array.from([1, -3, -2.9]))];
  // A prior of precision 10 against moments of 43,200 × .05².
  expect(first).toBeCloseTo((0.1 * 108) / 118, 3);
  expect(Math.abs(first + second)).toBeLessThan(0.001 * first);
});
