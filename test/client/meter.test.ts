// What a socket measures is a report that its gateway takes: in band, one that is not would cost the connection.
import { expect, it } from "vitest";
import { DEVICE_REPORT, readDeviceReport } from "#shared/protocol/device-report.ts";
import { HOUR_MS } from "#shared/units.ts";
import { Meter } from "#client/meter.ts";
import { FakeWorld } from "./fake-world.ts";

it("a report after more than a day without anything to say is taken, on the same connection", async () => {
  const world = new FakeWorld();
  world.terms = { reportMs: 5_000 };
  const socket = world.client({ reportIntervalMs: 30_000 }).connect("echo", { onMessage: () => undefined });
  await world.pass(25 * HOUR_MS);
  socket.send("x");
  await world.pass(30_000);
  expect(world.reports).toMatchObject([{ durationMs: DEVICE_REPORT.durationMsMax, messagesSent: 1 }]);
  expect(world.sockets).toHaveLength(1);
});

it("a message that took longer than a report can say is said to have taken as long as it can", () => {
  const meter = new Meter(0);
  meter.sent(1, { sequence: 1, nowMs: 0 });
  meter.acknowledged(1, DEVICE_REPORT.latencyMsMax + 1);
  expect(readDeviceReport({ ...meter.take(HOUR_MS) })).toMatchObject({ latenciesMs: [DEVICE_REPORT.latencyMsMax] });
});
