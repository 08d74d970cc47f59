import { expect, it } from "vitest";
import { isDistribution, pooledShares, poolOf } from "#shared/forecast/pooled-shares.ts";

const LEARNED = [0.2, 0.5, 0.3];

it("move towards what the gateway's services are, the learned ones counting as five of them", () => {
  const pooled = pooledShares(
    LEARNED,
    poolOf([
      [1, 0, 0],
      [1, 0, 0],
      [0, 0, 1],
    ]),
  );
  expect(pooled).toEqual([(5 * 0.2 + 2) / 8, (5 * 0.5) / 8, (5 * 0.3 + 1) / 8]);
});

it("never leave a kind less than half of what was learned, however many services are of another", () => {
  const pooled = pooledShares(LEARNED, poolOf(Array.from({ length: 500 }, () => [1, 0, 0])));
  expect(pooled).toEqual([0.6, 0.25, 0.15]);
});

it("are those that were learned without services", () => {
  expect(pooledShares(LEARNED, poolOf([]))).toEqual(LEARNED);
});

it("refuse a pool of other clusters", () => {
  expect(() => pooledShares(LEARNED, poolOf([[0.5, 0.5]]))).toThrow("Cannot pool shares of 2 clusters: expected 3");
});

it.for([
  { name: "NaN", weights: [NaN, 0, 1] },
  { name: "negative", weights: [-1, 2, 0] },
  { name: "of another sum", weights: [1, 1, 0] },
  { name: "too long", weights: Array.from({ length: 17 }, () => 1 / 17) },
  { name: "empty", weights: [] },
])("a summary that is $name is none", ({ weights }) => {
  expect(isDistribution(weights)).toBe(false);
  expect(isDistribution(LEARNED)).toBe(true);
});
