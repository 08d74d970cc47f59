// From a device's refusal to the operator's account of it, over the running gateway, with nothing stored.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { runCli, temporaryFolder } from "#test/cli/run-cli.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startTestGateway();
});
afterAll(async () => gateway.stop());

const asOperator = (path: string): Promise<Response> =>
  gateway.fetch(path, { headers: { authorization: `Bearer ${gateway.operatorKey}` } });

async function refusedInstance(): Promise<string> {
  const token = await gateway.token({ className: "bronze" });
  const response = await gateway.fetch("/s/echo/x", { token, headers: { "connection-identifier": "class=gold" } });
  expect(response.status).toBe(403);
  return ((await response.json()) as { instance: string }).instance;
}

it("tells the operator the whole account behind a problem's instance", async () => {
  const instance = await refusedInstance();
  expect(instance.length).toBeLessThanOrEqual("/v1/explain?id=".length + 200);
  const account = (await (await asOperator(instance)).json()) as { requestId: string };
  expect(account).toMatchObject({
    outcome: "forbidden",
    status: 403,
    decidedBy: "edge",
    configurationVersion: 1,
    configurationVersionNow: 1,
  });
  expect(gateway.logs.find(({ text }) => text.includes(account.requestId))).toMatchObject({ outcome: "forbidden", decidedBy: "edge" });
});

async function stateWithKey(): Promise<string> {
  const folder = await temporaryFolder();
  await writeFile(join(folder, "operator.key"), `${gateway.operatorKey}\n`);
  return folder;
}

it("tells it through the command", async () => {
  const { exitCode, stdout } = await runCli(["explain", await refusedInstance(), "--url", gateway.url, "--state", await stateWithKey()]);
  expect({ exitCode, first: stdout.split("\n")[0] }).toEqual({
    exitCode: 0,
    first: "403 forbidden: The credential does not entitle to this",
  });
});

it("names caller and limit of a refusal by the pool", async () => {
  await gateway.applyQuota("acme", "gold", { ratePerSecond: 0 });
  const refused = async () => gateway.fetch("/s/echo/x");
  await expect.poll(async () => (await refused()).status).toBe(429);
  const body = (await (await refused()).json()) as { instance: string };
  expect(body).toMatchObject({ type: "/problems/rejected-quota", "violated-policies": ["gold-rate"] });
  expect(await (await asOperator(body.instance)).json()).toMatchObject({
    outcome: "rejected-quota",
    identifier: { service: "echo", tenant: "acme", className: "gold", device: "d-1", urgency: 3 },
    violated: [{ policy: "gold-rate", quota: 0, remaining: 0 }],
  });
});

it("is closed to everyone else, the device it concerns included", async () => {
  const instance = await refusedInstance();
  expect((await gateway.fetch(instance)).status).toBe(401);
  expect((await fetch(`${gateway.url}${instance}`)).status).toBe(401);
});

it.for([
  { name: "no id", path: "/v1/explain" },
  { name: "nonsense", path: "/v1/explain?id=nonsense" },
  { name: "an id with a character changed", path: "changed" },
])("refuses $name precisely", async ({ path }) => {
  const instance = await refusedInstance();
  const asked = path === "changed" ? `${instance.slice(0, -9)}${instance.at(-9) === "A" ? "B" : "A"}${instance.slice(-8)}` : path;
  const response = await asOperator(asked);
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ type: "/problems/bad-instance", detail: expect.stringMatching(/expected/) as string });
});
