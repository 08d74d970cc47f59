// What an endpoint is told of sessions that end while all that a shard may ask at a time is asked.
import { afterEach, expect, it, vi } from "vitest";
import { HttpLeg } from "#durable/shard/http-leg.ts";
import { PostPermits } from "#durable/shard/post-permits.ts";
import type { SessionRoute } from "#durable/shard/session-store.ts";

/** durable/shard/post-permits.ts. */
const POSTS_MAX = 64;

afterEach(() => vi.restoreAllMocks());

it("a farewell is sent in its turn, and not once it has waited as long as its deadline", async () => {
  let nowMs = 1_000_000;
  vi.spyOn(Date, "now").mockImplementation(() => nowMs);
  const told: (string | null)[] = [];
  vi.spyOn(globalThis, "fetch").mockImplementation(async (_input, init) => {
    told.push(new Headers(init?.headers).get("connection-id"));
    return Promise.resolve(new Response(null, { status: 204 }));
  });
  const permits = new PostPermits();
  const others = Promise.withResolvers<void>();
  const asked = Array.from({ length: POSTS_MAX }, async () => permits.run(async () => others.promise));
  const ends: Promise<unknown>[] = [];
  const stop = (sessionId: string, deadlineMs: number): void => {
    const route = { upstreamUrl: "https://echo.example/", headers: [], deadlineMs } as unknown as SessionRoute;
    const events = { waitUntil: (end: Promise<unknown>) => void ends.push(end) };
    const leg = new HttpLeg({ sessionId, route, events: events as never }, { permits, spend: () => {} });
    leg.stop({ why: "closed", code: 1000, reason: "" });
    leg.stop({ why: "expired", code: 1008, reason: "" });
  };
  stop("late", 5_000);
  stop("first", 5_001);
  stop("second", 60_000);
  nowMs += 5_000;
  expect(told).toEqual([]);
  others.resolve();
  await Promise.all([...asked, ...ends]);
  expect([told, ends.length]).toEqual([["first", "second"], 3]);
  // Each has given its turn back, the one that was not used too.
  let begun = 0;
  await Promise.all(Array.from({ length: POSTS_MAX }, async () => permits.run(async () => Promise.resolve((begun += 1)))));
  expect(begun).toBe(POSTS_MAX);
});
