// apply and status: what they send to the gateway, and what they say of its answer.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { applyConfiguration } from "#cli/commands/apply.ts";
import { openState } from "#cli/state.ts";
import {
  OPERATOR_KEY,
  sendJson,
  sendProblem,
  startFakeGateway,
  unusedUrl,
  type FakeGateway,
  type FakeGatewayOptions,
} from "./fake-gateway.ts";
import { runCli, temporaryFolder } from "./run-cli.ts";

async function setUp(
  answer?: FakeGatewayOptions["answer"],
): Promise<{ gateway: FakeGateway; folder: string; state: string; options: string[] }> {
  const folder = await temporaryFolder();
  const state = await temporaryFolder();
  for (const name of ["services", "tenants"]) await mkdir(join(folder, name));
  await writeFile(join(folder, "classes.yaml"), "classes:\n  gold: { weight: 8 }\n");
  await writeFile(join(folder, "services/echo.yaml"), 'service: echo\nendpoints:\n  - { url: "http://127.0.0.1:9101", capacity: 200 }\n');
  await writeFile(join(folder, "tenants/acme.yaml"), "tenant: acme\nkeys: { state: true }\nservices: { echo: { gold: {} } }\n");
  await writeFile(join(state, "operator.key"), `${OPERATOR_KEY}\n`);
  const gateway = await startFakeGateway(answer ? { answer } : {});
  return { gateway, folder, state, options: ["--url", gateway.url, "--state", state] };
}

it("sends the whole configuration with the state's public keys, as the operator", async () => {
  const { gateway, folder, state, options } = await setUp((_, response) =>
    sendJson(response, 200, { version: 2, changed: true, warnings: [{ file: "services/echo.yaml", message: "has no use" }] }),
  );
  const { exitCode, stdout, stderr } = await runCli(["apply", folder, ...options]);
  expect({ exitCode, stdout, stderr }).toEqual({
    exitCode: 0,
    stdout: "version 2 applied\n",
    stderr: `keys made in ${join(state, "keys")}: acme\nservices/echo.yaml: has no use\n`,
  });
  const request = gateway.requests.find(({ method }) => method === "POST");
  expect(request).toMatchObject({
    method: "POST",
    path: "/v1/config",
    headers: { authorization: `Bearer ${OPERATOR_KEY}`, "content-type": "application/json" },
  });
  const { publicKeys } = await openState(state).ensureTenantKeys("acme");
  expect(JSON.parse(request?.body ?? "")).toEqual({
    documents: [
      { file: "classes.yaml", document: { classes: { gold: { weight: 8 } } } },
      { file: "services/echo.yaml", document: { service: "echo", endpoints: [{ url: "http://127.0.0.1:9101", capacity: 200 }] } },
      { file: "tenants/acme.yaml", document: { tenant: "acme", keys: { jwks: publicKeys }, services: { echo: { gold: {} } } } },
    ],
  });
});

it("says that nothing changed, and the same as JSON", async () => {
  const { folder, options } = await setUp((_, response) => sendJson(response, 200, { version: 1, changed: false, warnings: [] }));
  expect(await runCli(["apply", folder, ...options])).toMatchObject({
    exitCode: 0,
    stdout: "nothing changed: version 1 already says this\n",
  });
  expect(JSON.parse((await runCli(["apply", folder, ...options, "--json"])).stdout)).toEqual({
    version: 1,
    changed: false,
    warnings: [],
    keysMade: [],
  });
});

it("tells every fault with its line before anything is sent", async () => {
  const { gateway, folder, options } = await setUp();
  await writeFile(join(folder, "services/echo.yaml"), "service: echo\nendpoints:\n  - url: nowhere\n    capacity: many\n");
  const { exitCode, stdout, stderr } = await runCli(["apply", folder, ...options]);
  expect({ exitCode, stdout, sent: gateway.requests.length }).toEqual({ exitCode: 1, stdout: "", sent: 0 });
  expect(stderr).toContain('  services/echo.yaml:4: endpoints[0].capacity: is "many", expected');
  const { errors } = JSON.parse((await runCli(["apply", folder, ...options, "--json"])).stderr) as { errors: unknown[] };
  expect(errors).toContainEqual(expect.objectContaining({ file: "services/echo.yaml", line: 4, path: ["endpoints", 0, "capacity"] }));
});

