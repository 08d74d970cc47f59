// Messages of sessions are held to their flow's bandwidth, both ways: a second's worth and 32 KiB at least at once, and no byte more than is
// earned. At 1,024 bytes a second what waits would wait for a minute, and goes when the limit is lifted: so no test here waits for the machine.
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { beforeAll, describe, it } from "vitest";
import {
  acknowledgedOf,
  BURST_BYTES,
  bytesMostSince,
  kib,
  KIB,
  namesOf,
  numbersOf,
  pacedShard,
  silence,
  SLOW,
  stubEndpoints,
  tokenOf,
  upTo,
} from "../../support/worker/paced-shard.ts";

beforeAll(stubEndpoints);

describe.for(["http", "websocket"] as const)("a session in %s mode", { concurrent: true }, (mode) => {
  it("hands its endpoint no more than the bandwidth lets, acknowledges no more, and all of it in order once it may", async ({ expect }) => {
    const { endpoint, settled, open, limit } = await pacedShard(`in-${mode}`, { quota: SLOW, mode });
    const connection = await open();
    const bytesMost = bytesMostSince();
    for (const name of upTo(60)) connection.socket.send(`m${name}:${kib(name)}`);
    await settled(() => endpoint.got.length);
    expect(endpoint.got.length * KIB).toBeLessThanOrEqual(bytesMost());
    expect(endpoint.got.length).toBeGreaterThan(8);
    expect(endpoint.got.length).toBeLessThan(60);
    await expect.poll(() => acknowledgedOf(connection)).toBe(endpoint.got.length);
    await limit({});
    await expect.poll(() => acknowledgedOf(connection)).toBe(60);
    expect(namesOf(endpoint.got)).toEqual(upTo(60));
    expect(connection.closes).toEqual([]);
  });

  it("sends its device no more than the bandwidth lets, and all of it in order once it may", async ({ expect }) => {
    const { settled, open, push, limit } = await pacedShard(`out-${mode}`, { quota: SLOW, mode });
    const connection = await open();
    const bytesMost = bytesMostSince();
    for (const name of upTo(60)) expect(await push(kib(name))).toMatchObject({ taken: 1 });
    await settled(() => numbersOf(connection).length);
    const came = numbersOf(connection).length;
    expect(came * KIB).toBeLessThanOrEqual(bytesMost());
    expect([came > 8, came < 60]).toEqual([true, true]);
    // What is no message is not held back.
    connection.socket.send("ping");
    connection.socket.send(JSON.stringify({ type: "rotated", token: tokenOf(connection) }));
    await limit({});
    await expect.poll(() => numbersOf(connection)).toEqual(upTo(60));
  });

  it("keeps what waits through a resumption: what is sent again counts again, and is not sent twice at once", async ({ expect }) => {
    const { settled, open, push, resume, limit, stats } = await pacedShard(`again-${mode}`, { quota: SLOW, mode });
    const first = await open();
    const bytesMost = bytesMostSince();
    for (const name of upTo(50)) await push(kib(name));
    await settled(() => numbersOf(first).length);
    const came = numbersOf(first).length;
    first.socket.close(4_000);
    const next = await resume(tokenOf(first), { attempt: 2, received: came - 3 });
    await settled(() => numbersOf(next).length);
    const again = numbersOf(next);
    expect((came + again.length) * KIB).toBeLessThanOrEqual(bytesMost());
    expect(again).toEqual(upTo(again.length).map((name) => came - 3 + name));
    await limit({});
    await expect.poll(() => numbersOf(next).at(-1)).toBe(50);
    expect(numbersOf(next)).toEqual(upTo(53 - came).map((name) => came - 3 + name));
    // What waited for the connection that is gone was not paid for, but for one or two that were earned as it went.
    const paidBytes = async (): Promise<number> => (await stats()).counters.bytes["acme/gold"] ?? 0;
    await expect.poll(paidBytes).toBeGreaterThanOrEqual(53 * KIB);
    expect(await paidBytes()).toBeLessThanOrEqual(55 * KIB);
  });

  it("loses nothing where its object dies with messages that wait, either way", async ({ expect }) => {
    const { endpoint, settled, open, push, resume, limit, die } = await pacedShard(`dies-${mode}`, { quota: SLOW, mode });
    const first = await open();
    for (const name of upTo(40)) await push(kib(name));
    for (const name of upTo(40)) first.socket.send(`m${name}:${kib(name)}`);
    await settled(() => numbersOf(first).length + endpoint.got.length);
    await die();
    const received = numbersOf(first).at(-1) ?? 0;
    const next = await resume(tokenOf(first), { attempt: 2, received });
    const { received: has } = JSON.parse(next.frames[0] ?? "{}") as { received: number };
    // The device has what was not acknowledged still.
    for (const name of upTo(40).slice(has)) next.socket.send(`m${name}:${kib(name)}`);
    await limit({});
    await expect.poll(() => acknowledgedOf(next)).toBe(40);
    expect(namesOf(endpoint.got)).toEqual(upTo(40));
    await expect.poll(() => numbersOf(next)).toEqual(upTo(40).slice(received));
  });

  it("takes what waits along where it moves to another shard, which sends it on as the bandwidth lets it", async ({ expect }) => {
    const { endpoint, settled, open, push, move, limit, shard, slots } = await pacedShard(`moves-${mode}`, { quota: SLOW, mode });
    const first = await open();
    const bytesMost = bytesMostSince();
    for (const name of upTo(50)) await push(kib(name));
    for (const name of upTo(30)) first.socket.send(`m${name}:${kib(name)}`);
    await settled(() => numbersOf(first).length + endpoint.got.length);
    const received = numbersOf(first).at(-1) ?? 0;
    const next = await move(tokenOf(first), { attempt: 2, received });
    const { received: has } = JSON.parse(next.frames[0] ?? "{}") as { received: number };
    for (const name of upTo(30).slice(has)) next.socket.send(`m${name}:${kib(name)}`);
    await settled(() => next.frames.length);
    expect((received + numbersOf(next).length + endpoint.got.length) * KIB).toBeLessThanOrEqual(bytesMost());
    expect((await shard().drainProgress()).sessions).toBe(0);
    await limit({});
    await expect.poll(() => acknowledgedOf(next)).toBe(30);
    expect(namesOf(endpoint.got)).toEqual(upTo(30));
    await expect.poll(() => numbersOf(next)).toEqual(upTo(50).slice(received));
    await expect.poll(slots).toBe(1);
  });

  it("is not put to sleep while messages wait, either way", async ({ expect }) => {
    const { endpoint, settled, renewals, open, push, limit, shard } = await pacedShard(`awake-${mode}`, { quota: SLOW, mode });
    const connection = await open();
    for (const name of upTo(40)) await push(kib(name));
    for (const name of upTo(40)) connection.socket.send(`m${name}:${kib(name)}`);
    await settled(() => numbersOf(connection).length + endpoint.got.length);
    let isEvicted = false;
    const evicted = evictDurableObject(shard()).then(() => (isEvicted = true));
    // It goes on asking.
    const asked = await renewals();
    await expect.poll(renewals).toBeGreaterThan(asked + 1);
    expect(isEvicted).toBe(false);
    await limit({});
    await expect.poll(() => acknowledgedOf(connection)).toBe(40);
    await expect.poll(() => numbersOf(connection)).toEqual(upTo(40));
    expect(namesOf(endpoint.got)).toEqual(upTo(40));
    // An endpoint's socket keeps it awake.
    if (mode === "websocket") connection.socket.close(1000);
    await evicted;
  });

  it("that its device closes while messages wait hands them over before its close, or soon without what waits still", async ({
    expect,
  }) => {
    const { endpoint, settled, open, limit, slots, bufferedBytes, shard } = await pacedShard(`leaves-${mode}`, { quota: SLOW, mode });
    const [first, second] = [await open(), await open()];
    for (const name of upTo(60)) first.socket.send(`m${name}:${kib(name)}`);
    await settled(() => endpoint.got.length);
    first.socket.close(1000);
    await expect.poll(() => endpoint.events.filter((event) => event === "CLOSE").length).toBe(1);
    const got = endpoint.got.length;
    expect(got).toBeLessThan(60);
    for (const name of upTo(30)) second.socket.send(`m${name}:${kib(100 + name)}`);
    await expect.poll(async () => bufferedBytes(shard())).toBeGreaterThan(20 * KIB);
    second.socket.close(1000);
    await limit({});
    await expect.poll(() => endpoint.events.filter((event) => event === "CLOSE").length).toBe(2);
    expect(namesOf(endpoint.got)).toEqual([...upTo(got), ...upTo(30).map((name) => 100 + name)]);
    await expect.poll(async () => bufferedBytes(shard())).toBe(0);
    await expect.poll(slots).toBe(0);
  });

  it("that fails while messages wait is over soon, and its device is told what it misses", async ({ expect }) => {
    const { settled, open, push, slots } = await pacedShard(`fails-${mode}`, { quota: SLOW, mode });
    const connection = await open();
    for (const name of upTo(50)) await push(kib(name));
    await settled(() => numbersOf(connection).length);
    // More than a device may say.
    for (let index = 0; index < 6_000; index += 1) connection.socket.send("pong");
    await expect.poll(() => connection.closes).toEqual([{ code: 1008, reason: "message-rate" }]);
    expect(JSON.parse(connection.frames.at(-1) ?? "{}")).toMatchObject({ type: "end", why: "policy", sent: 50 });
    expect(numbersOf(connection)).toEqual(upTo(numbersOf(connection).length));
    await expect.poll(slots).toBe(0);
  });

  it("that is over and whose device has gone takes no more of the bandwidth for what waits", async ({ expect }) => {
    const { settled, open, push, shard, bufferedBytes, slots } = await pacedShard(`gone-${mode}`, { quota: SLOW, mode });
    const connection = await open();
    for (const name of upTo(60)) await push(kib(name));
    await settled(() => numbersOf(connection).length);
    // More than a device may say. What waits is waited for for five seconds, at a KiB each.
    for (let index = 0; index < 6_000; index += 1) connection.socket.send("pong");
    connection.socket.close(4_000);
    await expect.poll(() => connection.closes.length).toBe(1);
    expect([numbersOf(connection).length < 60, await bufferedBytes(shard())]).toEqual([true, 0]);
    await expect.poll(slots).toBe(0);
  });

  it("without a limit asks no pool, and neither does one whose object is silent", async ({ expect }) => {
    const { open, stats, limit } = await pacedShard(`free-${mode}`, { quota: {}, mode });
    const connection = await open();
    for (const name of upTo(60)) connection.socket.send(`m${name}:${kib(name)}`);
    await expect.poll(() => acknowledgedOf(connection)).toBe(60);
    expect((await stats()).counters.renewCalls).toBe(0);
    await limit({});
  });
});

