import { expect, it } from "vitest";
import { firstFailure } from "./first-failure.ts";

it("comes round to every seed once, from wherever it begins", async () => {
  const seen: number[] = [];
  expect(await firstFailure((seed) => seen.push(seed), { seeds: 5, first: 4 })).toBeNull();
  expect(seen).toEqual([4, 5, 1, 2, 3]);
});

it("stops at the first one that fails, and says which", async () => {
  const run = (seed: number): void => {
    if (seed === 2) throw new Error("lost");
  };
  expect(await firstFailure(run, { seeds: 5, first: 4 })).toBe("seed 2: lost");
});
