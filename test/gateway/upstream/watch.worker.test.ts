import { describe, expect, it, vi } from "vitest";
import { Watch, WATCH_MS } from "#gateway/upstream/watch.ts";

/** A context that tells what waits in it. */
function context() {
  const waiting: Promise<unknown>[] = [];
  return { waiting, waitUntil: (promise: Promise<unknown>) => void waiting.push(promise) };
}

describe("Watch", () => {
  it("wakes all that are still there with one timer", async () => {
    const watch = new Watch();
    const ctx = context();
    const woken: string[] = [];
    const gone = (): unknown => woken.push("gone");
    watch.enter(() => woken.push("a"), ctx, 1_000);
    watch.enter(gone, ctx, 1_010);
    watch.enter(() => woken.push("b"), ctx, 1_000 + WATCH_MS - 1);
    watch.leave(gone);
    expect(ctx.waiting).toHaveLength(1);
    await ctx.waiting[0];
    expect(woken).toEqual(["a", "b"]);
  });

  it("wakes each once", async () => {
    const watch = new Watch();
    const ctx = context();
    const wake = vi.fn<() => void>();
    watch.enter(wake, ctx, 1_000);
    watch.enter(() => undefined, ctx, 1_000 + WATCH_MS);
    await Promise.all(ctx.waiting);
    expect(wake).toHaveBeenCalledTimes(1);
  });

  it.for([
    { name: "the timer's time has passed and nothing came", nowMs: 1_000 + WATCH_MS },
    { name: "the clock was set back", nowMs: 10 },
  ])("begins anew where $name", async ({ nowMs }) => {
    const watch = new Watch();
    // Its context has ended: no timer of it ever fires.
    watch.enter(() => undefined, { waitUntil: () => undefined }, 1_000);
    const ctx = context();
    const wake = vi.fn<() => void>();
    watch.enter(wake, ctx, nowMs);
    expect(ctx.waiting).toHaveLength(1);
    await ctx.waiting[0];
    expect(wake).toHaveBeenCalledTimes(1);
  });
});
