import { readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { parse } from "yaml";
import { classRankOf } from "#shared/config/schema.ts";
import { validateConfiguration } from "#shared/config/validate.ts";
import type { ConfigurationDocument } from "#shared/config/read-documents.ts";
import { configurationOf, ENDPOINT, serviceFile, tenantFile, whole } from "./documents.ts";

/** DESIGN.md §7, letter by letter: what is promised there must be accepted here. */
const EXAMPLE = `# config/classes.yaml: the operator's classes; a service may override weight and reserve
classes:
  gold:   { weight: 8, reserve: 0.4, urgencyMin: 0 }
  silver: { weight: 3, reserve: 0.1, urgencyMin: 2 }
  bronze: { weight: 1, reserve: 0.05, urgencyMin: 4 }
# config/services/echo.yaml
service: echo
endpoints:
  - { url: "http://127.0.0.1:9101", capacity: 200, region: weur, provider: static, pricePerHour: 0.1 }
shards: { sizeMin: 10, sizeMax: 50, countMin: 1, countMax: 40 }
balance: rendezvous          # or roundRobin, leastConnections, twoChoices
affinity: device             # or session, header:<name>, none
deadlineMs: 10000
retry: { budgetRatio: 0.2, attemptsMax: 2 }
sockets: { mode: http }      # or websocket
forecast: { seasonsMs: [86400000, 604800000], timeZone: Europe/Berlin, events: [] }
provisioning: { mode: shadow, shortfallRatio: 0.001, warmCount: 1, stepMax: 8, costPerHourMax: 5, drainPrice: 0, startMsPrior: 30000 }
# config/tenants/acme.yaml
tenant: acme
weight: 1
keys: { state: true }        # generated at first start; or { jwks: [...] }
services:
  echo:
    gold: { slots: 50, ratePerSecond: 500, burst: 1000, bandwidthBytesPerSecond: 10000000, queueLengthMax: 100, waitMsMax: 2000, mode: enforce }
`;

const documents = EXAMPLE.split(/^# config\/(\S+\.yaml).*\n/m)
  .slice(1)
  .flatMap((text, index, parts): ConfigurationDocument[] =>
    index % 2 === 0 ? [{ file: text, document: parse(parts[index + 1] ?? "") }] : [],
  );

it("accepts the design's example as it stands, without a warning", () => {
  expect(documents.map(({ file }) => file)).toEqual(["classes.yaml", "services/echo.yaml", "tenants/acme.yaml"]);
  expect(validateConfiguration(documents)).toMatchObject({
    ok: true,
    warnings: [],
  });
});

it("keeps every value of the example, under the name of its tenant, service or class", () => {
  const [classes, service, tenant] = documents.map(({ document }) => document as Record<string, unknown>);
  const configuration = configurationOf(documents);
  expect(configuration.classes).toMatchObject(classes?.["classes"] as object);
  expect(Object.keys(configuration.services)).toEqual(["echo"]);
  expect(configuration.services["echo"]).toMatchObject(service as object);
  expect(Object.keys(configuration.tenants)).toEqual(["acme"]);
  expect(configuration.tenants["acme"]).toMatchObject(tenant as object);
});

it("keeps the classes in the operator's order, highest first", () => {
  const configuration = configurationOf(documents);
  expect(["gold", "silver", "bronze", "platinum", "constructor", "__proto__"].map((name) => classRankOf(configuration, name))).toEqual([
    0,
    1,
    2,
    undefined,
    undefined,
    undefined,
  ]);
});

it("fills in what the design calls default: shards of 10 to 50, rendezvous by device, enforced quotas", () => {
  const { classes, services, tenants } = configurationOf(whole());
  expect(classes["gold"]).toEqual({ weight: 8, reserve: 0, urgencyMin: 0 });
  expect(services["echo"]).toMatchObject({
    endpoints: [{ ...ENDPOINT, provider: "static", pricePerHour: 0, allowInsecure: false }],
    shards: { sizeMin: 10, sizeMax: 50 },
    balance: "rendezvous",
    affinity: "device",
    deadlineMs: 10_000,
    sockets: { mode: "http" },
    provisioning: { mode: "shadow" },
  });
  expect(tenants["acme"]).toMatchObject({ weight: 1, services: { echo: { gold: { mode: "enforce" } } } });
});

it("says the same of the same configuration twice: what it returns is valid input again", () => {
  const { classes, services, tenants } = configurationOf(documents);
  const again = [
    { file: "classes.yaml", document: { classes } },
    ...Object.entries(services).map(([name, document]) => ({ file: `services/${name}.yaml`, document })),
    ...Object.entries(tenants).map(([name, document]) => ({ file: `tenants/${name}.yaml`, document })),
  ];
  expect(configurationOf(again)).toEqual({ classes, services, tenants });
});

it("accepts the embedded default: two services, three tenants, no warning", () => {
  const folder = new URL("../../../config/", import.meta.url);
  const files = [
    "classes.yaml",
    ...["services", "tenants"].flatMap((kind) => readdirSync(new URL(kind, folder)).map((file) => `${kind}/${file}`)),
  ];
  const validated = validateConfiguration(files.map((file) => ({ file, document: parse(readFileSync(new URL(file, folder), "utf8")) })));
  expect(validated).toMatchObject({ ok: true, warnings: [] });
  const { services, tenants } = validated.ok ? validated.configuration : expect.unreachable();
  expect([Object.keys(services).length, Object.keys(tenants).length]).toEqual([2, 3]);
});

const endpoints = (...capacities: number[]): object[] =>
  capacities.map((capacity, index) => ({ url: `https://${index}.example.com`, capacity }));

it.for([
  { name: "no endpoint", more: { endpoints: [] }, says: "has no endpoints: every request is refused with no-endpoint" },
  {
    name: "capacity that no shard can use",
    more: { endpoints: endpoints(30, 21), shards: { sizeMin: 1, sizeMax: 5, countMax: 10 } },
    says: "10 shards of at most 5 slots use 50 of the endpoints' 51",
  },
  {
    name: "endpoints that get no shard",
    more: { endpoints: endpoints(1, 1, 1), shards: { countMax: 2 } },
    says: "3 endpoints but at most 2 shards: the last endpoints get none",
  },
  {
    name: "an affinity that the balance does not heed",
    more: { balance: "twoChoices", affinity: "session" },
    says: "affinity: session does nothing with balance: twoChoices; only rendezvous keeps a key on its shard",
  },
  {
    name: "a burst of messages without a rate",
    more: { sockets: { messageBurst: 9 } },
    says: "sockets.messageBurst does nothing without messagesPerSecond",
  },
  {
    name: "a class's burst of messages without a rate",
    more: { sockets: { classes: { gold: { messageBurst: 9 }, silver: { messagesPerSecond: 3 } } } },
    says: "sockets.classes.gold.messageBurst does nothing without messagesPerSecond",
  },
])("warns of $name and accepts it", ({ more, says }) => {
  expect(validateConfiguration(whole(serviceFile(more)))).toMatchObject({
    ok: true,
    warnings: [{ file: "services/echo.yaml", message: says }],
  });
});

it.for([
  {
    name: "capacity that the shards use to the last slot",
    more: { endpoints: endpoints(30, 20), shards: { sizeMin: 1, sizeMax: 5, countMax: 10 } },
  },
  { name: "a shard for each endpoint", more: { endpoints: endpoints(1, 1), shards: { countMax: 2 } } },
  { name: "affinity: none", more: { affinity: "none" } },
  {
    name: "a burst of messages for the classes that have a rate",
    more: { sockets: { messageBurst: 9, classes: { gold: { messagesPerSecond: 3 } } } },
  },
  {
    name: "a class's burst of messages under everybody's rate",
    more: { sockets: { messagesPerSecond: 3, classes: { gold: { messageBurst: 9 } } } },
  },
  { name: "affinity: header", more: { affinity: "header:X-Session" } },
])("does not warn of $name", ({ more }) => {
  expect(validateConfiguration(whole(serviceFile(more)))).toMatchObject({ ok: true, warnings: [] });
});

it.for([
  { name: "a burst without a rate", more: { services: { echo: { gold: { burst: 5 } } } }, says: "services.echo.gold.burst does nothing" },
  {
    name: "a total's burst without a rate",
    more: { total: { slots: 1, burst: 32 } },
    says: "total.burst does nothing without ratePerSecond",
  },
  {
    name: "a burst that nothing fits into",
    more: { services: { echo: { gold: { ratePerSecond: 5, burst: 0 } } } },
    says: "services.echo.gold.burst: 0 admits nobody, whatever ratePerSecond is",
  },
])("warns of a tenant's $name and accepts it", ({ more, says }) => {
  expect(validateConfiguration(whole(tenantFile(more)))).toMatchObject({
    ok: true,
    warnings: [{ file: "tenants/acme.yaml", message: expect.stringContaining(says) as string }],
  });
});

it("does not warn of a rate with its burst, of one without, and of a rate of nothing", () => {
  const quotas = { gold: { ratePerSecond: 5, burst: 9 }, silver: { ratePerSecond: 0, burst: 0 } };
  const tenant = tenantFile({ total: { ratePerSecond: 5 }, services: { echo: quotas } });
  expect(validateConfiguration(whole(tenant))).toMatchObject({ ok: true, warnings: [] });
});

it("warns of everything at once, by file", () => {
  const one = serviceFile({ endpoints: [], balance: "twoChoices", affinity: "session" }, "a");
  const validated = validateConfiguration(whole(one, serviceFile({ balance: "twoChoices", affinity: "session" }, "b")));
  expect(validated.ok ? validated.warnings.map(({ file }) => file) : validated.errors).toEqual([
    "services/a.yaml",
    "services/a.yaml",
    "services/b.yaml",
  ]);
});