describe.concurrent("a session whose endpoint", () => {
  it("closes while messages wait ends when its device has them all", async ({ expect }) => {
    const { endpoint, settled, open, limit } = await pacedShard("closes", { quota: SLOW });
    endpoint.answer = () => [
      ...upTo(40).map((name) => ({ type: "TEXT", text: kib(name) }) as const),
      { type: "CLOSE", code: 4_001, reason: "done" },
    ];
    const connection = await open();
    connection.socket.send("m1:x");
    await settled(() => numbersOf(connection).length);
    expect(connection.closes).toEqual([]);
    await limit({});
    await expect.poll(() => numbersOf(connection)).toEqual(upTo(40));
    connection.socket.send("a40");
    await expect.poll(() => connection.closes).toEqual([{ code: 4_001, reason: "done" }]);
  });

  it("says more than the window holds meanwhile is over with a reason that names the bandwidth", async ({ expect }) => {
    const { endpoint, settled, open } = await pacedShard("overflows", { quota: SLOW });
    endpoint.answer = () => upTo(200).map((name) => ({ type: "TEXT", text: kib(name) }));
    const connection = await open();
    for (const name of [1, 2]) {
      connection.socket.send(`m${name}:x`);
      if (name === 1) await settled(() => numbersOf(connection).length);
    }
    await expect.poll(() => connection.closes).toMatchObject([{ code: 1013 }]);
    expect(connection.closes[0]?.reason).toContain("bandwidth");
    expect(JSON.parse(connection.frames.at(-1) ?? "{}")).toMatchObject({ type: "end", why: "overflow", sent: 200 });
  });
});

