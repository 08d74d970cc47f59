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
    watch.enter(() => woken.push("b"), ctx, 1_000 + WATCH_MS / 2 - 1);
    watch.leave(gone);
    expect(ctx.waiting).toHaveLength(1);
    await ctx.waiting[0];
    expect(woken).toEqual(["a", "b"]);
  });

  it("leaves those alone that began lately, and wakes them with the next", async () => {
    const watch = new Watch();
    const ctx = context();
    const woken: string[] = [];
    watch.enter(() => woken.push("older"), ctx, 1_000);
    watch.enter(() => woken.push("young"), ctx, 1_000 + WATCH_MS / 2);
    expect(ctx.waiting).toHaveLength(2);
    await ctx.waiting[0];
    expect(woken).toEqual(["older"]);
    await ctx.waiting[1];
    expect(woken).toEqual(["older", "young"]);
  });

  it("lets go of one that leaves after others have gathered", async () => {
    const watch = new Watch();
    const ctx = context();
    const wake = vi.fn<() => void>();
    watch.enter(wake, ctx, 1_000);
    watch.enter(() => undefined, ctx, 1_000 + WATCH_MS / 2);
    watch.leave(wake);
    await Promise.all(ctx.waiting);
    expect(wake).not.toHaveBeenCalled();
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
    const lost = vi.fn<() => void>();
    // Its context ends: no timer of it ever fires.
    const timer = vi.spyOn(globalThis, "setTimeout").mockImplementationOnce(() => undefined as never);
    watch.enter(lost, { waitUntil: () => undefined }, 1_000);
    timer.mockRestore();
    const ctx = context();
    const wake = vi.fn<() => void>();
    watch.enter(wake, ctx, nowMs);
    expect(ctx.waiting).toHaveLength(1);
    await ctx.waiting[0];
    expect(wake).toHaveBeenCalledTimes(1);
    expect(lost).toHaveBeenCalledTimes(1);
  });

  it.for([WATCH_MS, 10 * WATCH_MS, -100])(
    "wakes one whose timer is gone after others had gathered, with one that comes %d ms after those",
    async (afterMs) => {
      const watch = new Watch();
      const lost = vi.fn<() => void>();
      const timer = vi.spyOn(globalThis, "setTimeout").mockImplementationOnce(() => undefined as never);
      watch.enter(lost, { waitUntil: () => undefined }, 1_000);
      timer.mockRestore();
      const ctx = context();
      const sinceMs = 1_000 + WATCH_MS / 2;
      watch.enter(() => undefined, ctx, sinceMs);
      await Promise.all(ctx.waiting);
      expect(lost).not.toHaveBeenCalled();
      watch.enter(() => undefined, ctx, sinceMs + afterMs);
      await Promise.all(ctx.waiting);
      expect(lost).toHaveBeenCalledTimes(1);
    },
  );
});
