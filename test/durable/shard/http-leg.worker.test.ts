import { afterEach, expect, it, vi } from "vitest";
import { HttpLeg } from "#durable/shard/http-leg.ts";
import type { LegEvents } from "#durable/shard/leg.ts";
import { PostPermits } from "#durable/shard/post-permits.ts";
import type { SessionRoute } from "#durable/shard/session-store.ts";
import type { Message } from "#shared/resume/frames.ts";

afterEach(() => vi.restoreAllMocks());

const message = (sequence: number): Message => ({ type: "message", sequence, payload: `${sequence}` });

it("a message that comes when the last answer has just been taken is sent", async () => {
  const posts: string[] = [];
  vi.spyOn(globalThis, "fetch").mockImplementation(async (_input, init) => {
    posts.push(new Headers(init?.headers).get("tidegate-sequence") ?? "");
    return Promise.resolve(new Response(null, { status: 204 }));
  });
  const route = { upstreamUrl: "https://a.example/", headers: [], deadlineMs: 1_000, flow: "acme/gold" } as unknown as SessionRoute;
  const events = {
    // As what waits for its bandwidth goes: in a microtask of its own.
    answered: (upTo: number) => queueMicrotask(() => void (upTo < 3 && leg.deliver(message(upTo + 1)))),
    received: () => 0,
    waitUntil: () => {},
    afterSave: (run: () => void) => run(),
  } as unknown as LegEvents;
  const leg = new HttpLeg({ sessionId: "s", route, events }, { permits: new PostPermits(), spend: () => {} });
  leg.deliver(message(1));
  await expect.poll(() => posts).toEqual(["1", "2", "3"]);
});
