// How often a device comes back.
import { expect, it } from "vitest";
import { SECOND_MS } from "#shared/units.ts";
import { FakeWorld } from "./fake-world.ts";

/** How often it connects within so long. */
async function triesWithin(world: FakeWorld, seconds: number): Promise<number> {
  const before = world.sockets.length;
  for (let second = 0; second < seconds; second += 1) {
    // Opened, and gone before it was attached.
    if (world.sockets.at(-1)?.isOpen === true) world.socket.cut();
    await world.pass(SECOND_MS);
  }
  return world.sockets.length - before;
}

it.for([
  { name: "that never was there", attachedMs: null },
  { name: "that was there for a while", attachedMs: 20 * SECOND_MS },
  { name: "that was there for a moment", attachedMs: SECOND_MS },
])("a gateway $name and lets connections open but carries none is tried less and less often", async ({ attachedMs }) => {
  const world = new FakeWorld();
  world.isMute = attachedMs === null;
  world.client().connect("echo", { onMessage: () => undefined });
  await world.pass(attachedMs ?? SECOND_MS);
  world.isMute = true;
  await triesWithin(world, 60);
  // Half of the largest span, with this world's random number.
  expect(await triesWithin(world, 150)).toBe(10);
});

it("a device whose connections last is back soon each time", async () => {
  const world = new FakeWorld();
  world.client().connect("echo", { onMessage: () => undefined });
  await world.pass(SECOND_MS);
  for (let round = 0; round < 5; round += 1) {
    await world.pass(20 * SECOND_MS);
    const before = world.sockets.length;
    world.socket.cut();
    await world.pass(SECOND_MS / 2);
    expect(world.sockets).toHaveLength(before + 1);
  }
});