it.concurrent("a device that acknowledges what was not sent to it gets no more of it, and its window is no larger for that", async ({
  expect,
}) => {
  const { settled, open, push, limit, shard } = await pacedShard("liar", { quota: SLOW });
  const connection = await open();
  const bytesMost = bytesMostSince();
  for (const name of upTo(100)) await push(kib(name));
  await settled(() => numbersOf(connection).length);
  connection.socket.send("a90");
  await expect.poll(async () => runInDurableObject(shard(), (instance) => instance.bufferedBytes)).toBe(10 * KIB);
  const most = bytesMost() / KIB;
  await limit({});
  await expect.poll(() => numbersOf(connection).at(-1)).toBe(100);
  expect(numbersOf(connection).slice(-10)).toEqual(upTo(100).slice(90));
  expect(numbersOf(connection).length).toBeLessThanOrEqual(most + 10);
});

it.concurrent("a limit that is added reaches sockets that are open when another one of their tenant and class opens, and outlasts hibernation", async ({
  expect,
}) => {
  const { settled, open, limit, shard, push } = await pacedShard("added", { quota: {} });
  const first = await open();
  await limit(SLOW);
  const bytesMost = bytesMostSince();
  await open();
  await evictDurableObject(shard());
  for (const name of upTo(60)) await push(kib(name), "d-1");
  await settled(() => numbersOf(first).length);
  expect(numbersOf(first).length * KIB).toBeLessThanOrEqual(bytesMost());
});

