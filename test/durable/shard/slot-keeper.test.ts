import { expect, it } from "vitest";
import { SlotKeeper, type SlotDebt } from "#durable/shard/slot-keeper.ts";
import type { SocketAssignment } from "#shared/protocol/shard-rpc.ts";

const SLOT = { slotId: "s-1", flow: "acme/gold", service: "echo" };

/** What a keeper does, in order, whose calls fail so often. */
async function doneBy(act: (keeper: SlotKeeper) => Promise<unknown>, failureCount: number): Promise<string[]> {
  const done: string[] = [];
  const debts = new Map<string, SlotDebt>();
  let failures = failureCount;
  const call = async (name: string): Promise<boolean> => {
    done.push(name);
    failures -= 1;
    if (failures >= 0) throw new Error("Network connection lost.");
    return true;
  };
  const keeper = new SlotKeeper({
    debts: {
      put: (debt) => void debts.set(debt.slotId, debt),
      drop: (slotId) => void debts.delete(slotId),
      all: () => [...debts.values()],
    },
    poolOf: () => ({ keep: async () => call("keep"), release: async () => call("release") }),
    owner: "shard-1",
    isHeldOnDisk: () => false,
    wakeAt: () => undefined,
    pause: async () => void done.push("pause"),
    now: () => 0,
  });
  await act(keeper);
  return done;
}

it.for([
  { name: "a release", act: async (keeper: SlotKeeper) => keeper.release(SLOT), failures: 2, want: "release pause release pause release" },
  {
    name: "one that fails for good",
    act: async (keeper: SlotKeeper) => keeper.release(SLOT),
    failures: 3,
    want: "release pause release pause release",
  },
  {
    name: "a takeover that fails, and is given back",
    act: async (keeper: SlotKeeper) => keeper.takeOver({ ...SLOT, holder: "h-1" } as SocketAssignment),
    failures: 1,
    want: "keep pause release",
  },
])("no call follows one that failed without a pause: $name", async ({ act, failures, want }) => {
  expect((await doneBy(act, failures)).join(" ")).toBe(want);
});
