// A bandwidth that an operator adds, and lifts, while a socket is open: `apply` and nothing else. Shard objects ask every half second here
// instead of every minute; bounds are those of the advertised rate, which no machine is too slow for.
import { once } from "node:events";
import { afterEach, describe, expect, it } from "vitest";
import WebSocket from "ws";
import { REGION_HEADER } from "#shared/placement.ts";
import { startTestGateway, sumOf, type TestGateway } from "../support/gateway.ts";

const PER_SECOND = 100_000;
const BURST = 97 * 1_024;
/** Clocks of whole milliseconds, at the pool, the Shard object and here. */
const CLOCK_MS = 10;
const MESSAGE_BYTES = 4 * 1_024;
const PATIENT = { timeout: 20_000, interval: 50 };
let gateway: TestGateway;

afterEach(async () => gateway.stop());

describe.for([
  { mode: "http", regions: ["weur", "enam", "apac"], region: "apac" },
  { mode: "websocket", regions: undefined, region: "weur" },
] as const)("a socket in $mode mode, opened in $region", ({ mode, regions, region }) => {
  it("is held to a limit that is added, and to none once it is lifted", { timeout: 60_000 }, async () => {
    gateway = await startTestGateway({ limitsAskMs: 500, echo: { sockets: { mode }, deadlineMs: 20_000, ...(regions && { regions }) } });
    const headers = { authorization: `Bearer ${await gateway.token()}`, [REGION_HEADER]: region };
    const socket = new WebSocket(`${gateway.url.replace("http", "ws")}/connect/echo`, [], { headers });
    await once(socket, "open");
    let echoed = 0;
    socket.on("message", () => void (echoed += 1));
    /** All of them are echoed, as fast as they may. */
    const talk = async (count: number): Promise<void> => {
      const want = echoed + count;
      for (let name = 0; name < count; name += 1) socket.send("x".repeat(MESSAGE_BYTES));
      await expect.poll(() => echoed, PATIENT).toBe(want);
    };
    const counted = async (): Promise<number> => sumOf(await gateway.metrics(), "tidegate_body_bytes_total");
    const apply = async (quota: Readonly<Record<string, unknown>>): Promise<void> =>
      expect(await gateway.applyQuota("acme", "gold", quota)).toMatchObject({ ok: true });
    await talk(10);
    expect(await counted()).toBe(0);
    await apply({ bandwidthBytesPerSecond: PER_SECOND });
    // Bytes are counted of what is limited.
    const isLimited = async (): Promise<boolean> => {
      await talk(1);
      return (await counted()) > 0;
    };
    await expect.poll(isLimited, PATIENT).toBe(true);
    const startedAtMs = performance.now();
    const messages = 40;
    await talk(messages);
    const leastMs = ((2 * messages * MESSAGE_BYTES - BURST - MESSAGE_BYTES) * 1_000) / PER_SECOND - CLOCK_MS;
    expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(leastMs);
    await apply({});
    /** What is limited is told a second after the last message at the latest. */
    const isFree = async (): Promise<boolean> => {
      const before = await counted();
      await talk(10);
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      return (await counted()) === before;
    };
    await expect.poll(isFree, PATIENT).toBe(true);
    socket.close(1000);
    await gateway.expectNoSlotInUse();
  });
});