it("shows the gateway's faults with the lines of the files here", async () => {
  const { folder, options } = await setUp((_, response) =>
    sendJson(response, 422, {
      type: "https://tidegate.example/problems/bad-configuration",
      errors: [{ file: "services/echo.yaml", path: ["endpoints", 0, "url"], message: "is taken, expected another" }],
    }),
  );
  const { exitCode, stderr } = await runCli(["apply", folder, ...options]);
  expect(exitCode).toBe(1);
  expect(stderr).toContain("the gateway refused it: it has 1 fault");
  expect(stderr).toContain("services/echo.yaml:3: endpoints[0].url: is taken, expected another");
});

it("tells a fault of all files together without a file", async () => {
  const { folder, options } = await setUp((_, response) =>
    sendJson(response, 422, { errors: [{ file: "", path: [], message: "all files together are too much" }] }),
  );
  const { stderr } = await runCli(["apply", folder, ...options]);
  expect(stderr).toContain("it has 1 fault, expected none\n  all files together are too much\n");
});

it("returns the gateway's faults as a value to a program", async () => {
  const errors = [{ file: "classes.yaml", path: ["classes"], message: "is none, expected some" }];
  const { gateway } = await setUp((_, response) => sendJson(response, 422, { errors }));
  expect(await applyConfiguration({ url: gateway.url, operatorKey: OPERATOR_KEY, documents: [] })).toEqual({ ok: false, errors });
});

it.for([
  {
    name: "a refusal",
    answer: (_, response) =>
      sendProblem(response, { status: 401, outcome: "unauthorized", detail: "The operator's credential is not valid." }),
    says: "answered 401 (The operator's credential is not valid.), expected 200",
  },
  {
    name: "an answer that is none",
    answer: (_, response) => void response.end("hello"),
    says: "answered something else, expected version and changed",
  },
  {
    name: "a redirect: the credential goes nowhere else",
    answer: (_, response) => void response.writeHead(307, { location: "http://127.0.0.1:1/" }).end(),
    says: "Cannot reach the gateway",
  },
  {
    name: "an answer without end",
    answer: (_, response) => void response.end("x".repeat(17 * 2 ** 20)),
    says: "has more than 16777216 bytes",
  },
] satisfies { name: string; answer: FakeGatewayOptions["answer"]; says: string }[])("tells $name", async ({ answer, says }) => {
  const { folder, options } = await setUp(answer);
  const { exitCode, stdout, stderr } = await runCli(["apply", folder, ...options]);
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
  expect(stderr).toContain(says);
});

it.for([
  { url: "ftp://example.com", says: 'Cannot read --url: is "ftp://example.com", expected an http:// or https:// address', exitCode: 2 },
  { url: "http://me:secret@127.0.0.1", says: "without credentials", exitCode: 2 },
])("says what is wrong with $url", async ({ url, says, exitCode }) => {
  const { folder, state } = await setUp();
  const run = await runCli(["apply", folder, "--url", url, "--state", state]);
  expect(run.exitCode).toBe(exitCode);
  expect(run.stderr).toContain(says);
});

it("says where it found no gateway", async () => {
  const { folder, state } = await setUp();
  const url = await unusedUrl();
  const { exitCode, stderr } = await runCli(["apply", folder, "--url", url, "--state", state]);
  expect(exitCode).toBe(1);
  expect(stderr).toContain(`Cannot reach the gateway: ${url}/v1/config cannot be connected to (ECONNREFUSED), expected a gateway there`);
});

const METRICS = `# HELP tidegate_slots_in_use Slots in use.
# TYPE tidegate_slots_in_use gauge
tidegate_slots_in_use{service="echo",endpoint="http://a/\\"}"} 3
tidegate_slots_in_use{service="echo",endpoint="b"} 4 1700000000000
tidegate_slots_limit{service="echo",endpoint="b"} 150
tidegate_slots_capacity{service="echo"} 200
tidegate_slots_in_use_total{service="echo"} 1e9
`;

function answerStatus(ready: boolean): FakeGatewayOptions["answer"] {
  return ({ path }, response) => {
    if (path === "/metrics") response.end(METRICS);
    else response.writeHead(ready ? 200 : 503).end(ready ? "ready" : "not ready");
  };
}

it("status sums the slots of each service", async () => {
  const { gateway, options } = await setUp(answerStatus(true));
  const { exitCode, stdout } = await runCli(["status", ...options, "--json"]);
  expect(exitCode).toBe(0);
  expect(JSON.parse(stdout)).toEqual({
    url: gateway.url,
    ready: true,
    version: 7,
    digest: "d1g357",
    services: [
      { service: "echo", slotsInUse: 7, slotsLimit: 150, slotsCapacity: 200, demand: null, fleet: null, suspectShard: null },
      { service: "telemetry", slotsInUse: null, slotsLimit: null, slotsCapacity: null, demand: null, fleet: null, suspectShard: null },
    ],
    tenants: ["acme", "umbrella"],
  });
  expect(gateway.requests.find(({ path }) => path === "/metrics")?.headers.authorization).toBe(`Bearer ${OPERATOR_KEY}`);
  expect(gateway.requests.find(({ path }) => path === "/readyz")?.headers.authorization).toBeUndefined();
});

