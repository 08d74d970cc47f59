// What sockets keep of a flow's memory: what each was given when it opened, whatever its device or endpoint does.
import { beforeAll, describe, expect, it, vi } from "vitest";
import { BufferBudget } from "#durable/shard/buffer-budget.ts";
import { SOCKET_BYTES_MIN } from "#durable/pool/socket-memory.ts";
import type { SocketEvent } from "#shared/protocol/websocket-events.ts";
import {
  acknowledgedOf,
  kib,
  KIB,
  namesOf,
  numbersOf,
  pacedShard,
  SLOW,
  stubEndpoints,
  tokenOf,
  upTo,
} from "../../support/worker/paced-shard.ts";

const SOCKETS = 4;
const QUOTA = { memoryBytesMax: SOCKETS * SOCKET_BYTES_MIN };
/** Of a session: what its device may send, and what is kept for it. */
const WINDOW_BYTES = SOCKET_BYTES_MIN / 4;
const KEPT_BYTES = SOCKET_BYTES_MIN - WINDOW_BYTES;
const [WINDOW_COUNT, KEPT_COUNT] = [WINDOW_BYTES / KIB, KEPT_BYTES / KIB];
/** Of a plain socket, each way. */
const PLAIN_BYTES = SOCKET_BYTES_MIN / 2;
const MODES = ["http", "websocket"] as const;

/** By service: the most that the sessions of one of its objects kept at a time. */
const bytesMost = new Map<string, number>();
beforeAll(() => {
  stubEndpoints();
  const { note } = BufferBudget.prototype;
  vi.spyOn(BufferBudget.prototype, "note").mockImplementation(function (this: BufferBudget, live) {
    note.call(this, live);
    const { service } = live.route;
    bytesMost.set(service, Math.max(bytesMost.get(service) ?? 0, this.bytes));
  });
});

const text = (name: number): SocketEvent => ({ type: "TEXT", text: kib(name) });
const firstOf = ({ frames }: { frames: readonly string[] }): object => JSON.parse(frames[0] ?? "{}") as object;

describe.for(MODES)("a session in %s mode", (mode) => {
  it("whose device stops reading keeps its part for it, tells who pushes, and goes on when it reads again", async () => {
    const { open, push } = await pacedShard(`unread-${mode}`, { quota: QUOTA, mode });
    const connection = await open();
    expect(firstOf(connection)).toMatchObject({ type: "welcome", windowBytes: WINDOW_BYTES });
    const answers = [];
    for (const name of upTo(2 * KEPT_COUNT)) answers.push(await push(kib(name)));
    expect(answers.map(({ taken }) => taken)).toEqual(answers.map((_, index) => Number(index < KEPT_COUNT)));
    expect(answers.at(-1)).toMatchObject({ full: 1 });
    expect(bytesMost.get(`unread-${mode}`)).toBe(KEPT_BYTES);
    connection.socket.send(`a${KEPT_COUNT}`);
    await expect.poll(async () => (await push(kib(KEPT_COUNT + 1))).taken).toBe(1);
    await expect.poll(() => numbersOf(connection)).toEqual(upTo(KEPT_COUNT + 1));
    expect(connection.closes).toEqual([]);
  });

  it("is never kept a message larger than all of its part, and who pushes is told so, and how large one may be", async () => {
    const { open, push } = await pacedShard(`too-large-${mode}`, { quota: QUOTA, mode });
    const connection = await open();
    const refused = { taken: 0, full: 0, sent: 0, tooLarge: { count: 1, bytesMax: KEPT_BYTES } };
    expect(await push("x".repeat(KEPT_BYTES + 1))).toEqual(refused);
    expect(await push("x".repeat(KEPT_BYTES))).toEqual({ taken: 1, full: 0, sent: 0 });
    // Now it is full, which passes; and what never fits is no other for that.
    expect(await push("x")).toEqual({ taken: 0, full: 1, sent: 0 });
    expect(await push("x".repeat(KEPT_BYTES + 1))).toEqual(refused);
    connection.socket.send("a1");
    await expect.poll(async () => (await push("x")).taken).toBe(1);
    expect(connection.closes).toEqual([]);
  });

  it("whose endpoint floods it beyond that is over, and its device is told exactly what it misses", async () => {
    const { endpoint, open, slots } = await pacedShard(`flooded-${mode}`, { quota: QUOTA, mode });
    const connection = await open();
    endpoint.answer = () => upTo(KEPT_COUNT + 8).map(text);
    connection.socket.send("m1:go");
    await expect.poll(() => connection.closes).toMatchObject([{ code: 1013 }]);
    const end = JSON.parse(connection.frames.at(-1) ?? "{}") as { why: string; sent: number; reason: string };
    expect(end).toMatchObject({
      type: "end",
      why: "overflow",
      reason: expect.stringContaining(`${KEPT_BYTES} bytes of its tenant's memory`),
    });
    expect(numbersOf(connection)).toEqual(upTo(end.sent));
    expect(bytesMost.get(`flooded-${mode}`)).toBeLessThanOrEqual(SOCKET_BYTES_MIN);
    await expect.poll(slots).toBe(0);
  });

  it("is told its window again after its object has died, and where it has moved", async () => {
    const { open, resume, move, die, push } = await pacedShard(`told-${mode}`, { quota: QUOTA, mode });
    const first = await open();
    for (const name of upTo(20)) await push(kib(name));
    await die();
    const again = await resume(tokenOf(first), { attempt: 2, received: 0 });
    expect(firstOf(again)).toMatchObject({ type: "resumed", windowBytes: WINDOW_BYTES });
    expect((await push(kib(21))).taken).toBe(1);
    const moved = await move(tokenOf(again), { attempt: 3, received: 5 });
    expect(firstOf(moved)).toMatchObject({ type: "resumed", windowBytes: WINDOW_BYTES });
    await expect.poll(() => numbersOf(moved)).toEqual(upTo(21).slice(5));
  });

  it("is told nothing where its tenant's memory is not limited, or in shadow, and keeps as much as ever", async () => {
    for (const quota of [{ slots: 8 }, { ...QUOTA, mode: "shadow" }]) {
      const { open, push } = await pacedShard(`free-${mode}-${Object.keys(quota).length}`, { quota, mode });
      const connection = await open();
      expect(firstOf(connection)).not.toHaveProperty("windowBytes");
      for (const name of upTo(2 * KEPT_COUNT)) expect((await push(kib(name))).taken).toBe(1);
      await expect.poll(() => numbersOf(connection)).toEqual(upTo(2 * KEPT_COUNT));
    }
  });
});

