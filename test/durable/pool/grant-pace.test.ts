import { describe, expect, it } from "vitest";
import { GrantPace } from "#durable/pool/grant-pace.ts";
import { EventClock } from "#test/support/event-clock.ts";
import { seededRandom } from "#test/wasm/seeded-random.ts";

interface Closed {
  readonly slots: number;
  readonly heldMs: () => number;
  readonly durationMs: number;
  readonly isPaced?: boolean;
}

/** Slots that all begin at once, and more who wait than there will ever be slots: when each was given, and the longest rest. */
function serve({ slots, heldMs, durationMs, isPaced = true }: Closed) {
  const pace = new GrantPace();
  const clock = new EventClock(0);
  const grants: number[] = [];
  const freeSinceMs: number[] = Array.from({ length: slots }, () => 0);
  let pauseMsMax = 0;
  const give = (): void => {
    const nowMs = clock.wallMs;
    pace.tick(nowMs, { waiting: 10 * slots, slotsFree: freeSinceMs.length, slotsQueued: slots - freeSinceMs.length });
    while (freeSinceMs.length > 0 && (!isPaced || pace.pauseMs(nowMs) === 0)) {
      freeSinceMs.shift();
      pace.granted(nowMs);
      grants.push(clock.nowMs);
      const ms = heldMs();
      clock.after(ms, () => {
        pace.ended(ms);
        freeSinceMs.push(clock.nowMs);
        give();
      });
    }
    const pauseMs = isPaced ? pace.pauseMs(nowMs) : 0;
    pauseMsMax = Math.max(pauseMsMax, pauseMs);
    if (freeSinceMs.length > 0) clock.after(pauseMs, give);
  };
  give();
  clock.until(durationMs);
  return { grants, pauseMsMax };
}

/** Between two grants, in the last part. */
function gapMsMax(grants: readonly number[], fromMs: number): number {
  const late = grants.filter((atMs) => atMs >= fromMs);
  return Math.max(...late.slice(1).map((atMs, index) => atMs - (late[index] ?? 0)));
}

describe("slots that began together, of requests that take equally long", () => {
  const closed = { slots: 30, heldMs: () => 100, durationMs: 20_000 };

  it("come in step without a pace: the next one is a whole service time away", () => {
    expect(gapMsMax(serve({ ...closed, isPaced: false }).grants, 10_000)).toBe(100);
  });

  it("come evenly after a while: the next one is no further away than four of their turns", () => {
    expect(gapMsMax(serve(closed).grants, 10_000)).toBeLessThanOrEqual((4 * 100) / 30);
  });

  it("rest once for it, and serve as many from then on", () => {
    const { grants } = serve(closed);
    expect(grants.filter((atMs) => atMs >= 10_000).length).toBeGreaterThanOrEqual(10 * 300);
  });
});

it.for([
  { name: "vary by a tenth", jitter: 0.1, part: 0.985 },
  { name: "vary by a half", jitter: 0.5, part: 1 },
])("times that $name cost next to none of the service", ({ jitter, part }) => {
  const timesOf = (seed: number) => {
    const random = seededRandom(seed);
    return () => 100 * (1 + jitter * (2 * random.next() - 1));
  };
  const served = (isPaced: boolean): number =>
    serve({ slots: 30, heldMs: timesOf(3), durationMs: 60_000, isPaced }).grants.filter((atMs) => atMs >= 30_000).length;
  expect(served(true) / served(false)).toBeGreaterThanOrEqual(part - 0.005);
});

it("no slot rests longer than the bound, however slow the requests and few the slots", () => {
  const { pauseMsMax, grants } = serve({ slots: 2, heldMs: () => 2_000, durationMs: 400_000 });
  expect(pauseMsMax).toBeGreaterThan(0);
  expect(pauseMsMax).toBeLessThanOrEqual(100);
  expect(grants.length).toBeGreaterThan(395);
});

describe("where requests have just become faster, or nobody lacks a slot any more", () => {
  const paced = (): GrantPace => {
    const pace = new GrantPace();
    for (let ended = 0; ended < 1_000; ended += 1) pace.ended(100);
    pace.tick(0, { waiting: 50, slotsFree: 5, slotsQueued: 5 });
    pace.tick(100, { waiting: 50, slotsFree: 5, slotsQueued: 5 });
    for (let given = 0; given < 2; given += 1) pace.granted(100);
    return pace;
  };

  it("rests while that lasts", () => {
    expect(paced().pauseMs(100)).toBeGreaterThan(5);
  });

  it.for([
    { name: "follows the new pace at once", standing: { waiting: 50, slotsFree: 50, slotsQueued: 950 } },
    { name: "rests no more", standing: { waiting: 5, slotsFree: 5, slotsQueued: 5 } },
  ])("$name", ({ standing }) => {
    const pace = paced();
    pace.tick(100, standing);
    expect(pace.pauseMs(100)).toBeLessThanOrEqual(1);
  });

  it("goes on once its turn has come", () => {
    expect(paced().pauseMs(100 + 10)).toBe(0);
  });
});
