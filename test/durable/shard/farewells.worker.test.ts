// What an endpoint is told of sessions that end while all that a shard may ask at a time is asked.
import { afterEach, describe, expect, it, vi } from "vitest";
import { HttpLeg } from "#durable/shard/http-leg.ts";
import { PostPermits } from "#durable/shard/post-permits.ts";
import { EventParser, type SocketEvent } from "#shared/protocol/websocket-events.ts";
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

describe("what a device said before it closed", () => {
  /** Requests as the endpoint has them, in their order: events' types and texts. */
  function world(answers: Response[] = []) {
    let nowMs = 1_000_000;
    vi.spyOn(Date, "now").mockImplementation(() => nowMs);
    const asked: string[][] = [];
    vi.spyOn(globalThis, "fetch").mockImplementation(async (_input, init) => {
      const read = new EventParser(1_000).push(init?.body as Uint8Array);
      asked.push("ok" in read ? [] : (read as SocketEvent[]).map((event) => (event.type === "TEXT" ? event.text : event.type)));
      return Promise.resolve(answers.shift() ?? new Response(null, { status: 204 }));
    });
    const permits = new PostPermits();
    const others = Promise.withResolvers<void>();
    const busy = Array.from({ length: POSTS_MAX }, async () => permits.run(async () => others.promise));
    const ends: Promise<unknown>[] = [];
    const saves: (() => void)[] = [];
    const route = { upstreamUrl: "https://echo.example/", headers: [], deadlineMs: 5_000, service: "echo" } as unknown as SessionRoute;
    const events = {
      waitUntil: (end: Promise<unknown>) => void ends.push(end),
      afterSave: (run: () => void) => void saves.push(run),
      received: () => 0,
      answered: () => undefined,
      closed: () => undefined,
    };
    const leg = new HttpLeg({ sessionId: "s", route, events: events as never }, { permits, spend: () => {} });
    /** In one turn. */
    const say = (...texts: string[]): void => {
      for (const [index, payload] of texts.entries()) leg.deliver({ type: "message", sequence: index + 1, payload });
      for (const run of saves.splice(0)) run();
    };
    const rest = async (): Promise<void> => {
      others.resolve();
      await Promise.all(busy);
      for (const end of ends) await end;
    };
    return { leg, say, rest, asked, pass: (ms: number) => void (nowMs += ms) };
  }
  const CLOSED = { why: "closed", code: 1000, reason: "" } as const;

  it("goes before its close does, though all that a shard may ask was asked when it closed", async () => {
    const { leg, say, rest, asked } = world();
    say("1", "2", "3");
    leg.stop(CLOSED);
    await rest();
    expect(asked).toEqual([["1", "2", "3"], ["CLOSE"]]);
  });

  it("is not sent where the session ended for another reason", async () => {
    const { leg, say, rest, asked } = world();
    say("1");
    leg.stop({ why: "expired", code: 1008, reason: "" });
    await rest();
    expect(asked).toEqual([["DISCONNECT"]]);
  });

  it.for([
    { name: "the endpoint does not take it", pass: 0, answers: 1, want: [["1", "2"], ["CLOSE"]] },
    { name: "its turn does not come within the deadline", pass: 5_000, answers: 0, want: [["CLOSE"]] },
  ])("is sent once, and named where $name", async ({ pass, answers, want }) => {
    const { leg, say, rest, asked, pass: wait } = world(Array.from({ length: answers }, () => new Response(null, { status: 503 })));
    const warned = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    say("1", "2");
    leg.stop(CLOSED);
    wait(pass);
    await rest();
    expect(asked).toEqual(want);
    const named = { level: "warn", event: "messages-lost", service: "echo", session: "s", count: 2 };
    expect(warned.mock.calls.map(([line]) => JSON.parse(String(line)) as unknown)).toEqual([named]);
  });
});
