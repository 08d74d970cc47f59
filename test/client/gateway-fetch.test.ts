import { describe, expect, it } from "vitest";
import { FakeWorld } from "./fake-world.ts";

const busy = (): Response => new Response("", { status: 503, headers: { "retry-after": "3" } });

/** Answers one after the other, then 200. */
function worldThatAnswers(...answers: (() => Response)[]): FakeWorld {
  const world = new FakeWorld();
  world.answer = () => answers.shift()?.() ?? new Response("fine");
  return world;
}

describe("fetch", () => {
  it("brings the token and the path", async () => {
    const world = worldThatAnswers();
    await world.client().fetch("echo", "/a?b=1", { headers: { "x-own": "1" } });
    const [post] = world.posts;
    expect(post?.url).toBe("https://gateway.example/s/echo/a?b=1");
    expect(Object.fromEntries(new Headers(post?.init.headers))).toEqual({ authorization: "Bearer t0", "x-own": "1" });
  });

  it("refreshes a refused token once, and hands the second refusal on", async () => {
    const refused = (): Response => new Response("", { status: 401 });
    const world = worldThatAnswers(refused, refused, refused);
    let count = 0;
    const response = await world.client({ token: () => `t${(count += 1)}` }).fetch("echo", "/");
    expect([response.status, count, world.posts.length]).toEqual([401, 2, 2]);
  });

  it.for([
    { name: "repeats a GET after the Retry-After", init: {}, calls: 2, status: 200 },
    { name: "does not repeat a POST", init: { method: "POST" }, calls: 1, status: 503 },
    { name: "does not repeat a body that is a stream", init: { method: "PUT", body: new ReadableStream() }, calls: 1, status: 503 },
  ])("$name", async ({ init, calls, status }) => {
    const world = worldThatAnswers(busy);
    const answered = world.client().fetch("echo", "/", init);
    await world.pass(2_999);
    expect(world.posts).toHaveLength(1);
    await world.pass(1_000);
    expect([(await answered).status, world.posts.length]).toEqual([status, calls]);
  });

  it("gives up after three repeats", async () => {
    const world = worldThatAnswers(...Array.from({ length: 10 }, () => busy));
    const answered = world.client().fetch("echo", "/");
    await world.pass(120_000);
    expect([(await answered).status, world.posts.length]).toEqual([503, 4]);
  });

  it("ends a wait with the signal's reason", async () => {
    const world = worldThatAnswers(busy);
    const aborter = new AbortController();
    const answered = world.client().fetch("echo", "/", { signal: aborter.signal });
    const outcome = expect(answered).rejects.toThrow("enough");
    await world.pass(100);
    aborter.abort(new Error("enough"));
    await outcome;
    expect(world.timerCount).toBe(0);
  });
});
