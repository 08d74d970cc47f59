import { expect, it, vi } from "vitest";
import { settle } from "#gateway/lease/renewal.ts";
import { ServiceLease } from "#gateway/lease/service-lease.ts";
import type { RequestScope } from "#gateway/request-scope.ts";
import type { RenewAnswer, RenewMessage } from "#shared/protocol/pool-rpc.ts";
import { instantiateKernels } from "#wasm/binding/kernels.ts";
import { kernelsModule } from "#wasm/binding/module.ts";
import { useFakeTime } from "../../support/worker/fake-time.ts";

const FLOW = "acme/gold";

useFakeTime();

/** An isolate whose last request has just ended, and what its pool is told: calls and, of those that were answered, messages. */
function fallSilent(isAnswered: (call: number) => boolean) {
  const lease = new ServiceLease("h", { service: "svc", region: null, home: undefined }, () => instantiateKernels(kernelsModule));
  const told: RenewMessage[] = [];
  let calls = 0;
  const renew = (message: RenewMessage): Promise<RenewAnswer> => {
    calls += 1;
    if (!isAnswered(calls)) return Promise.reject(new Error("The pool is away."));
    told.push(message);
    const { sequence } = message.lease;
    const answer = { ok: true, sequence, lengthMs: 7_000, renewAfterMs: 3_500, flows: [], lanes: [] } as const;
    return Promise.resolve({ lease: answer, table: null, sheds: [], left: [], isContended: false, configurationVersion: 1 });
  };
  const scope = {
    env: { POOL: { idFromName: (name: string) => name, get: () => ({ renew }) } },
    ctx: { waitUntil: () => undefined },
    isolate: { takeEdgeCounts: () => ({}), restoreEdgeCounts: () => undefined, configuration: { expire: () => undefined } },
  } as unknown as RequestScope;
  lease.expect(FLOW);
  lease.gaveUp(FLOW, "internal");
  settle(scope, lease, Date.now());
  /** One that was admitted, and has ended. */
  const request = (slotId: string): void => {
    const nowMs = Date.now();
    const named = { slotId, shardId: "s", endpointUrl: "https://e.example", waitedMs: 0, lifeMs: 60_000 };
    const slot = lease.take(FLOW, named, { askedAtMs: nowMs, ...lease.ask(FLOW, slotId, nowMs), nowMs });
    if (slot === null) throw new Error("it came in time");
    lease.end(slot, { outcome: "admitted-queued", latencyMs: 1, nowMs });
    settle(scope, lease, nowMs);
  };
  return { told, callCount: () => calls, request };
}

it("an isolate that falls silent tells what it measured once more where no answer came, until one comes", async () => {
  const { told, callCount } = fallSilent((call) => call > 4);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(told.map(({ telemetry }) => telemetry.flows[0]?.outcomes)).toEqual([{ internal: 1 }]);
  expect(callCount()).toBe(5);
});

it("and gives up after a while where none comes", async () => {
  const { told, callCount } = fallSilent(() => false);
  await vi.advanceTimersByTimeAsync(120_000);
  expect(told).toEqual([]);
  expect(callCount()).toBeGreaterThan(10);
  expect(callCount()).toBeLessThan(25);
});

it("and where its clock was set back meanwhile, after the next request", async () => {
  let isUp = false;
  const { told, request } = fallSilent(() => isUp);
  await vi.advanceTimersByTimeAsync(2_500);
  request("r-1");
  await vi.advanceTimersByTimeAsync(2_500);
  vi.setSystemTime(Date.now() - 3_600_000);
  await vi.advanceTimersByTimeAsync(2_500);
  isUp = true;
  request("r-2");
  await vi.advanceTimersByTimeAsync(30_000);
  expect(told.map(({ telemetry }) => telemetry.flows[0]?.outcomes)).toEqual([{ internal: 1, "admitted-queued": 2 }]);
  expect(vi.getTimerCount()).toBe(0);
});
