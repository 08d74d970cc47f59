// A tenant's memory over the running gateway, for sockets: what a session may have under way shrinks, and nothing of it is lost.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TidegateClient, type Socket } from "#client/index.ts";
import { startTestGateway, sumOf, type TestGateway } from "../support/gateway.ts";

/** Of a socket, at the least. */
const PART_BYTES = 64 * 1_024;
const SOCKETS = 3;
/** Of it, what a session is kept of messages for its device. */
const KEPT_BYTES = (PART_BYTES / 4) * 3;
/** A quarter of a session's window. */
const MESSAGE_BYTES = 4 * 1_024;
/** Several windows. */
const MESSAGES = 100;

describe.for(["http", "websocket"] as const)("sessions in %s mode of a tenant whose memory is limited", (mode) => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startTestGateway({ echo: { sockets: { mode } } });
  });
  afterAll(async () => gateway.stop());

  it("talk as fast as it lets them, lose nothing, and are as many as fit", { timeout: 60_000 }, async () => {
    const applied = await gateway.applyQuota("acme", "gold", { memoryBytesMax: SOCKETS * PART_BYTES });
    if (!applied.ok) throw new Error(JSON.stringify(applied.errors));
    await expect.poll(async () => sumOf(await gateway.metrics(), "tidegate_configuration_version")).toBe(applied.version);
    const client = new TidegateClient({ url: gateway.url, token: async () => gateway.token({ services: ["echo"] }) });
    const talk = async (opened: Socket[]): Promise<readonly string[]> => {
      const got: string[] = [];
      const done = Promise.withResolvers<void>();
      let next = 0;
      const send = (): void => {
        while (next < MESSAGES && socket.send(`${next} `.padEnd(MESSAGE_BYTES, "x"))) next += 1;
      };
      const socket: Socket = client.connect("echo", {
        onMessage: (payload) => {
          got.push(String(payload).split(" ")[0] ?? "");
          if (got.length === MESSAGES) done.resolve();
        },
        onOnline: (isOnline) => isOnline && send(),
        onRoom: send,
        onEnd: (end) => done.reject(new Error(JSON.stringify(end))),
      });
      opened.push(socket);
      await done.promise;
      return got;
    };
    const opened: Socket[] = [];
    const all = Array.from({ length: MESSAGES }, (_, name) => `${name}`);
    for (const got of await Promise.all(Array.from({ length: SOCKETS }, async () => talk(opened)))) expect(got).toEqual(all);
    expect(sumOf(await gateway.metrics(), "tidegate_flow_memory_bytes")).toBe(SOCKETS * PART_BYTES);
    // One more is told what it would take.
    const refused = await gateway.fetch("/connect/echo", { method: "POST", token: await gateway.token({ services: ["echo"] }) });
    expect([refused.status, await refused.json()]).toMatchObject([
      429,
      {
        type: "/problems/rejected-quota",
        detail: `A socket of your tenant and class takes ${PART_BYTES} of its ${SOCKETS * PART_BYTES} bytes of memory, and 0 are left for it.`,
        "violated-policies": ["gold-memory"],
      },
    ]);
    // What never fits is said for good.
    const service = await gateway.token({ role: "service" });
    const text = "x".repeat(KEPT_BYTES + 1);
    const pushed = await gateway.fetch("/v1/push", { method: "POST", token: service, body: JSON.stringify({ service: "echo", text }) });
    expect([pushed.status, pushed.headers.has("retry-after"), await pushed.json()]).toMatchObject([
      413,
      false,
      {
        type: "/problems/body-too-large",
        detail: `The message has ${KEPT_BYTES + 1} bytes; each session that it is for may have at most ${KEPT_BYTES} of its tenant's memory.`,
      },
    ]);
    // But not where somebody has it: also a call that is repeated, as after a lost answer, is told how it is.
    const got = Promise.withResolvers<number>();
    const free = new TidegateClient({ url: gateway.url, token: async () => gateway.token({ services: ["echo"], className: "silver" }) });
    const online = Promise.withResolvers<void>();
    opened.push(
      free.connect("echo", {
        onMessage: (payload) => got.resolve(payload.length),
        onOnline: () => online.resolve(),
        onEnd: (end) => got.reject(new Error(JSON.stringify(end))),
      }),
    );
    await online.promise;
    const push = async () =>
      gateway.fetch("/v1/push", { method: "POST", token: service, body: JSON.stringify({ service: "echo", text, id: "once" }) });
    const tooLarge = { count: SOCKETS, bytesMax: KEPT_BYTES };
    const answers = [await push(), await push()];
    expect(await Promise.all(answers.map(async (answer) => [answer.status, await answer.json()]))).toEqual([
      [200, { taken: 1, full: 0, sent: 0, tooLarge }],
      [200, { taken: 0, full: 0, sent: 0, tooLarge }],
    ]);
    expect(await got.promise).toBe(text.length);
    for (const socket of opened) socket.close();
    await gateway.expectNoSlotInUse();
  });
});
