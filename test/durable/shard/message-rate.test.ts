// GCRA: never more than the burst at once and the rate in the mean, and never less than what was promised.
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { MessageRate } from "#durable/shard/message-rate.ts";

it("takes a burst at once, then one per interval", () => {
  const rate = new MessageRate({ perSecond: 10, burst: 3 });
  expect([1, 2, 3, 4].map(() => rate.take(1_000))).toEqual([true, true, true, false]);
  expect([rate.take(1_099), rate.take(1_100), rate.take(1_100)]).toEqual([false, true, false]);
});

it("is full again after a pause, and not fuller", () => {
  const rate = new MessageRate({ perSecond: 10, burst: 3 });
  for (let index = 0; index < 3; index += 1) rate.take(0);
  expect([1, 2, 3, 4].map(() => rate.take(100_000))).toEqual([true, true, true, false]);
});

it("takes, in any span, at most burst + rate × span, and whoever keeps to the rate always passes", () => {
  const any = fc.record({
    perSecond: fc.integer({ min: 1, max: 1_000 }),
    burst: fc.integer({ min: 1, max: 100 }),
    gapsMs: fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 200 }),
  });
  fc.assert(
    fc.property(any, ({ perSecond, burst, gapsMs }) => {
      const rate = new MessageRate({ perSecond, burst });
      const takenAtMs: number[] = [];
      let nowMs = 0;
      for (const gapMs of gapsMs) {
        nowMs += gapMs;
        if (rate.take(nowMs)) takenAtMs.push(nowMs);
      }
      for (const [first, startMs] of takenAtMs.entries())
        for (const [offset, endMs] of takenAtMs.slice(first).entries())
          expect(offset + 1).toBeLessThanOrEqual(burst + ((endMs - startMs) * perSecond) / 1_000 + 1e-6);
      // One more than one: a clock of whole milliseconds makes gaps uneven.
      const even = new MessageRate({ perSecond, burst: burst + 1 });
      for (let index = 0; index < 200; index += 1) expect(even.take(Math.ceil((index * 1_000) / perSecond))).toBe(true);
    }),
  );
});
