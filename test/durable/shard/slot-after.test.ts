import { expect, it } from "vitest";
import { CALL_MS_MAX, SlotKeeper, type SlotDebt } from "#durable/shard/slot-keeper.ts";

const SLOT = { slotId: "s-1", flow: "acme/gold", service: "echo" };

it("a slot that stands for what is kept still is owed on disk at once, lives meanwhile, and goes back after that", async () => {
  const debts = new Map<string, SlotDebt>();
  const released: string[] = [];
  let nowMs = 0;
  const make = () =>
    new SlotKeeper({
      debts: {
        put: (debt) => void debts.set(debt.slotId, debt),
        drop: (slotId) => void debts.delete(slotId),
        all: () => [...debts.values()],
      },
      poolOf: () => ({
        keep: async () => Promise.resolve(true),
        release: async ({ slotId }) => Promise.resolve(released.push(slotId)),
      }),
      owner: "shard-1",
      isHeldOnDisk: () => false,
      wakeAt: () => undefined,
      pause: async () => Promise.resolve(),
      now: () => nowMs,
    });
  const keeper = make();
  const emptied = Promise.withResolvers<void>();
  const done = keeper.release(SLOT, { after: emptied.promise });
  expect([keeper.holds("s-1"), debts.has("s-1")]).toEqual([true, true]);
  nowMs = 2 * CALL_MS_MAX;
  await keeper.look();
  expect(released).toEqual([]);
  // An instance in its place, after it died, has nothing of it.
  await make().look();
  expect(released).toEqual(["s-1"]);
  emptied.resolve();
  await done;
  expect([keeper.holds("s-1"), released.length]).toEqual([false, 2]);
});
