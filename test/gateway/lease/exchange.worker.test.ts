// How requests ask a pool that answers late, never, or not at all. That many contexts take part is test/end-to-end/asking.test.ts.
import { describe, expect, it, vi } from "vitest";
import { askAndHear } from "#gateway/lease/exchange.ts";
import { ServiceLease } from "#gateway/lease/service-lease.ts";
import type { RequestScope } from "#gateway/request-scope.ts";
import type { ExchangeAnswer, ExchangeMessage, SlotVerdict } from "#shared/protocol/exchange.ts";
import { instantiateKernels } from "#wasm/binding/kernels.ts";
import { kernelsModule } from "#wasm/binding/module.ts";
import { useFakeTime } from "../../support/worker/fake-time.ts";

const FLOW = "acme/gold";
const WAIT_MS_MAX = 5_000;

useFakeTime();

const grantOf = (slotId: string): SlotVerdict => ({
  ok: true,
  slot: { slotId, shardId: "s-1", endpointUrl: "https://e.example", waitedMs: 0, lifeMs: 2_000 },
  slotId,
  askedAtMs: Date.now(),
});

interface Call {
  readonly message: ExchangeMessage;
  answer(...verdicts: readonly SlotVerdict[]): void;
  fail(): void;
}

/** An isolate, the calls that have reached its pool, and who carries them. */
class Isolate {
  readonly calls: Call[] = [];
  readonly carriers: string[] = [];
  readonly #lease = new ServiceLease("h", { service: "svc", region: null, home: undefined }, () => instantiateKernels(kernelsModule));