it("a session whose endpoint does not answer puts off a device that knows of no window, and loses nothing", async () => {
  const { endpoint, open, resume } = await pacedShard("stalled", { quota: QUOTA });
  let connection = await open();
  const token = tokenOf(connection);
  const stalled = Promise.withResolvers<void>();
  endpoint.takes = async () => stalled.promise;
  const count = 3 * WINDOW_COUNT;
  for (const name of upTo(count)) connection.socket.send(`m${name}:${kib(name)}`);
  await expect.poll(() => connection.closes).toEqual([{ code: 1013, reason: "memory" }]);
  expect(bytesMost.get("stalled")).toBe(WINDOW_BYTES);
  expect(endpoint.got).toEqual([]);
  stalled.resolve();
  // As a device of an older version does: all that is not acknowledged, at once.
  for (let attempt = 2; acknowledgedOf(connection) < count; attempt += 1) {
    connection = await resume(attempt === 2 ? token : tokenOf(connection), { attempt, received: 0 });
    const { received } = firstOf(connection) as { received: number };
    for (const name of upTo(count).slice(received)) connection.socket.send(`m${name}:${kib(name)}`);
    await expect.poll(() => connection.closes.length > 0 || acknowledgedOf(connection) === count).toBe(true);
  }
  expect(namesOf(endpoint.got)).toEqual(upTo(count));
  expect(bytesMost.get("stalled")).toBe(WINDOW_BYTES);
});

it("a session that moves breaks off its request under way, before the next shard asks it again", async () => {
  const { endpoint, open, move } = await pacedShard("moves-busy", { quota: QUOTA });
  const first = await open();
  const stalled = Promise.withResolvers<void>();
  endpoint.takes = async () => stalled.promise;
  first.socket.send(`m1:${kib(1)}`);
  await expect.poll(() => endpoint.requests.now).toBe(1);
  const moved = await move(tokenOf(first), { attempt: 2, received: 0 });
  expect(endpoint.requests).toEqual({ now: 0, most: 1, aborted: 1 });
  moved.socket.send(`m1:${kib(1)}`);
  await expect.poll(() => endpoint.requests.now).toBe(1);
  stalled.resolve();
  await expect.poll(() => acknowledgedOf(moved)).toBe(1);
  expect([namesOf(endpoint.got), endpoint.requests.most]).toEqual([[1], 1]);
});

