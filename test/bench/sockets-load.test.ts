import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import WebSocket, { WebSocketServer } from "ws";
import { startEcho } from "#bench/sockets/echo-process.ts";
import { echoLoad, quantile } from "#bench/sockets/load/echo-load.ts";
import { openDevices } from "#bench/sockets/load/load-device.ts";
import { encodeFrame, FrameReader, TEXT } from "#bench/sockets/load/wire.ts";
import { idleRows, relayedRows } from "#bench/sockets/rows.ts";
import { LOADS, PLAIN, RELAY, RESUMABLE, type RelayedFigure } from "#bench/sockets/relayed.ts";

describe("the framing of a load", () => {
  it.for([0, 1, 125, 126, 127, 65_535])("comes back with %i bytes, masked or not, however it is cut", (length) => {
    const payload = Buffer.alloc(length, "reading ");
    for (const isMasked of [true, false]) {
      const frames = Buffer.concat([1, 2].map(() => encodeFrame(TEXT, payload, { isMasked })));
      for (const cut of [1, 2, 3, 5, frames.length - 1]) {
        const reader = new FrameReader();
        const read = [frames.subarray(0, cut), frames.subarray(cut)].flatMap((chunk) =>
          [...reader.read(Buffer.from(chunk))].map((frame) => Buffer.from(frame.payload)),
        );
        expect(read.map((one) => one.equals(payload))).toEqual([true, true]);
      }
    }
  });

  it("is understood by ws, on both sides", async () => {
    const echo = await startEcho();
    const client = new WebSocket(`ws://127.0.0.1:${echo.port}/`);
    await once(client, "open");
    client.send("x".repeat(300));
    expect(String(((await once(client, "message")) as unknown[])[0])).toBe("x".repeat(300));
    client.close(1000);
    await once(client, "close");
    await echo.stop();

    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    server.on("connection", (socket) => socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary })));
    await once(server, "listening");
    const address = { port: (server.address() as AddressInfo).port, path: "/", token: null, isResumable: false };
    const devices = await openDevices([address, address]);
    const { count, latenciesMs, perSecond } = await echoLoad({ devices, durationMs: 50, inFlight: 3 });
    expect(count).toBeGreaterThanOrEqual(6);
    expect([latenciesMs.length, perSecond > 0, quantile(latenciesMs, 1) >= quantile(latenciesMs, 0.5)]).toEqual([count, true, true]);
    const paced = await echoLoad({ devices, durationMs: 100, perSecond: 100 });
    expect(paced.count).toBe(10);
    await Promise.all(devices.map(async (device) => device.close()));
    server.close();
  });
});

describe("the rows", () => {
  const figure = (perSecond: number): RelayedFigure => ({
    perSecond,
    cpuMicros: 30,
    busyRatio: 0.5,
    generatorBusyRatio: 0.1,
    endpointBusyRatio: 0.1,
  });
  const verdicts = (plain: number, resumable: number): (boolean | undefined)[] => {
    const rounds = new Map([
      [RELAY, [figure(1_000), figure(2_000), figure(500)]],
      [PLAIN, [1_000, 2_000, 500].map((of) => figure(of * plain))],
      [RESUMABLE, [1_000, 2_000, 500].map((of) => figure(of * resumable))],
    ]);
    const rows = relayedRows({ closed: new Map([[LOADS[0], rounds]]), p99Ms: new Map(), perSecond: 100 });
    return rows.filter(({ budget }) => budget !== undefined).map(({ ok }) => ok);
  };

  it("hold a plain socket to 0.85 of the relay and a session to half of it", () => {
    expect(verdicts(0.86, 0.51)).toEqual([true, true]);
    expect(verdicts(0.84, 0.51)).toEqual([false, true]);
    expect(verdicts(0.86, 0.49)).toEqual([true, false]);
  });

  it("count every wake-up, and bill it; the pool's alarms beside them", () => {
    const idle = { devices: 1_000, shards: 20, pings: 120_000, asleep: 20, poolAlarms: 6 };
    const [quiet, unbilled, pool] = idleRows({ ...idle, woken: {} });
    expect([quiet?.value, quiet?.ok, unbilled?.value, unbilled?.ok]).toEqual([0, true, 0, true]);
    // Six alarms, ten seconds each, at 0.128 GB; never more than the hour.
    expect(pool?.value).toBeCloseTo(6 * 10 * 0.128, 9);
    expect(idleRows({ ...idle, poolAlarms: 1_000, woken: {} })[2]?.value).toBeCloseTo(3_600 * 0.128, 9);
    // 20 objects, asked six times.
    const [, billed] = idleRows({ ...idle, woken: { held: 120 } });
    expect([billed?.value, billed?.ok]).toEqual([expect.closeTo(20 * 6 * 10 * 0.128, 9), false]);
    const [loud] = idleRows({ ...idle, woken: { webSocketMessage: 3, alarm: 1 } });
    expect([loud?.value, loud?.ok]).toEqual([4, false]);
  });
});
