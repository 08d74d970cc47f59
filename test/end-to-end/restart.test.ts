// The gateway's process dies with requests and sockets in flight: what they held comes back by itself.
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import WebSocket from "ws";
import { applyConfiguration } from "#cli/commands/apply.ts";
import { resolveStateKeys } from "#cli/configuration-folder.ts";
import { openState } from "#cli/state.ts";
import { startDemoBackend } from "#scripts/demo-backend/demo-backend.ts";
import { startGatewayProcess } from "#scripts/local/gateway-process.ts";
import { mintToken } from "#shared/identifier/token.ts";
import { documentsOf, sumOf } from "../support/gateway.ts";

it("gives every slot back after the process died, and grants them again", { timeout: 60_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), "tidegate-restart-"));
  const operatorKey = randomBytes(32).toString("base64url");
  const state = openState(folder);
  onTestFinished(async () => rm(folder, { recursive: true, force: true }));
  const backend = await startDemoBackend({ service: "echo", host: "127.0.0.1", port: 0, capacity: 10, delayMs: 0 });
  onTestFinished(async () => backend.close());
  const startAgain = async () => {
    const started = await startGatewayProcess({ stateFolder: folder, port: 0, operatorKey, onLog: () => undefined });
    onTestFinished(async () => started.stop());
    return started;
  };
  const slotsInUse = async (url: string): Promise<number> => sumOf(await (await fetch(`${url}/metrics`)).text(), "tidegate_slots_in_use");

  const first = await startAgain();
  const documents = await resolveStateKeys(
    documentsOf({ url: backend.url, capacity: 10, echo: { deadlineMs: 10_000, requestDurationMsMax: 12_000 }, more: {} }),
    state,
  );
  await applyConfiguration({ url: first.url, operatorKey, documents });
  const { signers } = await state.ensureTenantKeys("acme");
  const claims = {
    tenant: "acme",
    device: "d-1",
    services: ["echo"],
    className: "gold",
    urgencyFirst: 0,
    audience: "tidegate",
    nowMs: Date.now(),
    lifetimeMs: 600_000,
  };
  const headers = { authorization: `Bearer ${await mintToken({ ...claims, signer: signers.ES256 })}` };
  const sockets = Array.from({ length: 4 }, () => new WebSocket(`${first.url.replace("http", "ws")}/connect/echo`, { headers }));
  await Promise.all(sockets.map((socket) => once(socket, "open")));
  const requests = Array.from({ length: 6 }, () => fetch(`${first.url}/s/echo/x?bytes=1000000&chunks=100&chunkDelayMs=100`, { headers }));
  expect((await Promise.all(requests)).map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 200]);
  await expect.poll(() => slotsInUse(first.url)).toBe(10);
  for (const socket of sockets) socket.on("error", () => undefined);
  await first.stop();

  const second = await startAgain();
  // On disk they are still held: nothing is granted twice.
  expect(await slotsInUse(second.url)).toBe(10);
  await expect.poll(() => slotsInUse(second.url), { timeout: 40_000, interval: 200 }).toBe(0);
  const response = await fetch(`${second.url}/s/echo/again`, { headers });
  expect(response.status).toBe(200);
  await response.arrayBuffer();
});