it.concurrent("a limit that was lifted is asked about no more once another socket of the flow opens, and comes back to all of them as one that is added", async ({
  expect,
}) => {
  const { settled, renewals, open, limit, shard, push } = await pacedShard("lifted", { quota: { bandwidthBytesPerSecond: 10_000_000 } });
  const first = await open();
  const talk = async (from: number, to: number): Promise<void> => {
    for (let name = from; name <= to; name += 1) first.socket.send(`m${name}:x`);
    await expect.poll(() => acknowledgedOf(first)).toBe(to);
  };
  await talk(1, 10);
  await limit({});
  await open();
  // What was on its way, and what is held goes back.
  await silence();
  const before = await renewals();
  await talk(11, 20);
  await silence();
  await evictDurableObject(shard());
  await talk(21, 30);
  await silence();
  expect([before > 0, await renewals()]).toEqual([true, before]);
  await limit(SLOW);
  const bytesMost = bytesMostSince();
  await open();
  for (const name of upTo(60)) await push(kib(name), "d-1");
  await settled(() => numbersOf(first).length);
  expect(numbersOf(first).length * KIB).toBeLessThanOrEqual(bytesMost());
});

it.concurrent("a shadow holds nothing back, and counts what it would have; the bytes are told a second after the last message", async ({
  expect,
}) => {
  const { open, stats } = await pacedShard("shadow", { quota: { ...SLOW, mode: "shadow" } });
  const connection = await open();
  for (const name of upTo(100)) connection.socket.send(`m${name}:${kib(name)}`);
  await expect.poll(() => acknowledgedOf(connection)).toBe(100);
  await expect.poll(async () => (await stats()).counters.bytes["acme/gold"]).toBe(100 * KIB);
  expect((await stats()).counters.shadow["acme/gold bandwidth"]).toBeGreaterThan(100 * KIB - BURST_BYTES - 20 * KIB);
});

it.concurrent("an object whose devices have fallen silent asks no pool, holds no credit and has no alarm for it", async ({ expect }) => {
  const { renewals, open, stats, shard } = await pacedShard("quiet", { quota: { bandwidthBytesPerSecond: 10_000_000 } });
  const connection = await open();
  const alarm = async () => runInDurableObject(shard(), async (_instance, { storage }) => storage.getAlarm());
  const alarmAtMs = await alarm();
  connection.socket.send("m1:x");
  await expect.poll(() => acknowledgedOf(connection)).toBe(1);
  await silence();
  // Its credit, and nothing that would have to go back.
  expect([await renewals(), (await stats()).counters.bytes["acme/gold"]]).toEqual([1, 1]);
  connection.socket.send(`m2:${"x".repeat(5_000)}`);
  // Its credit, and a second later what is left of it.
  await expect.poll(renewals).toBe(3);
  await silence();
  expect([await renewals(), (await stats()).counters.bytes["acme/gold"]]).toEqual([3, 5_001]);
  // Its session's alone, or none where that has been: a machine that takes 15 s for this is slow.
  expect([alarmAtMs, null]).toContain(await alarm());
});
