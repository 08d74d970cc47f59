import { describe, expect, it } from "vitest";
import { DrainRate } from "#durable/pool/drain-rate.ts";

const TICK_MS = 50;

/** So many milliseconds in which somebody waits and one is served every `everyMs`. */
function serve(drain: DrainRate, { fromMs, forMs, everyMs }: { fromMs: number; forMs: number; everyMs: number }): number {
  for (let nowMs = fromMs; nowMs <= fromMs + forMs; nowMs += TICK_MS) {
    if (nowMs > fromMs && (nowMs - fromMs) % everyMs === 0) drain.served();
    drain.tick(nowMs, true);
  }
  return fromMs + forMs;
}

describe("how fast a queue is served", () => {
  it("is unknown before anybody waited", () => {
    const drain = new DrainRate();
    drain.served();
    expect(drain.msFor(10)).toBeNull();
    expect(drain.isSettled).toBe(false);
  });

  it("is what was served while somebody waited, and says how long so many take", () => {
    const drain = new DrainRate();
    serve(drain, { fromMs: 0, forMs: 5_000, everyMs: 100 });
    expect(drain.msFor(10)).toBeCloseTo(1_000, -2);
    expect(drain.isSettled).toBe(true);
  });

  it("is not settled in a queue's first second, whatever is remembered of the one before: nobody is refused by it", () => {
    const drain = new DrainRate();
    const endedAtMs = serve(drain, { fromMs: 0, forMs: 5_000, everyMs: 200 });
    drain.tick(endedAtMs + TICK_MS, false);
    expect(drain.isSettled).toBe(false);
    const begunAtMs = endedAtMs + 2 * TICK_MS;
    serve(drain, { fromMs: begunAtMs, forMs: 950, everyMs: 200 });
    expect(drain.msFor(10)).toBeGreaterThan(1_000);
    expect(drain.isSettled).toBe(false);
    drain.tick(begunAtMs + 1_000, true);
    expect(drain.isSettled).toBe(true);
  });

  it("is forgotten after ten seconds in which nobody was served", () => {
    const drain = new DrainRate();
    const endedAtMs = serve(drain, { fromMs: 0, forMs: 2_000, everyMs: 100 });
    serve(drain, { fromMs: endedAtMs + TICK_MS, forMs: 11_000, everyMs: Infinity });
    expect(drain.msFor(10)).toBeNull();
  });
});
