// What the requests of sockets' messages take at the endpoint is service time of their flow; once it is used up what comes next waits, as requests are refused.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { acknowledgedOf, namesOf, pacedShard, settled, stubEndpoint, upTo, type PacedEndpoint } from "../../support/worker/paced-shard.ts";

const TAKES_MS = 150;
/** A request of `TAKES_MS` is paid for in 15 s. */
const LITTLE = { cpuSecondsPerSecond: 0.01 };

let endpoint: PacedEndpoint;
beforeEach(() => {
  endpoint = stubEndpoint();
  endpoint.delayMs = TAKES_MS;
});
afterEach(() => vi.restoreAllMocks());

describe("service time", () => {
  it("of a session's requests is counted, holds back what its device says next, and lets it go when the limit is lifted", async () => {
    const { open, limit, blockedMs } = await pacedShard("time-session", { quota: LITTLE });
    const connection = await open();
    connection.socket.send("m1:1");
    await expect.poll(() => acknowledgedOf(connection)).toBe(1);
    await expect.poll(blockedMs, { timeout: 10_000 }).toBeGreaterThan(TAKES_MS / 0.01 / 2);
    await settled(() => endpoint.got.length);
    for (const name of upTo(5).slice(1)) connection.socket.send(`m${name}:${name}`);
    await settled(() => endpoint.got.length);
    expect([endpoint.got, acknowledgedOf(connection)]).toEqual([["1"], 1]);
    await limit({});
    await expect.poll(() => acknowledgedOf(connection), { timeout: 15_000 }).toBe(5);
    expect(namesOf(endpoint.got)).toEqual(upTo(5));
  });

  it("of a plain socket's requests does so, too, and more than may wait is closed with 1013, which names it", async () => {
    const { openPlain, limit, blockedMs } = await pacedShard("time-plain", { quota: LITTLE });
    const [kept, loud] = [await openPlain(), await openPlain()];
    kept.socket.send("1");
    await expect.poll(blockedMs, { timeout: 10_000 }).toBeGreaterThan(TAKES_MS / 0.01 / 2);
    await settled(() => endpoint.got.length);
    for (const name of upTo(5).slice(1)) kept.socket.send(String(name));
    for (let count = 0; count < 300; count += 1) loud.socket.send("x");
    await expect.poll(() => loud.closes).toEqual([{ code: 1013, reason: "service-time" }]);
    expect(namesOf(endpoint.got)).toEqual([1]);
    await limit({});
    await expect.poll(() => namesOf(endpoint.got), { timeout: 15_000 }).toEqual(upTo(5));
  });

  it("does not hold back what the endpoint says", async () => {
    const { open, push, blockedMs } = await pacedShard("time-push", { quota: LITTLE });
    const connection = await open();
    connection.socket.send("m1:1");
    await expect.poll(blockedMs, { timeout: 10_000 }).toBeGreaterThan(0);
    await settled(() => endpoint.got.length);
    await push("news");
    await expect.poll(() => connection.frames.at(-1)).toBe("m1:news");
  });

  it("that requests over HTTP have used up is felt by sockets whose endpoint is connected by WebSocket", async () => {
    const { open, useTime, limit } = await pacedShard("time-websocket", { quota: LITTLE, mode: "websocket" });
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
        { timeout: 15_000, interval: 200 },
      )
      .toBeGreaterThan(5);
    await limit({});
    await expect.poll(() => acknowledgedOf(connection), { timeout: 15_000 }).toBe(sent);
    expect(namesOf(endpoint.got)).toEqual(upTo(sent));
  });

  it("in shadow is counted and holds nothing back", async () => {
    const { open, shadowOf } = await pacedShard("time-shadow", { quota: { ...LITTLE, mode: "shadow" } });
    const connection = await open();
    for (const name of upTo(3)) {
      connection.socket.send(`m${name}:${name}`);
      await expect.poll(() => acknowledgedOf(connection)).toBe(name);
      await settled(() => endpoint.got.length);
    }
    // A request that comes now would be refused, were it not in shadow.
    expect(await shadowOf("cpu")).toBe(1);
  });
});