it("a message that never fits ends its session, as one that is too large", async () => {
  const { endpoint, open } = await pacedShard("never-fits", { quota: QUOTA });
  const connection = await open();
  connection.socket.send(`m1:${"x".repeat(WINDOW_BYTES + 1)}`);
  await expect.poll(() => connection.closes).toEqual([{ code: 1009, reason: "message-size" }]);
  expect(endpoint.got).toEqual([]);
});

it("all sockets of a flow keep no more than its memory, at every shard together, and one more is refused", async () => {
  const { endpoint, open, openPlain, push, shard, bufferedBytes, slots } = await pacedShard("together", { quota: QUOTA, mode: "http" });
  const connections = [];
  for (const _ of upTo(SOCKETS)) connections.push(await open());
  await expect(openPlain(true)).rejects.toThrow("no slot");
  for (const name of upTo(2 * KEPT_COUNT)) await push(kib(name));
  for (const { socket } of connections) for (const name of upTo(4)) socket.send(`m${name}:${"x".repeat(WINDOW_BYTES / 4)}`);
  await expect.poll(() => endpoint.got.length).toBe(4 * SOCKETS);
  expect(bytesMost.get("together")).toBeLessThanOrEqual(QUOTA.memoryBytesMax);
  // What its endpoint has is kept until it has answered.
  await expect.poll(async () => bufferedBytes(shard())).toBe(SOCKETS * KEPT_BYTES);
  connections[0]?.socket.close(1000);
  await expect.poll(slots).toBe(SOCKETS - 1);
  await expect(openPlain(true)).resolves.toBeDefined();
});

describe("of a flow with a bandwidth", () => {
  const quota = { ...SLOW, memoryBytesMax: 8 * 1_024 * KIB };

  it.concurrent.for(MODES)(
    "a session in %s mode that ends has its slot until nothing of its messages is kept",
    async (mode, { expect: expectHere }) => {
      const { endpoint, open, slots, shard, bufferedBytes } = await pacedShard(`tail-${mode}`, { quota, mode });
      const connection = await open();
      // What may go at once, and then as much as its window holds.
      for (const name of upTo(15)) connection.socket.send(`m${name}:${kib(name)}`);
      await expectHere.poll(() => acknowledgedOf(connection)).toBe(15);
      for (const name of upTo(15)) connection.socket.send(`m${15 + name}:${kib(15 + name)}`);
      await expectHere.poll(() => acknowledgedOf(connection)).toBe(30);
      for (const name of upTo(16)) connection.socket.send(`m${30 + name}:${kib(30 + name)}`);
      await expectHere.poll(async () => bufferedBytes(shard())).toBeGreaterThan(8 * KIB);
      connection.socket.close(1000);
      let isSeen = false;
      // Asked in this order: what is kept then was kept when the slot was looked at.
      const kept = async (): Promise<number | null> => {
        const [held, bytes] = [await slots(), await bufferedBytes(shard())];
        isSeen ||= connection.closes.length > 0 && bytes > 0;
        return held > 0 ? null : bytes;
      };
      await expectHere.poll(kept, { timeout: 20_000, interval: 20 }).not.toBeNull();
      expectHere(await kept()).toBe(0);
      expectHere(isSeen).toBe(true);
      expectHere(endpoint.events.at(-1)).toBe("CLOSE");
    },
  );

  it.for(MODES)("a plain socket in %s mode whose messages wait is closed when they take its part", async (mode) => {
    const { openPlain, slots } = await pacedShard(`plain-${mode}`, { quota, mode });
    const [flooding, large] = [await openPlain(), await openPlain()];
    for (const name of upTo(120)) flooding.socket.send(kib(name));
    await expect.poll(() => flooding.closes).toEqual([{ code: 1013, reason: "memory" }]);
    large.socket.send("x".repeat(PLAIN_BYTES + 1));
    await expect.poll(() => large.closes).toEqual([{ code: 1009, reason: "message-size" }]);
    await expect.poll(slots).toBe(0);
  });
});

it("a plain socket over HTTP whose endpoint is slow keeps no more than its part, the request under way counted in", async () => {
  const { endpoint, openPlain } = await pacedShard("plain-slow", { quota: QUOTA, mode: "http" });
  const connection = await openPlain();
  const stalled = Promise.withResolvers<void>();
  let count = 0;
  endpoint.takes = async () => {
    count += 1;
    return stalled.promise;
  };
  for (const name of upTo(PLAIN_BYTES / KIB)) connection.socket.send(kib(name));
  await expect.poll(() => count).toBe(1);
  expect(connection.closes).toEqual([]);
  connection.socket.send("x");
  await expect.poll(() => connection.closes).toEqual([{ code: 1013, reason: "memory" }]);
  stalled.resolve();
});
