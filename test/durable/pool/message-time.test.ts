// Time that messages of sockets took at their endpoint is service time as requests' is, and no demand: the sockets have their slots.
import { expect, it } from "vitest";
import { reportOf } from "#durable/pool/demand-reports.ts";
import { QuotaGate } from "#durable/pool/quota-gate.ts";
import { useOf } from "#durable/pool/tenant-use.ts";
import type { FlowTelemetry } from "#shared/protocol/telemetry.ts";

const FLOW = "acme/gold";
const NOTHING: FlowTelemetry = { flow: FLOW, arrivals: 0, outcomes: {}, buckets: [], sumMs: 0, busyMs: 0 };

/** For how long the flow is blocked by what is told. */
function blockedMsOf(told: FlowTelemetry): number {
  const gate = new QuotaGate().over({ blockedForMs: () => 0 });
  const quota = { weight: 1, mode: "enforce" as const, cpuSecondsPerSecond: 0.5 };
  gate.configure({ quotas: { [FLOW]: quota }, service: { costWeight: 2 }, region: undefined } as never);
  gate.observe(told, { running: 0, waiting: 0, nowMs: 0 });
  const ledger = { tokensLeft: () => null, slotsOfFlow: () => 0 };
  return gate.leftOf([FLOW], { ledger: ledger as never, nowMs: 0 })[0]?.blockedMs ?? 0;
}

it("is charged as requests' time is, with the service's weight, here and over all services", () => {
  expect(blockedMsOf({ ...NOTHING, messagesMs: 1_000 })).toBeGreaterThan(2_000);
  expect(blockedMsOf({ ...NOTHING, messagesMs: 1_000 })).toBe(blockedMsOf({ ...NOTHING, busyMs: 1_000 }));
  expect(useOf({ ...NOTHING, messagesMs: 300, busyMs: 200 }, 2).costMs).toBe(1_000);
});

it("is no demand for slots", () => {
  expect(reportOf([{ ...NOTHING, messagesMs: 1_000, bytes: 5 }])).toEqual({ arrivals: 0, busyMs: 0, endedCount: 0, refusedCount: 0 });
});