it("status is for reading too, and fails where the gateway is not ready", async () => {
  const { gateway, options } = await setUp(answerStatus(false));
  const { exitCode, stdout } = await runCli(["status", ...options]);
  expect(exitCode).toBe(1);
  expect(stdout).toContain(`${gateway.url} is not ready\nversion 7, digest d1g357\ntenants: acme, umbrella\n`);
  expect(stdout).toMatch(/^echo +7 +150 +200$/m);
});

it("status names the shard that its devices' word speaks against", async () => {
  const metrics = `${METRICS}tidegate_shard_suspect{service="echo",shard="echo-3"} 1\n`;
  const { options } = await setUp(({ path }, response) => void response.end(path === "/metrics" ? metrics : "ready"));
  const { stdout } = await runCli(["status", ...options]);
  expect(stdout).toContain("\necho: by its devices' word shard echo-3 is worse than the others");
});

function planLines(mode: string, more: readonly string[]): string[] {
  const of = `service="echo",mode="${mode}"`;
  const lines = ["shards 3", "warm_shards 1", "shard_slots 50", "cost_per_hour 0.4", ...more];
  return lines.map((line) => `tidegate_plan_${line.replace(" ", `{${of}} `)}`);
}

it("status tells a shortfall to two digits, and what is expected where none of the settings holds what is accepted", async () => {
  const demand = (isAttainable: number): string =>
    [
      'tidegate_demand_slots{service="echo"} 19.5',
      ...planLines("act", ["shortfall_ratio 0.000483", "expected_shortfall_ratio 0.00512", `attainable ${isAttainable}`]),
    ].join("\n");
  for (const [isAttainable, says] of [
    [1, "0.048 %"],
    [0, "0.048 %, not attainable: 0.51 % expected"],
  ] as const) {
    const metrics = METRICS + demand(isAttainable);
    const { options } = await setUp(({ path }, response) => void response.end(path === "/metrics" ? metrics : "ready"));
    const { stdout } = await runCli(["status", ...options]);
    expect(stdout).toMatch(new RegExp(`^echo \\(act\\) +3 \\+ 1 warm +50 +${says} +0\\.4 +–$`, "m"));
  }
});

it("status says what is forecast and planned, and how well that did", async () => {
  const at = 'service="echo",signal="concurrency",horizon="5m"';
  const of = 'service="echo",mode="shadow"';
  const demand = [
    'tidegate_demand_slots{service="echo"} 19.5',
    'tidegate_demand_arrivals_per_second{service="echo"} 40',
    'tidegate_demand_failed{service="echo"} 0',
    ...["mean 20", "lower 15", "upper 26", "coverage_ratio 0.953", "wape_ratio 0.101", "persistence_wape_ratio 0.2", "yields 0"].map(
      (line) => `tidegate_forecast_${line.replace(" ", `{${at}} `)}`,
    ),
    ...planLines("shadow", ["expected_shortfall_ratio 0.001", "attainable 1"]),
    `tidegate_plan_shard_seconds_total{${of}} 500`,
    `tidegate_plan_wanted_shard_seconds_total{${of}} 250`,
  ];
  const { options } = await setUp(({ path }, response) => void response.end(path === "/metrics" ? METRICS + demand.join("\n") : "ready"));
  const { stdout } = await runCli(["status", ...options]);
  expect(stdout).toMatch(/^echo concurrency in 5m +20 +15 to 26 +95\.3 % +10\.1 % +20\.0 % +own$/m);
  expect(stdout).toMatch(/^echo \(shadow\) +3 \+ 1 warm +50 +– +0\.4 +2 ×$/m);
  const { services } = JSON.parse((await runCli(["status", ...options, "--json"])).stdout) as { services: { demand: unknown }[] };
  expect(services[0]?.demand).toMatchObject({
    arrivalsPerSecond: 40,
    slotsWanted: 19.5,
    horizons: [{ signal: "concurrency", horizon: "5m", mean: 20, coverageRatio: 0.953, seasonalNaiveWape: null, yields: false }],
    plan: { mode: "shadow", shards: 3, shortfallRatio: null, isAttainable: true, costToWanted: 2 },
  });
  expect(services[1]?.demand).toBeNull();
});
