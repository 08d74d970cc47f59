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

  it("asks again for all who wait at a pool that knows of none of them", () => {
    const outbox = new Outbox();
    asked(outbox, "r1");
    outbox.seeToInMs(NOW_MS);
    const call = outbox.take(NOW_MS);
    if (call === null) throw new Error("expected a call");
    // It stood at the pool, which has told somebody else, and began anew.
    outbox.answered(call, []);
    expect(next(outbox, NOW_MS + 10)).toEqual({ afterMs: 0, asks: ["r1"] });
  });

  it("asks again before long for whoever waits, though each call of others is answered", () => {
    const outbox = new Outbox();
    const heard: string[] = [];
    asked(outbox, "r1");
    for (let nowMs = NOW_MS; nowMs <= NOW_MS + 1_100; nowMs += 50) {
      asked(outbox, `other ${nowMs}`);
      const call = outbox.take(nowMs);
      if (call === null) throw new Error("expected a call");
      if (nowMs > NOW_MS) heard.push(...call.asks.map(({ slotId }) => slotId));
      const refused = { ok: false, outcome: "rejected-capacity", detail: "", slotId: `other ${nowMs}`, askedAtMs: nowMs } as const;
      outbox.answered(call, [refused]);
    }
    expect(heard).toContain("r1");
  });

  it("returns names as soon as ever where the clock was set back", () => {
    const outbox = new Outbox();
    outbox.giveBack("r1", { isAwaited: false, nowMs: NOW_MS });
    expect(next(outbox, NOW_MS - 3_600_000)).toEqual({ afterMs: 10, asks: [] });
  });
});
