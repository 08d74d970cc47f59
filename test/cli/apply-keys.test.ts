// Whose keys a tenant has after tidegate apply: never others than before without a word.
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openState } from "#cli/state.ts";
import { CONFIGURATION, OPERATOR_KEY, sendJson, startFakeGateway } from "./fake-gateway.ts";
import { runCli, temporaryFolder } from "./run-cli.ts";

/** What the gateway has of acme, if anything, is `jwks`; of globex it knows nothing. */
async function setUp(jwks?: readonly object[]) {
  const [folder, state] = [await temporaryFolder(), await temporaryFolder()];
  for (const name of ["services", "tenants"]) await mkdir(join(folder, name));
  await writeFile(join(folder, "classes.yaml"), "classes:\n  gold: { weight: 8 }\n");
  await writeFile(join(folder, "services/echo.yaml"), 'service: echo\nendpoints:\n  - { url: "http://127.0.0.1:9101", capacity: 200 }\n');
  for (const tenant of ["acme", "globex"])
    await writeFile(join(folder, `tenants/${tenant}.yaml`), `tenant: ${tenant}\nkeys: { state: true }\nservices: { echo: { gold: {} } }\n`);
  await writeFile(join(state, "operator.key"), `${OPERATOR_KEY}\n`);
  const acme = { services: {}, ...(jwks === undefined ? {} : { keys: { jwks } }) };
  const gateway = await startFakeGateway({
    answer: (_, response) => sendJson(response, 200, { version: 2, changed: true }),
    configuration: { ...CONFIGURATION, tenants: { acme } },
  });
  const posted = () => gateway.requests.filter(({ method }) => method === "POST").length;
  return { folder, state, posted, apply: ["apply", folder, "--url", gateway.url, "--state", state] };
}

it("changes nothing where the gateway has a tenant's keys and the state folder has none: every token would be refused", async () => {
  const { state, posted, apply } = await setUp([{ kid: "other" }]);
  const { exitCode, stdout, stderr } = await runCli(apply);
  expect({ exitCode, stdout, posted: posted(), kept: await readdir(state) }).toEqual({
    exitCode: 1,
    stdout: "",
    posted: 0,
    kept: ["operator.key"],
  });
  expect(stderr).toMatch(
    /: it has 1 fault, expected none\n {2}tenants\/acme\.yaml:2: keys: is \{ state: true \}, and the gateway's keys of acme/,
  );
  expect(stderr).toContain(
    `are not in ${join(state, "keys")}, so its tokens would be refused; expected the state folder that has them (--state DIR), { jwks:`,
  );
});

it("changes nothing where the state folder has other keys of the tenant than the gateway", async () => {
  const { state, posted, apply } = await setUp([{ kid: "other" }]);
  await openState(state).ensureTenantKeys("acme");
  expect((await runCli(apply)).exitCode).toBe(1);
  expect(posted()).toBe(0);
});

it("makes new keys where it is told to, and says where", async () => {
  const { state, posted, apply } = await setUp([{ kid: "other" }]);
  expect(await runCli([...apply, "--new-keys"])).toEqual({
    exitCode: 0,
    stdout: "version 2 applied\n",
    stderr: `keys made in ${join(state, "keys")}: acme, globex\n`,
  });
  expect(posted()).toBe(1);
});

it("makes a new tenant's keys beside those that are there, and says so to a program too", async () => {
  const state = await temporaryFolder();
  const { publicKeys } = await openState(state).ensureTenantKeys("acme");
  await writeFile(join(state, "operator.key"), `${OPERATOR_KEY}\n`);
  // Another that the gateway has as well is the operator's to drop.
  const { folder, apply } = await setUp([{ kid: "other" }, ...publicKeys]);
  const { stdout } = await runCli(["apply", folder, ...apply.slice(2, 4), "--state", state, "--json"]);
  expect(JSON.parse(stdout)).toEqual({ version: 2, changed: true, warnings: [], keysMade: ["globex"] });
});

it("names twenty of the tenants whose keys were made, and counts the others", async () => {
  const { folder, apply } = await setUp();
  for (let number = 0; number < 20; number++)
    await writeFile(
      join(folder, `tenants/t-${number}.yaml`),
      `tenant: t-${number}\nkeys: { state: true }\nservices: { echo: { gold: {} } }\n`,
    );
  const { exitCode, stderr } = await runCli(apply);
  expect(exitCode).toBe(0);
  expect(stderr).toMatch(/^keys made in .+: acme, globex, t-0, .+ and 2 more\n$/);
});
