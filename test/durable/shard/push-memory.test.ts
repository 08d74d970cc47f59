import { expect, it } from "vitest";
import { PushMemory } from "#durable/shard/push-memory.ts";

it("knows who has which push, for a minute", () => {
  const memory = new PushMemory();
  memory.note("p", "s", 0);
  memory.note("q", "s", 50_000);
  expect([memory.has("p", "s"), memory.has("p", "t"), memory.has("q", "s"), memory.has("r", "s")]).toEqual([true, false, true, false]);
  expect(memory.of("s", 59_999)).toEqual(["p", "q"]);
  expect(memory.of("s", 60_000)).toEqual(["q"]);
  expect(memory.has("p", "s")).toBe(false);
});

it("remembers 256 pushes and 100,000 sockets at most: the oldest go", () => {
  const memory = new PushMemory();
  for (let push = 0; push < 257; push += 1) memory.note(`p${push}`, "s", 0);
  expect([memory.has("p0", "s"), memory.has("p1", "s"), memory.of("s", 0).length]).toEqual([false, true, 256]);
  for (let socket = 0; socket < 99_999; socket += 1) memory.note("large", `s${socket}`, 0);
  expect(memory.has("p256", "s")).toBe(true);
  for (let socket = 0; socket < 2; socket += 1) memory.note("more", `s${socket}`, 0);
  expect([memory.has("p256", "s"), memory.has("large", "s0"), memory.has("more", "s0")]).toEqual([false, false, true]);
});
