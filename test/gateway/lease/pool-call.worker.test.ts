import { describe, expect, it } from "vitest";
import { callHome, callPool } from "#gateway/lease/pool-call.ts";
import type { PoolRpc } from "#shared/protocol/pool-rpc.ts";

const PLACE = { service: "echo", region: null, home: undefined };
const ENDED = { slotId: "s-1", holder: "h-1", flow: "acme/gold", outcome: "admitted-queued" } as const;

/** What the runtime throws where an object was not reached, or takes no more. */
const lost = (marks: Readonly<Record<string, boolean>> = { retryable: true }): Error =>
  Object.assign(new Error("Network connection lost."), marks);

/** A pool that fails so often. Each call says whether the turn of the failure before it was over. */
class LosingPool {
  readonly isTurnOver: boolean[] = [];
  readonly #failures: Error[];
  #isTurnOver = true;

  constructor(failures: readonly Error[]) {
    this.#failures = [...failures];
  }

  get pools(): Parameters<typeof callPool>[0] {
    const namespace = { idFromName: (name: string) => name, get: () => ({ release: async () => this.#call() }) };
    return { POOL: namespace, REGIONAL_POOL: namespace } as unknown as Parameters<typeof callPool>[0];
  }

  get wasTurnOver(): boolean {
    return this.#isTurnOver;
  }

  #call(): void {
    this.isTurnOver.push(this.#isTurnOver);
    const failure = this.#failures.shift();
    if (failure === undefined) return;
    this.#isTurnOver = false;
    setTimeout(() => (this.#isTurnOver = true), 0);
    throw failure;
  }
}

describe("a call to a pool that did not arrive", () => {
  it.for([
    { name: "a pool", ask: async (one: LosingPool) => callPool(one.pools, PLACE, async (pool) => pool.release(ENDED)) },
    { name: "its home", ask: async (one: LosingPool) => callHome(one.pools, PLACE, async (pool: PoolRpc) => pool.release(ENDED)) },
  ])("$name is repeated, and not in the turn in which it failed: workerd dies of that", async ({ ask }) => {
    const pool = new LosingPool([lost(), lost()]);
    await ask(pool);
    expect(pool.isTurnOver).toEqual([true, true, true]);
  });

  it("fails for good after three attempts, and not in the turn of the last: what it was for is given back with another call", async () => {
    const pool = new LosingPool([lost(), lost(), lost()]);
    const isTurnOver = callPool(pool.pools, PLACE, async (one) => one.release(ENDED)).then(
      () => expect.unreachable("it failed three times"),
      () => pool.wasTurnOver,
    );
    expect(await isTurnOver).toBe(true);
    expect(pool.isTurnOver).toEqual([true, true, true]);
  });

  it.for([{}, { overloaded: true }, { retryable: true, overloaded: true }])(
    "is not repeated where the runtime says %o of it",
    async (marks) => {
      const pool = new LosingPool([lost(marks)]);
      await expect(callPool(pool.pools, PLACE, async (one) => one.release(ENDED))).rejects.toThrow("Network connection lost.");
      expect(pool.isTurnOver).toHaveLength(1);
    },
  );
});
