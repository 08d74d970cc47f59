import { expect, it } from "vitest";
import { FakeWorld } from "./fake-world.ts";

/** Refuses upgrades, and does not say why: as on a kept connection whose network has gone. */
function muteWorld() {
  const world = new FakeWorld();
  world.refusesUpgrades = true;
  let asked = 0;
  const fetch = async (_url: string, { signal }: RequestInit): Promise<Response> => {
    asked += 1;
    return new Promise((_resolve, reject) => signal?.addEventListener("abort", () => reject(new Error("aborted"))));
  };
  return { world, client: world.client({ platform: { ...world.platform, fetch } }), asked: () => asked };
}

it("a socket that is not told why its upgrade was refused tries again all the same", async () => {
  const { world, client, asked } = muteWorld();
  const events: boolean[] = [];
  client.connect("echo", { onMessage: () => undefined, onOnline: (isOnline) => events.push(isOnline) });
  await world.pass(30_000);
  expect([world.sockets.length, asked()]).toEqual([1, 1]);
  world.refusesUpgrades = false;
  await world.pass(1_000);
  expect([world.sockets.length, asked(), events]).toEqual([2, 1, [true]]);
});

it("a socket that ends while it asks why leaves nothing behind", async () => {
  const { world, client, asked } = muteWorld();
  const aborter = new AbortController();
  client.connect("echo", { onMessage: () => undefined, signal: aborter.signal });
  await world.pass(1);
  expect([asked(), world.timerCount]).toEqual([1, 1]);
  aborter.abort();
  await world.pass(1);
  expect(world.timerCount).toBe(0);
});
