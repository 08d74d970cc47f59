// What the requests of sockets' messages take at the endpoint is service time of their flow; once it is used up what comes next waits, as requests are refused.
import { beforeAll, describe, it } from "vitest";
import { acknowledgedOf, namesOf, pacedShard, stubEndpoints, upTo } from "../../support/worker/paced-shard.ts";

const TAKES_MS = 150;
/** A request of `TAKES_MS` is paid for in 15 s. */
const LITTLE = { cpuSecondsPerSecond: 0.01 };

beforeAll(stubEndpoints);

/** A service whose endpoint takes so long for each request. The object has heard what its pool said before it has answered `heard`. */
async function timedShard(...input: Parameters<typeof pacedShard>) {
  const given = await pacedShard(...input);
  given.endpoint.takes = async () => new Promise((resolve) => setTimeout(resolve, TAKES_MS));
  return { ...given, heard: async () => given.bufferedBytes(given.shard()) };
}

describe.concurrent("service time", () => {
  it("of a session's requests is counted, holds back what its device says next, and lets it go when the limit is lifted", async ({
    expect,
  }) => {
    const { endpoint, settled, heard, open, limit, blockedMs } = await timedShard("time-session", { quota: LITTLE });
    const connection = await open();
    connection.socket.send("m1:1");
    await expect.poll(() => acknowledgedOf(connection)).toBe(1);
    await expect.poll(blockedMs).toBeGreaterThan(TAKES_MS / 0.01 / 2);
    await heard();
    for (const name of upTo(5).slice(1)) connection.socket.send(`m${name}:${name}`);
    await settled(() => endpoint.got.length);
    expect([endpoint.got, acknowledgedOf(connection)]).toEqual([["1"], 1]);
    await limit({});
    await expect.poll(() => acknowledgedOf(connection)).toBe(5);
    expect(namesOf(endpoint.got)).toEqual(upTo(5));
  });

  it("of a plain socket's requests does so, too, and more than may wait is closed with 1013, which names it", async ({ expect }) => {
    const { endpoint, heard, openPlain, limit, blockedMs } = await timedShard("time-plain", { quota: LITTLE });
    const [kept, loud] = [await openPlain(), await openPlain()];
    kept.socket.send("1");
    await expect.poll(blockedMs).toBeGreaterThan(TAKES_MS / 0.01 / 2);
    await heard();
    for (const name of upTo(5).slice(1)) kept.socket.send(String(name));
    for (let count = 0; count < 300; count += 1) loud.socket.send("x");
    await expect.poll(() => loud.closes).toEqual([{ code: 1013, reason: "service-time" }]);
    expect(namesOf(endpoint.got)).toEqual([1]);
    await limit({});
    await expect.poll(() => namesOf(endpoint.got)).toEqual(upTo(5));
  });

  it("does not hold back what the endpoint says", async ({ expect }) => {
    const { heard, open, push, blockedMs } = await timedShard("time-push", { quota: LITTLE });
    const connection = await open();
    connection.socket.send("m1:1");
    await expect.poll(blockedMs).toBeGreaterThan(0);
    await heard();
    await push("news");
    await expect.poll(() => connection.frames.at(-1)).toBe("m1:news");
  });

  it("that requests over HTTP have used up is felt by sockets whose endpoint is connected by WebSocket", async ({ expect }) => {
    const { endpoint, open, useTime, limit } = await timedShard("time-websocket", { quota: LITTLE, mode: "websocket" });
    const connection = await open();
    await useTime(1_000);
    let sent = 0;
    const say = (): void => connection.socket.send(`m${(sent += 1)}:${sent}`);
    // It asks once a second while messages pass.
    await expect
      .poll(
        () => {
          say();
          return sent - endpoint.got.length;
        },
        { interval: 200 },
      )
      .toBeGreaterThan(5);
    await limit({});
    await expect.poll(() => acknowledgedOf(connection)).toBe(sent);
    expect(namesOf(endpoint.got)).toEqual(upTo(sent));
  });

  it("in shadow is counted and holds nothing back", async ({ expect }) => {
    const { heard, open, shadowOf } = await timedShard("time-shadow", { quota: { ...LITTLE, mode: "shadow" } });
    const connection = await open();
    connection.socket.send("m1:1");
    // A request that comes now would be refused, were it not in shadow.
    await expect.poll(async () => shadowOf("cpu")).toBe(1);
    await heard();
    for (const name of [2, 3]) connection.socket.send(`m${name}:${name}`);
    await expect.poll(() => acknowledgedOf(connection)).toBe(3);
  });
});
