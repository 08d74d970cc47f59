import { expect, it } from "vitest";
import { RefusedLanes } from "#gateway/lease/refused-lanes.ts";

it("an endpoint that refuses is closed for a second, and twice as long each time in a row, up to eight", () => {
  const refused = new RefusedLanes();
  let nowMs = 1_000_000;
  for (const forMs of [1_000, 2_000, 4_000, 8_000, 8_000]) {
    refused.refuse("http://a", nowMs);
    // What was on its way says nothing new.
    refused.refuse("http://a", nowMs + 1);
    expect([refused.isClosed("http://a"), refused.isDue(nowMs + forMs - 1)]).toEqual([true, false]);
    nowMs += forMs;
    expect([refused.isDue(nowMs), refused.takeOpen(nowMs), refused.isClosed("http://a")]).toEqual([true, ["http://a"], false]);
  }
  expect(refused.isDue(nowMs + 100_000)).toBe(false);
  refused.answered("http://a");
  refused.refuse("http://a", nowMs);
  expect(refused.takeOpen(nowMs + 1_000)).toEqual(["http://a"]);
});

it("one that left the table is forgotten", () => {
  const refused = new RefusedLanes();
  refused.refuse("http://a", 0);
  refused.refuse("http://b", 0);
  refused.keep(["http://b"]);
  expect([refused.isClosed("http://a"), refused.isClosed("http://b")]).toEqual([false, true]);
});

it("a clock that was set back keeps none closed for longer", () => {
  const refused = new RefusedLanes();
  refused.refuse("http://a", 1_000_000);
  expect([refused.isDue(0), refused.takeOpen(0)]).toEqual([true, ["http://a"]]);
});
