import { describe, expect, it } from "vitest";
import { Outbox, type Heard } from "#gateway/lease/outbox.ts";

const NOW_MS = 1_000_000;

function asked(outbox: Outbox, slotId: string, heard: Heard[] = []): Heard[] {
  outbox.ask({
    ask: { slotId, flow: "a/gold", urgency: 3, affinityKey: null },
    waitsUntilMs: NOW_MS + 60_000,
    tell: (word) => void heard.push(word),
  });
  return heard;
}

/** What whoever sees to the outbox would do: the asked of the next call, in how long. */
function next(outbox: Outbox, nowMs: number): { readonly afterMs: number; readonly asks: readonly string[] } | null {
  for (let afterMs = 0; afterMs < 100; afterMs += 1) {
    if (outbox.seeToInMs(nowMs + afterMs) === null && afterMs === 0) return null;
    const call = outbox.take(nowMs + afterMs);
    if (call !== null) return { afterMs, asks: call.asks.map(({ slotId }) => slotId) };
  }
  return null;
}

describe("an outbox", () => {
  it("is emptied as soon as ever where the clock was set back", () => {
    const outbox = new Outbox();
    asked(outbox, "r1");
    expect(next(outbox, NOW_MS)).toEqual({ afterMs: 0, asks: ["r1"] });
    asked(outbox, "r2");
    expect(next(outbox, NOW_MS - 3_600_000)).toEqual({ afterMs: 2, asks: ["r2", "r1"] });
  });

  it("asks again for all who wait at a pool that has begun anew", () => {
    const outbox = new Outbox();
    asked(outbox, "r1");
    outbox.seeToInMs(NOW_MS);
    const first = outbox.take(NOW_MS);
    asked(outbox, "r2");
    const second = outbox.take(NOW_MS + 5);
    if (first === null || second === null) throw new Error("expected calls");
    outbox.answered(first, { verdicts: [], poolLife: "one" });
    outbox.answered(second, { verdicts: [], poolLife: "another" });
    expect(next(outbox, NOW_MS + 10)).toEqual({ afterMs: 0, asks: ["r1", "r2"] });
  });

  it("returns names as soon as ever where the clock was set back", () => {
    const outbox = new Outbox();
    outbox.giveBack("r1", { isAwaited: false, nowMs: NOW_MS });
    expect(next(outbox, NOW_MS - 3_600_000)).toEqual({ afterMs: 10, asks: [] });
  });
});
