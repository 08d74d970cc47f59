import { expect, it } from "vitest";
import { FakeWorld } from "./fake-world.ts";

it("what is still on its way to a socket that has ended is not its application's", async () => {
  const world = new FakeWorld();
  const events: unknown[] = [];
  const aborter = new AbortController();
  world.client().connect("echo", {
    onMessage: (payload) => events.push(payload),
    onOnline: (isOnline) => events.push(isOnline ? "online" : "offline"),
    onEnd: ({ kind }) => events.push(kind),
    signal: aborter.signal,
  });
  await world.pass(1);
  const { socket } = world;
  aborter.abort();
  // Until its close is answered a WebSocket hands over what comes.
  socket.emit("message", "m1:late");
  socket.emit("message", '{"type":"drain","reason":"deploy","graceMs":0}');
  await world.pass(60_000);
  expect(events).toEqual(["online", "closed"]);
  expect(world.sockets).toHaveLength(1);
});
