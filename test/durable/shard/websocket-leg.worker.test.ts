// An endpoint's own socket, and what opens another one.
import { evictDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { pacedShard, stubEndpoints, tokenOf } from "../../support/worker/paced-shard.ts";

beforeEach(stubEndpoints);
afterEach(() => vi.restoreAllMocks());

it.for([
  { name: "who comes back for the rest", isAway: true, isEvicted: false },
  { name: "who comes back for the rest once the object has slept", isAway: true, isEvicted: true },
  { name: "who is there when the object wakes up", isAway: false, isEvicted: true },
])("an endpoint that has closed is not connected again for a device $name", async ({ isAway, isEvicted }) => {
  const service = `closed-${isAway ? "away" : "there"}-${isEvicted ? "asleep" : "awake"}`;
  const { endpoint, open, resume, shard, slots } = await pacedShard(service, { quota: {}, mode: "websocket" });
  endpoint.answer = () => [
    { type: "TEXT", text: "last" },
    { type: "CLOSE", code: 4_001, reason: "done" },
  ];
  const first = await open();
  first.socket.send("m1:x");
  await expect.poll(() => first.frames).toContain("m1:last");
  await expect.poll(() => endpoint.events).toEqual(["CLOSE"]);
  if (isAway) first.socket.close(4_000);
  if (isAway) await expect.poll(() => first.closes.length).toBe(1);
  if (isEvicted) await evictDurableObject(shard());
  const connection = isAway ? await resume(tokenOf(first), { attempt: 2, received: 0 }) : first;
  await expect.poll(() => connection.frames).toContain("m1:last");
  connection.socket.send("a1");
  await expect.poll(() => connection.closes).toEqual([{ code: 4_001, reason: "done" }]);
  await expect.poll(slots).toBe(0);
  expect(vi.mocked(fetch).mock.calls).toHaveLength(1);
});
