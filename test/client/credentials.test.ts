import { expect, it } from "vitest";
import type { SocketEnd } from "#client/index.ts";
import { FakeWorld } from "./fake-world.ts";

it.for([
  {
    name: "throws",
    fail: () => {
      throw new Error("not signed in yet");
    },
  },
  { name: "rejects", fail: async () => Promise.reject(new Error("not signed in yet")) },
])("a token source that $name is asked again, by sockets and requests", async ({ fail }) => {
  const world = new FakeWorld();
  let asked = 0;
  const client = world.client({ token: () => ((asked += 1) <= 2 ? fail() : "t") });
  await expect(client.fetch("echo", "/")).rejects.toThrow("not signed in yet");
  client.connect("echo", { onMessage: () => undefined });
  await world.pass(10_000);
  expect([asked, world.socket.protocols[1]]).toEqual([3, "tidegate.bearer.t"]);
  expect((await client.fetch("echo", "/")).status).toBe(200);
});

it("a token source that fails while nobody waits for its token is asked again, and nothing else comes of it", async () => {
  const world = new FakeWorld();
  world.refusesUpgrades = true;
  world.answer = () => new Response("{}", { status: 401 });
  let asked = 0;
  const token = async (isRefused: boolean): Promise<string> => {
    asked += 1;
    if (isRefused) throw new Error("the issuer is down");
    return Promise.resolve(`t${asked}`);
  };
  world.client({ token }).connect("echo", { onMessage: () => undefined });
  await world.pass(1);
  expect(asked).toBe(2);
  // A rejection that nobody has taken ends a process, once the event loop has come round.
  await new Promise((resolve) => setImmediate(resolve));
  world.refusesUpgrades = false;
  await world.pass(10_000);
  expect(world.socket.protocols[1]).toBe("tidegate.bearer.t3");
});

it("a socket whose token, or address, fits no connection ends, and says why", async () => {
  const world = new FakeWorld();
  const ends: SocketEnd[] = [];
  const openSocket = (): never => {
    throw new SyntaxError("Invalid Sec-WebSocket-Protocol value");
  };
  const client = world.client({ token: "read-with-its-newline\n", platform: { ...world.platform, openSocket } });
  client.connect("echo", { onMessage: () => undefined, onEnd: (end) => ends.push(end) });
  await world.pass(60_000);
  expect(ends).toEqual([{ kind: "refused", status: 0, detail: "SyntaxError: Invalid Sec-WebSocket-Protocol value" }]);
  expect(world.timerCount).toBe(0);
});
