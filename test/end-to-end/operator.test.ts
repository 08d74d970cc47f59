import { documentText, tableRows } from "../documents/document.ts";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCli, temporaryFolder } from "#test/cli/run-cli.ts";
import { documentsOf, startTestGateway, sumOf, type TestGateway } from "../support/gateway.ts";

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startTestGateway();
});
afterAll(async () => gateway.stop());

const documents = (echo: Readonly<Record<string, unknown>>) => documentsOf({ url: gateway.backend.url, capacity: 20, echo, more: {} });
const asOperator = (path: string, init: RequestInit = {}): Promise<Response> =>
  gateway.fetch(path, { ...init, headers: { authorization: `Bearer ${gateway.operatorKey}` } });

describe("the operator's API", () => {
  it.for([
    { name: "nobody", authorization: "" },
    { name: "a device", authorization: null },
    { name: "a guess", authorization: "Bearer guess" },
  ])("is closed to $name", async ({ authorization }) => {
    const headers = { authorization: authorization ?? `Bearer ${await gateway.token()}` };
    for (const method of ["GET", "POST"]) expect((await gateway.fetch("/v1/config", { method, headers })).status).toBe(401);
  });

  it("shows the configuration in force, with public keys alone", async () => {
    const response = await asOperator("/v1/config");
    expect(response.headers.get("cache-control")).toBe("no-store");
    const text = await response.text();
    expect(JSON.parse(text)).toMatchObject({
      version: 1,
      configuration: { services: { echo: {} }, tenants: { acme: { keys: { jwks: [{}, {}] } } } },
    });
    expect(text).not.toContain('"d":');
  });

  it("refuses what has a fault whole, and names it", async () => {
    const applied = await gateway.apply(documents({ capcity: 3, deadlineMs: 0 }));
    expect(applied).toMatchObject({
      ok: false,
      errors: [
        { path: ["deadlineMs"] },
        { path: ["capcity"], message: expect.stringContaining("not a known key, expected one of") as string },
      ],
    });
    expect(await (await asOperator("/v1/config")).json()).toMatchObject({ version: 1 });
  });

  it.for([
    { name: "no JSON", body: "nonsense", says: "is not {" },
    { name: "no documents", body: "{}", says: "is not {" },
    { name: "no file", body: '{"documents":[{}]}', says: "is not {" },
    { name: "more than two MiB", body: JSON.stringify({ documents: ["x".repeat(2_097_152)] }), says: "has more than 2097152 bytes." },
    { name: "one fault", body: '{"documents":[]}', says: "has 1 fault;" },
  ])("answers a body with $name with 422, and says which", async ({ body, says }) => {
    const response = await asOperator("/v1/config", { method: "POST", body });
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({ type: "/problems/bad-configuration", detail: expect.stringContaining(says) as string });
  });

  it.for([
    { levels: 33, says: "is nested too deep, expected at most 32 levels" },
    { levels: 10_000, says: "is nested too deep, expected at most 32 levels" },
    { levels: 32, says: "is not a known key" },
  ])("tells a document of $levels levels as a fault", async ({ levels, says }) => {
    const deep = `${'{"x":'.repeat(levels)}1${"}".repeat(levels)}`;
    const body = `{"documents":[{"file":"services/echo.yaml","document":${deep}}]}`;
    const response = await asOperator("/v1/config", { method: "POST", body });
    expect(response.status).toBe(422);
    expect(JSON.stringify(await response.json())).toContain(says);
  });

  it("applies the next version, which requests follow within seconds", async () => {
    expect(await gateway.apply(documents({ deadlineMs: 300 }))).toMatchObject({ ok: true, version: 2, changed: true });
    expect(await gateway.apply(documents({ deadlineMs: 300 }))).toMatchObject({ ok: true, version: 2, changed: false });
    const followed = async (): Promise<number> => (await gateway.fetch("/s/echo/x?fault=hang")).status;
    await expect.poll(followed).toBe(504);
    expect(sumOf(await gateway.metrics(), "tidegate_configuration_version")).toBe(2);
  });

  it("takes a tenant's entitlement away within seconds, though its token was verified before", async () => {
    const token = await gateway.token({ tenant: "globex" });
    expect((await gateway.fetch("/s/echo/x", { token })).status).toBe(200);
    await gateway.apply(documents({}).filter(({ file }) => file !== "tenants/globex.yaml"));
    await expect.poll(async () => (await gateway.fetch("/s/echo/x", { token })).status).toBe(401);
  });
});