  /** A request that asks; what it hears. */
  ask(slotId: string, signal = new AbortController().signal): Promise<SlotVerdict | null> {
    const scope = {
      request: { signal },
      env: {
        POOL: { idFromName: (name: string) => name, get: () => ({ exchange: (message: ExchangeMessage) => this.#exchange(message) }) },
      },
      ctx: { waitUntil: () => this.carriers.push(slotId) },
      isolate: { holder: "h", configurationVersion: 1, configuration: { expire: () => undefined } },
    } as unknown as RequestScope;
    const ask = { slotId, flow: FLOW, urgency: 3, affinityKey: null };
    return askAndHear(scope, this.#lease, { ask, waitsUntilMs: Date.now() + WAIT_MS_MAX });
  }

  call(index: number): Call {
    const call = this.calls[index];
    if (call === undefined) throw new Error(`there were ${this.calls.length} calls, expected more than ${index}`);
    return call;
  }

  askedIn(index: number): readonly string[] {
    return this.call(index).message.asks.map(({ slotId }) => slotId);
  }

  #exchange(message: ExchangeMessage): Promise<ExchangeAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<ExchangeAnswer>();
    this.calls.push({
      message,
      answer: (...verdicts) => resolve({ verdicts, poolLife: "one", configurationVersion: 1 }),
      fail: () => reject(Object.assign(new Error("Network connection lost."), { retryable: true })),
    });
    return promise;
  }
}

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

describe("a request that asks", () => {
  it("hears by a call that another one made, and nobody calls once all have heard", async () => {
    const isolate = new Isolate();
    const heard = [isolate.ask("r-1"), isolate.ask("r-2"), isolate.ask("r-3")];
    await pass(2);
    expect([isolate.askedIn(0), isolate.askedIn(1)]).toEqual([["r-1"], ["r-2", "r-3"]]);
    expect(isolate.carriers).toEqual(["r-1", "r-2"]);
    isolate.call(0).answer(grantOf("r-3"), grantOf("r-1"), grantOf("r-2"));
    expect(await Promise.all(heard)).toMatchObject([{ slotId: "r-1" }, { slotId: "r-2" }, { slotId: "r-3" }]);
    isolate.call(1).answer();
    await pass(60_000);
    expect(isolate.calls).toHaveLength(2);
  });

  it("asks again, by a call of its own, where the call that it was in is lost with another's context", async () => {
    const isolate = new Isolate();
    const heard = [isolate.ask("r-1"), isolate.ask("r-2")];
    await pass(2);
    expect(isolate.calls).toHaveLength(2);
    await pass(1_500);
    expect(isolate.askedIn(2)).toEqual(["r-1", "r-2"]);
    isolate.call(2).answer(grantOf("r-1"), grantOf("r-2"));
    expect(await Promise.all(heard)).toMatchObject([{ slotId: "r-1" }, { slotId: "r-2" }]);
  });

  it("hears of no word two seconds after its time, and has the pool forget it", async () => {
    const isolate = new Isolate();
    const heard = isolate.ask("r-1");
    await pass(WAIT_MS_MAX + 3_000);
    expect(await heard).toBeNull();
    await pass(2_000);
    expect(isolate.calls.filter(({ message }) => message.cancelled.includes("r-1"))).toHaveLength(1);
    const count = isolate.calls.length;
    await pass(60_000);
    expect(isolate.calls).toHaveLength(count);
  });

  it("hears the error where its pool cannot be asked three times in a row", async () => {
    const isolate = new Isolate();
    const heard = isolate.ask("r-1").catch((error: unknown) => error);
    for (let index = 0; index < 3; index += 1) {
      isolate.call(index).fail();
      await pass(1_000);
    }
    expect(await heard).toMatchObject({ message: "Network connection lost." });
    // It may have arrived. The pool is left alone until somebody has something to say to it.
    await pass(10_000);
    expect(isolate.calls).toHaveLength(3);
    void isolate.ask("r-2");
    await pass(10);
    expect(isolate.call(3).message).toMatchObject({ asks: [{ slotId: "r-2" }], cancelled: ["r-1"] });
  });
});

it("a request makes some dozens of calls for others, and then no more than it needs itself: what it may call is counted", async () => {
  const isolate = new Isolate();
  const heard = isolate.ask("r-1");
  for (let turn = 0; turn < 1_000; turn += 1) {
    isolate.calls.at(-1)?.answer(grantOf(`other-${turn}`));
    await pass(2);
  }
  expect(isolate.calls.length).toBeGreaterThan(32);
  expect(isolate.calls.length).toBeLessThan(40);
  isolate.calls.at(-1)?.answer();
  await pass(500);
  isolate.calls.at(-1)?.answer(grantOf("r-1"));
  expect(await heard).toMatchObject({ slotId: "r-1" });
});

it("another that waits makes the next call at once where whoever made them makes no more", async () => {
  const isolate = new Isolate();
  const heard = [isolate.ask("r-1"), isolate.ask("r-2")];
  for (let turn = 0; turn < 40; turn += 1) {
    for (const call of isolate.calls) call.answer(grantOf(`other-${turn}`));
    await pass(2);
  }
  expect(isolate.calls.length).toBeGreaterThan(36);
  isolate.calls.at(-1)?.answer(grantOf("r-1"), grantOf("r-2"));
  expect(await Promise.all(heard)).toMatchObject([{ slotId: "r-1" }, { slotId: "r-2" }]);
});

describe("a device that goes away", () => {
  it("while its request waits has the pool told, and the others hear as before", async () => {
    const isolate = new Isolate();
    const aborter = new AbortController();
    const [gone, stays] = [isolate.ask("r-1", aborter.signal), isolate.ask("r-2")];
    await pass(2);
    aborter.abort();
    await pass(10);
    expect(await gone).toMatchObject({ ok: false, outcome: "cancelled" });
    // Two are on the way already: with the next.
    isolate.call(0).answer();
    await pass(10);
    expect(isolate.call(2).message).toMatchObject({ asks: [], cancelled: ["r-1"] });
    isolate.call(2).answer(grantOf("r-2"));
    expect(await stays).toMatchObject({ slotId: "r-2" });
  });

  it("before its request asks has nothing asked for it", async () => {
    const isolate = new Isolate();
    expect(await isolate.ask("r-1", AbortSignal.abort())).toMatchObject({ ok: false, outcome: "cancelled" });
    await pass(10);
    expect(isolate.calls).toEqual([]);
  });
});
