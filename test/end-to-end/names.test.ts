// Every name of a configuration may be a word of the language that its readers are written in.
import { once } from "node:events";
import { afterAll, beforeAll, expect, it } from "vitest";
import WebSocket from "ws";
import { sumOf, startTestGateway, type TestGateway } from "../support/gateway.ts";

/** The one name of a-z, 0-9 and - that every object has. */
const NAME = "constructor";

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startTestGateway();
});
afterAll(async () => gateway.stop());

const CLASSES = { [NAME]: { weight: 2, urgencyMin: 0 }, bronze: { weight: 1, urgencyMin: 4 } };
const BRONZE = { services: { echo: { bronze: {} } } };

/** `tenants`: what their documents have beside name and keys. */
async function apply(tenants: Readonly<Record<string, object>>, services: Readonly<Record<string, object>>): Promise<void> {
  const applied = await gateway.apply([
    { file: "classes.yaml", document: { classes: CLASSES } },
    ...Object.entries(services).map(([service, more]) => ({
      file: `services/${service}.yaml`,
      document: { service, endpoints: [{ url: gateway.backend.url, capacity: 4 }], deadlineMs: 20_000, ...more },
    })),
    ...Object.entries(tenants).map(([tenant, more]) => ({
      file: `tenants/${tenant}.yaml`,
      document: { tenant, keys: { state: true }, ...more },
    })),
  ]);
  if (!applied.ok) throw new Error(JSON.stringify(applied.errors));
  await expect.poll(async () => sumOf(await gateway.metrics(), "tidegate_configuration_version")).toBe(applied.version);
}

async function ask(service: string, claims: { tenant: string; className: string; device?: string }): Promise<Response> {
  const token = await gateway.token({ services: [service], ...claims });
  return gateway.fetch(`/s/${service}/x?delayMs=20`, { token });
}

const MINE = { tenant: NAME, className: NAME, device: NAME };

it("a service, a tenant, a class and a device called constructor are as any other", { timeout: 60_000 }, async () => {
  await apply({ acme: BRONZE }, { echo: {} });
  expect((await ask("echo", MINE)).status).toBe(401);
  const unknown = await ask(NAME, { tenant: "acme", className: "bronze" });
  expect(await unknown.json()).toMatchObject({ status: 404, type: "/problems/unknown-service" });

  const quotas = { [NAME]: { [NAME]: { slots: 3, queueLengthMax: 100 } }, echo: { [NAME]: {} } };
  const services = { echo: {}, [NAME]: { classes: { [NAME]: { weight: 3, reserve: 0.5 } }, sockets: { mode: "websocket" } } };
  await apply({ acme: BRONZE, [NAME]: { services: quotas, total: { slots: 6 } } }, services);
  expect((await ask(NAME, { tenant: "acme", className: "bronze" })).status).toBe(403);
  expect((await ask(NAME, { ...MINE, className: "bronze" })).status).toBe(403);

  // More than there are slots: what waits asks its pool, beside another tenant's whose weight is configured.
  const asked = [
    ...Array.from({ length: 30 }, async () => ask(NAME, MINE)),
    ...Array.from({ length: 10 }, async () => ask("echo", MINE)),
    ...Array.from({ length: 10 }, async () => ask("echo", { tenant: "acme", className: "bronze" })),
  ];
  const answers = await Promise.all(asked);
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
  expect(answers[0]?.headers.get("connection-identifier")).toBe(
    `service="${NAME}", class=${NAME}, urgency=3, tenant="${NAME}", device="${NAME}"`,
  );
  const token = await gateway.token({ services: [NAME], ...MINE });
  const socket = new WebSocket(`${gateway.url.replace("http", "ws")}/connect/${NAME}`, [], {
    headers: { authorization: `Bearer ${token}` },
  });
  await once(socket, "open");
  const [answer] = await Promise.all([once(socket, "message"), new Promise((resolve) => socket.send("hello", resolve))]);
  expect(String(answer[0])).toBe("hello");
  socket.close();
  await gateway.expectNoSlotInUse();
  expect(await gateway.metrics()).toContain(`service="${NAME}",tenant="${NAME}",class="${NAME}"`);

  await apply({ acme: BRONZE }, { echo: {} });
  expect((await ask(NAME, MINE)).status).toBe(401);
  expect((await ask("echo", { tenant: "acme", className: "bronze" })).status).toBe(200);
});