describe("tidegate apply", () => {
  it("ends no device's token from a state folder that has not the tenant's keys, unless it is told to", async () => {
    const [folder, state] = [await temporaryFolder(), await temporaryFolder()];
    await writeFile(join(state, "operator.key"), `${gateway.operatorKey}\n`);
    for (const { file, document } of documents({})) {
      await mkdir(dirname(join(folder, file)), { recursive: true });
      await writeFile(join(folder, file), JSON.stringify(document));
    }
    await gateway.apply(documents({}));
    const token = await gateway.token();
    const statusOf = async (): Promise<number> => (await gateway.fetch("/s/echo/x", { token })).status;
    const version = async (): Promise<unknown> => ((await (await asOperator("/v1/config")).json()) as { version: unknown }).version;
    await expect.poll(statusOf).toBe(200);
    const before = await version();
    const apply = ["apply", folder, "--url", gateway.url, "--state", state];
    const { exitCode, stderr } = await runCli(apply);
    expect({ exitCode, version: await version(), kept: await readdir(state) }).toEqual({
      exitCode: 1,
      version: before,
      kept: ["operator.key"],
    });
    expect(stderr).toContain(`the gateway's keys of acme are not in ${join(state, "keys")}, so its tokens would be refused`);
    expect((await runCli([...apply, "--new-keys"])).exitCode).toBe(0);
    await expect.poll(statusOf).toBe(401);
    expect((await runCli(apply)).exitCode).toBe(0);
    await gateway.apply(documents({}));
    await expect.poll(statusOf).toBe(200);
  });
});

describe("health", () => {
  it("says that the process lives and has a configuration", async () => {
    for (const path of ["/livez", "/readyz"]) expect((await fetch(`${gateway.url}${path}`)).status).toBe(200);
  });
});

describe("metrics", () => {
  it("count what happened, with the outcome's name", async () => {
    await gateway.fetch("/s/echo/x");
    await gateway.fetch("/s/echo/x", { headers: { authorization: "Bearer x" } });
    await gateway.fetch("/s/echo/x");
    await gateway.expectNoSlotInUse();
    const text = await gateway.metrics();
    expect(text).toMatch(/tidegate_requests_total\{service="echo",tenant="acme",class="gold",outcome="admitted-(local|queued)"\} [1-9]/);
    expect(text).toMatch(/tidegate_edge_refusals_total\{outcome="unauthorized"\} [1-9]/);
    expect(sumOf(text, "tidegate_slots_capacity")).toBe(20);
    expect(sumOf(text, "tidegate_slots_reclaimed_total")).toBe(0);
  });

  it("have the labels that docs/metrics.md says", async () => {
    const rows = tableRows(documentText("docs/metrics.md"), 4);
    const documented = new Map(rows.map(([family = "", , labels = ""]) => [family.replaceAll("`", ""), labels.replace("–", "")]));
    const wrong = [...(await gateway.metrics()).matchAll(/^(\w+)(?:\{(.*)\})? \S+$/gm)].flatMap(([line, name = "", labels = ""]) => {
      const family = documented.has(name) ? name : name.replace(/_(bucket|sum|count)$/, "");
      const said = [...labels.matchAll(/(\w+)="/g)].map(([, label]) => label).join(", ");
      const expected = documented.get(family);
      return said === expected || `${said}, le` === expected ? [] : [line];
    });
    expect(wrong).toEqual([]);
  });

  const hasPromtool = spawnSync("promtool", ["--version"]).status === 0;
  it.skipIf(!hasPromtool)(`pass promtool without a word${hasPromtool ? "" : " (SKIPPED: promtool is not installed)"}`, async () => {
    expect(execFileSync("promtool", ["check", "metrics"], { input: await gateway.metrics(), encoding: "utf8" })).toBe("");
  });
});
