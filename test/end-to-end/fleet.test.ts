import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { faultOfEnd } from "#scripts/fleet/close-verdict.ts";
import { echoOf, startEchoEndpoint, type EchoEndpoint } from "#scripts/fleet/echo-endpoint.ts";
import { Fleet } from "#scripts/fleet/fleet.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";

// The same with 10,000 devices: node scripts/fleet.ts.
describe.for([
  { mode: "http", count: 300, frontCount: 0 },
  { mode: "http", count: 100, frontCount: 2 },
  { mode: "websocket", count: 100, frontCount: 0 },
] as const)(
  "$count devices at $frontCount fronts before an endpoint in $mode mode",
  { concurrent: true },
  ({ mode, count, frontCount }) => {
    let gateway: TestGateway;
    let endpoint: EchoEndpoint;

    beforeAll(async () => {
      endpoint = await startEchoEndpoint();
      const shards = { sizeMin: 1, sizeMax: count / 5, countMin: 1, countMax: 10 };
      // Room for those on their way: a device that moves has a slot on both shards for a moment.
      const service = { endpoints: [{ url: endpoint.url, capacity: (count * 6) / 5 }], shards, sockets: { mode }, deadlineMs: 30_000 };
      gateway = await startTestGateway({ echo: service, frontCount });
    });
    afterAll(async () => {
      await Promise.all([gateway.stop(), endpoint.close()]);
    });

    it(
      "lose nothing, see nothing twice or out of order, and no wrong close, through a rolling drain of every shard",
      { timeout: 240_000 },
      async ({ expect: expectHere }) => {
        const fleet = new Fleet({
          url: gateway.url,
          operatorKey: gateway.operatorKey,
          service: "echo",
          count,
          messagesPerSecond: 2 * count,
          drainGraceMs: 1_000,
          tokenOf: async (device) => gateway.token({ device }),
          answerTo: echoOf,
          onProgress: () => undefined,
        });
        try {
          const slots: number[] = [];
          const result = await fleet.run(async () => void slots.push(await gateway.slotsInUse()));
          expectHere(result.faults).toEqual([]);
          expectHere(result).toMatchObject({ devices: count, shardsDrained: 6, faultCount: 0 });
          // All of them spoke, were moved, and were answered; the endpoint handled each message once.
          expectHere(result.sent).toBeGreaterThanOrEqual(count);
          expectHere(result.received).toBe(result.sent);
          expectHere(result.reconnections).toBeGreaterThanOrEqual(count);
          expectHere(endpoint.handled).toBe(result.sent);
          expectHere(result.closes["1000"]).toBe(count);
          expectHere(slots.slice(0, 2)).toEqual([count, count]);
          await gateway.expectNoSlotInUse();
        } finally {
          await fleet.stop();
        }
      },
    );
  },
);

describe("the verdict on a close", () => {
  it.for([
    { end: { code: 1000, reason: "", closedWith: 1000 }, isRight: true },
    { end: { code: 4000, reason: "", closedWith: 4000 }, isRight: true },
    { end: { code: 1012, reason: "rolling", closedWith: null }, isRight: true },
    { end: { code: 1012, reason: "moved", closedWith: 4000 }, isRight: true },
    { end: { code: 1008, reason: "superseded", closedWith: 4000 }, isRight: true },
    { end: { code: 1008, reason: "no hello", closedWith: null }, isRight: true },
    { end: { code: 1008, reason: "superseded", closedWith: null }, isRight: false },
    { end: { code: 1008, reason: "no such session", closedWith: 4000 }, isRight: false },
    { end: { code: 1012, reason: "other", closedWith: null }, isRight: false },
    { end: { code: 1006, reason: "", closedWith: null }, isRight: false },
    { end: { code: 1006, reason: "", closedWith: 4000 }, isRight: false },
    { end: { code: 4002, reason: "", closedWith: 4002 }, isRight: false },
    { end: { code: 1000, reason: "", closedWith: null }, isRight: false },
  ])("$end.code $end.reason after $end.closedWith: $isRight", ({ end, isRight }) => {
    expect(faultOfEnd(end, "rolling") === null).toBe(isRight);
  });
});
