import { expect, it } from "vitest";
import { PostPermits } from "#durable/shard/post-permits.ts";

it("asks so many at a time, the others in their order, whatever becomes of those before", async () => {
  const permits = new PostPermits();
  const begun: number[] = [];
  const asked = Array.from({ length: 200 }, (_, index) => {
    const answered = Promise.withResolvers<number>();
    const done = permits
      .run(async () => {
        begun.push(index);
        return answered.promise;
      })
      .catch(() => -1);
    return { ...answered, done };
  });
  const largest = () => begun.length;
  expect(largest()).toBe(64);
  for (const [index, { resolve, reject, done }] of asked.entries()) {
    if (index % 3 === 0) reject(new Error("unreachable"));
    else resolve(index);
    expect(await done).toBe(index % 3 === 0 ? -1 : index);
    await Promise.resolve();
    expect(largest()).toBeLessThanOrEqual(Math.min(200, 65 + index));
  }
  expect(begun).toEqual(Array.from({ length: 200 }, (_, index) => index));
});

it("of which farewells have a quarter at the most, and that much however many messages wait", async () => {
  const permits = new PostPermits();
  const under = { message: 0, farewell: 0 };
  const most = { message: 0, farewell: 0 };
  const ends: (() => void)[] = [];
  const ask = async (kind: "message" | "farewell"): Promise<void> => {
    const post = async (): Promise<void> => {
      under[kind] += 1;
      most[kind] = Math.max(most[kind], under[kind]);
      await new Promise<void>((resolve) => ends.push(resolve));
      under[kind] -= 1;
    };
    await permits.run(post, kind);
  };
  const farewells = Array.from({ length: 100 }, async () => ask("farewell"));
  expect(under).toEqual({ message: 0, farewell: 16 });
  // The living find their part free.
  const messages = Array.from({ length: 300 }, async () => ask("message"));
  expect(under).toEqual({ message: 48, farewell: 16 });
  const endOne = async (): Promise<void> => {
    ends.shift()?.();
    for (let tick = 0; tick < 8; tick += 1) await Promise.resolve();
  };
  for (let turn = 0; turn < 60; turn += 1) await endOne();
  expect(under).toEqual({ message: 48, farewell: 16 });
  while (ends.length > 0) await endOne();
  await Promise.all([...farewells, ...messages]);
  expect(most.farewell).toBe(16);
});

it("messages that took all of them give farewells their part as they end", async () => {
  const permits = new PostPermits();
  const ends: (() => void)[] = [];
  const begun: string[] = [];
  const ask = async (kind: "message" | "farewell"): Promise<void> => {
    const post = async (): Promise<void> => {
      begun.push(kind);
      await new Promise<void>((resolve) => ends.push(resolve));
    };
    await permits.run(post, kind);
  };
  const all = [...Array.from({ length: 100 }, async () => ask("message")), ...Array.from({ length: 20 }, async () => ask("farewell"))];
  expect(begun.length).toBe(64);
  for (let turn = 0; turn < 17; turn += 1) {
    ends.shift()?.();
    for (let tick = 0; tick < 8; tick += 1) await Promise.resolve();
  }
  expect(begun.slice(64)).toEqual([...Array.from({ length: 16 }, () => "farewell"), "message"]);
  while (ends.length > 0) {
    ends.shift()?.();
    for (let tick = 0; tick < 8; tick += 1) await Promise.resolve();
  }
  await Promise.all(all);
});
