// unkey's factors, cell by cell: nodes, limit, window, load (offered ÷ limit), over ten windows each.
import { describe, expect, it } from "vitest";
import { runCell, type Cell } from "./rate-grid.ts";

const IS_LONG = process.env["TIDEGATE_LONG"] === "1";
const LOADS = [0.9, 1, 1.5, 2];
const CELLS: readonly Cell[] = [1, 3, 5, 9].flatMap((nodes) =>
  [10, 100, 1_000, 10_000].flatMap((limit) =>
    [10_000, 60_000, 300_000].flatMap((windowMs) => LOADS.map((load) => ({ nodes, limit, windowMs, load }))),
  ),
);
/** The quick ones of every node count, limit and load; the long mode runs all 192. */
const LISTED = CELLS.filter(
  ({ limit, windowMs }) => IS_LONG || (windowMs === 10_000 && limit < 10_000) || (windowMs === 60_000 && limit === 100),
);

describe("a rate that one object owns", () => {
  it.for(LISTED)(
    "admits 99 to 100 % of what one bucket would: $nodes nodes, $limit in $windowMs ms, load $load",
    { timeout: 60_000 },
    (cell) => {
      const { admitted, ideal, overshoot } = runCell(cell, 1);
      // Small cells have less than a hundred requests: one of them is more than a percent.
      expect(admitted).toBeGreaterThanOrEqual(Math.min(ideal * 0.99, ideal - 1));
      expect(overshoot).toBe(0);
      expect(admitted).toBeLessThanOrEqual(cell.limit * 11);
    },
  );

  it("is listed in at least 31 cells", () => {
    expect(LISTED.length).toBeGreaterThanOrEqual(31);
  });

  it("is asked seldom while it is not used up: once in a hundred of 1,000 requests a second over eight nodes", () => {
    const { objectCalls, offered } = runCell({ nodes: 8, limit: 20_000, windowMs: 10_000, load: 0.5 }, 1);
    expect(objectCalls / offered).toBeLessThan(0.01);
  });
});
