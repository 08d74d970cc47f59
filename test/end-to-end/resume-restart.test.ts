// The gateway's process dies under sessions, and comes back with what is on disk.
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { applyConfiguration } from "#cli/commands/apply.ts";
import { resolveStateKeys } from "#cli/configuration-folder.ts";
import { openState } from "#cli/state.ts";
import { TidegateClient } from "#client/index.ts";
import { startGatewayProcess } from "#scripts/local/gateway-process.ts";
import { mintToken } from "#shared/identifier/token.ts";
import { startEventsBackend } from "../support/events-backend.ts";
import { documentsOf, sumOf } from "../support/gateway.ts";
import { startShakyProxy } from "../support/shaky-proxy.ts";

const DEVICES = 5;
const ROUNDS = 2;
const MESSAGES_PER_ROUND = 40;

it("loses nothing and repeats nothing, for devices and endpoint, when its process dies in the middle", { timeout: 90_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), "tidegate-resume-"));
  const operatorKey = randomBytes(32).toString("base64url");
  const state = openState(folder);
  const backend = await startEventsBackend();
  onTestFinished(async () => rm(folder, { recursive: true, force: true }));
  const start = async () => {
    const started = await startGatewayProcess({ stateFolder: folder, port: 0, operatorKey, onLog: () => undefined });
    onTestFinished(async () => started.stop());
    return started;
  };
  let gateway = await start();
  const documents = await resolveStateKeys(documentsOf({ url: backend.url, capacity: 10, echo: {}, more: {} }), state);
  await applyConfiguration({ url: gateway.url, operatorKey, documents });
  const { signers } = await state.ensureTenantKeys("acme");
  const proxy = await startShakyProxy(Number(new URL(gateway.url).port));
  const lost: unknown[] = [];
  const devices = Array.from({ length: DEVICES }, (_, index) => {
    const messages: string[] = [];
    const token = async (): Promise<string> =>
      mintToken({
        tenant: "acme",
        device: `d-${index}`,
        services: ["echo"],
        className: "gold",
        urgencyFirst: 0,
        audience: "tidegate",
        nowMs: Date.now(),
        lifetimeMs: 600_000,
        signer: signers.ES256,
      });
    const socket = new TidegateClient({ url: proxy.url, token }).connect("echo", {
      onMessage: (payload) => messages.push(String(payload)),
      onLost: (end) => lost.push(end),
      onEnd: (end) => (end.kind === "refused" ? lost.push(end) : undefined),
    });
    return { index, socket, messages };
  });
  for (let round = 0; round < ROUNDS; round += 1) {
    for (let count = 0; count < MESSAGES_PER_ROUND; count += 1) {
      for (const { index, socket } of devices) expect(socket.send(`d${index}-${round}-${count}`)).toBe(true);
      if (count === MESSAGES_PER_ROUND / 2) {
        // Not before everybody has a session, and has something in flight.
        await expect
          .poll(() => devices.every(({ messages }) => messages.length > round * MESSAGES_PER_ROUND), { timeout: 20_000 })
          .toBe(true);
        await gateway.stop();
        proxy.cut();
        gateway = await start();
        proxy.port = Number(new URL(gateway.url).port);
      }
    }
    await expect
      .poll(() => devices.map(({ messages }) => messages.length), { timeout: 30_000 })
      .toEqual(devices.map(() => (round + 1) * MESSAGES_PER_ROUND));
  }
  expect(lost).toEqual([]);
  expect(backend.handled.size).toBe(DEVICES);
  for (const { index, messages } of devices) {
    const sent = Array.from({ length: ROUNDS }, (_, round) =>
      Array.from({ length: MESSAGES_PER_ROUND }, (_message, count) => `d${index}-${round}-${count}`),
    ).flat();
    expect(messages).toEqual(sent.map((message) => `echo ${message}`));
    expect([...backend.handled.values()].filter(([first]) => first === sent[0])).toEqual([sent]);
  }
  const slotsInUse = async (): Promise<number> => sumOf(await (await fetch(`${gateway.url}/metrics`)).text(), "tidegate_slots_in_use");
  expect(await slotsInUse()).toBe(DEVICES);
  for (const { socket } of devices) socket.close();
  await expect.poll(slotsInUse).toBe(0);
  await Promise.all([gateway.stop(), backend.close(), proxy.close()]);
});
