// Messages of plain sockets, over HTTP and joined to one of the endpoint's, are held to their flow's bandwidth both ways; what waits is in memory, and bounded.
import { beforeAll, describe, it } from "vitest";
import {
  BURST_BYTES,
  bytesMostSince,
  kib,
  KIB,
  namesOf,
  pacedShard,
  SLOW,
  stubEndpoints,
  upTo,
  type PacedConnection,
  type PacedEndpoint,
} from "../../support/worker/paced-shard.ts";

beforeAll(stubEndpoints);

const KINDS = [
  { name: "over HTTP", mode: "http" },
  { name: "joined to one of the endpoint's", mode: "websocket" },
] as const;

/** The endpoint's messages to the device, and its close after them. */
function say(endpoint: PacedEndpoint, { to, names, close }: { to: PacedConnection; names: readonly number[]; close?: number }): void {
  endpoint.answer = (texts) =>
    texts.includes("say")
      ? [
          ...names.map((name) => ({ type: "TEXT", text: kib(name) }) as const),
          ...(close === undefined ? [] : [{ type: "CLOSE", code: close, reason: "done" } as const]),
        ]
      : [];
  to.socket.send("say");
}

describe.for(KINDS)("a plain socket $name", { concurrent: true }, ({ mode }) => {
  it("hands its endpoint no more than the bandwidth lets, and all of it in order once it may", async ({ expect }) => {
    const { endpoint, settled, openPlain, limit, slots } = await pacedShard(`plain-in-${mode}`, { quota: SLOW, mode });
    const { socket, closes } = await openPlain();
    const bytesMost = bytesMostSince();
    for (const name of upTo(60)) socket.send(kib(name));
    await settled(() => endpoint.got.length);
    expect(endpoint.got.length * KIB).toBeLessThanOrEqual(bytesMost());
    expect(endpoint.got.length).toBeLessThan(60);
    await limit({});
    await expect.poll(() => namesOf(endpoint.got)).toEqual(upTo(60));
    expect(closes).toEqual([]);
    socket.close(1000);
    await expect.poll(slots).toBe(0);
  });

  it("sends its device no more than the bandwidth lets, and all of it in order once it may, with the close behind it", async ({
    expect,
  }) => {
    const { endpoint, settled, openPlain, limit, slots } = await pacedShard(`plain-out-${mode}`, { quota: SLOW, mode });
    const connection = await openPlain();
    const bytesMost = bytesMostSince();
    say(endpoint, { to: connection, names: upTo(60) });
    await settled(() => connection.frames.length);
    expect(connection.frames.length * KIB).toBeLessThanOrEqual(bytesMost());
    expect(connection.frames.length).toBeLessThan(60);
    await limit({});
    await expect.poll(() => namesOf(connection.frames)).toEqual(upTo(60));
    say(endpoint, { to: connection, names: [61], close: 4_001 });
    await expect.poll(() => connection.closes).toMatchObject([{ code: 4_001 }]);
    expect(namesOf(connection.frames)).toEqual(upTo(61));
    await expect.poll(slots).toBe(0);
  });

  it("is closed in order behind what waits where that goes soon enough, and without it where it does not", async ({ expect }) => {
    const { endpoint, openPlain, limit, slots } = await pacedShard(`plain-ends-${mode}`, { quota: SLOW, mode });
    const [soon, late] = [await openPlain(), await openPlain()];
    say(endpoint, { to: late, names: upTo(60), close: 4_002 });
    await expect.poll(() => late.closes).toMatchObject([{ code: 4_002 }]);
    expect(namesOf(late.frames)).toEqual(upTo(late.frames.length));
    expect(late.frames.length).toBeLessThan(60);
    say(endpoint, { to: soon, names: upTo(60), close: 4_001 });
    await limit({});
    await expect.poll(() => soon.closes).toMatchObject([{ code: 4_001 }]);
    expect(namesOf(soon.frames)).toEqual(upTo(60));
    await expect.poll(slots).toBe(0);
  });

  it("that its device closes while messages wait for the endpoint hands them over before its close", async ({ expect }) => {
    const { endpoint, settled, openPlain, limit, slots } = await pacedShard(`plain-leaves-${mode}`, { quota: SLOW, mode });
    const { socket } = await openPlain();
    for (const name of upTo(60)) socket.send(kib(name));
    await settled(() => endpoint.got.length);
    socket.close(4_000, "bye");
    await limit({});
    await expect.poll(() => endpoint.events.at(-1)).toBe("CLOSE");
    expect(namesOf(endpoint.got)).toEqual(upTo(60));
    await expect.poll(slots).toBe(0);
  });

  it.for(["device", "endpoint"] as const)(
    "whose %s says more than may wait is closed with 1013, which names the bandwidth",
    async (from, { expect }) => {
      const { endpoint, openPlain, slots } = await pacedShard(`plain-full-${from}-${mode}`, { quota: SLOW, mode });
      const connection = await openPlain();
      // Twice what may go at once, and more than may wait.
      const names = upTo(2 * (BURST_BYTES / KIB) + 300);
      if (from === "endpoint") say(endpoint, { to: connection, names });
      else for (const name of names) connection.socket.send(kib(name));
      await expect.poll(() => connection.closes).toEqual([{ code: 1013, reason: "bandwidth" }]);
      expect(namesOf(connection.frames)).toEqual(upTo(connection.frames.length));
      await expect.poll(() => endpoint.events.at(-1)).toBe("CLOSE");
      await expect.poll(slots).toBe(0);
    },
  );

  it("is sent no push that would have to wait beyond that, and stays open", async ({ expect }) => {
    const { settled, openPlain, push, shard, bufferedBytes } = await pacedShard(`plain-push-${mode}`, { quota: SLOW, mode });
    const { frames, closes } = await openPlain();
    let sent = 0;
    for (const name of upTo(400)) ({ sent } = await push(kib(name)));
    expect([sent, closes]).toEqual([0, []]);
    await settled(() => frames.length);
    const waiting = await bufferedBytes(shard());
    expect([waiting <= 256 * KIB, waiting > 200 * KIB]).toEqual([true, true]);
  });

  it("that its device has closed, or whose close waits, is not said to be sent a push, which would never leave", async ({ expect }) => {
    const { endpoint, settled, openPlain, push } = await pacedShard(`plain-gone-${mode}`, { quota: SLOW, mode });
    const [left, told] = [await openPlain(), await openPlain()];
    for (const name of upTo(60)) left.socket.send(kib(name));
    await settled(() => endpoint.got.length);
    expect(await push(kib(61), "d-1")).toMatchObject({ sent: 1 });
    left.socket.close(1000);
    await expect.poll(() => left.closes.length).toBe(1);
    expect(await push(kib(62), "d-1")).toMatchObject({ sent: 0 });
    say(endpoint, { to: told, names: upTo(40), close: 4_001 });
    await expect.poll(async () => push(kib(41), "d-2")).toMatchObject({ sent: 0 });
    expect(told.closes).toEqual([]);
  });

  it("without a limit asks no pool", async ({ expect }) => {
    const { endpoint, openPlain, stats } = await pacedShard(`plain-free-${mode}`, { quota: {}, mode });
    const { socket } = await openPlain();
    for (const name of upTo(60)) socket.send(kib(name));
    await expect.poll(() => namesOf(endpoint.got)).toEqual(upTo(60));
    expect((await stats()).counters.renewCalls).toBe(0);
  });
});

it.concurrent("what was queued for the endpoint when its device closed does not count against others for ever", async ({ expect }) => {
  const { endpoint, openPlain, slots } = await pacedShard("plain-queue", { quota: {} });
  // More than all plain sockets of an object may have queued, and never so much at once.
  for (let wave = 0; wave < 2; wave += 1) {
    // While the first is under way all the others come, with the close.
    const { promise, resolve } = Promise.withResolvers<void>();
    endpoint.takes = async () => promise;
    const sockets = await Promise.all(upTo(5).map(async () => openPlain()));
    for (const { socket } of sockets) {
      for (const text of ["first", "x".repeat(950_000), "x".repeat(950_000)]) socket.send(text);
      socket.close(1000);
    }
    await expect.poll(() => sockets.map(({ closes }) => closes.length)).toEqual([1, 1, 1, 1, 1]);
    resolve();
    await expect.poll(slots).toBe(0);
  }
  expect(endpoint.got.length).toBe(30);
  const last = await openPlain();
  last.socket.send("hello");
  await expect.poll(() => [endpoint.got.at(-1), last.closes]).toEqual(["hello", []]);
});
