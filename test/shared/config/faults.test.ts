// What a fault says: file, path, and "is …, expected …". The operator mends the file from that sentence alone.
import { describe, expect, it } from "vitest";
import type { ConfigurationDocument } from "#shared/config/read-documents.ts";
import { classesFile, ENDPOINT, expectFault, faultsOf, serviceFile, tenantFile, whole, type FaultRow } from "./documents.ts";

const NAME = "a name of a-z, 0-9 and -, starting with a letter, at most 63 long";
const OKP = { kty: "OKP", crv: "Ed25519", alg: "EdDSA", kid: "k-1", x: "A".repeat(43) };
const withKey = (key: unknown): ConfigurationDocument => tenantFile({ keys: { jwks: [key] } });
const withEvent = (event: object): ConfigurationDocument =>
  serviceFile({ forecast: { events: [{ name: "sale", start: "2026-11-27T00:00:00Z", end: "2026-11-28T00:00:00Z", ...event }] } });

describe("an unknown key is told with the keys that there are", () => {
  it.for<FaultRow>([
    {
      name: "in classes.yaml",
      of: classesFile(undefined, { klasses: {} }),
      path: ["klasses"],
      says: "is not a known key, expected one of classes",
    },
    {
      name: "of a class",
      of: classesFile({ gold: { weight: 1, wieght: 1 } }),
      path: ["classes", "gold", "wieght"],
      says: "is not a known key, expected one of weight, reserve, urgencyMin",
    },
    {
      name: "of a service",
      of: serviceFile({ endpoint: [] }),
      path: ["endpoint"],
      says: /^is not a known key, expected one of service, endpoints, /,
    },
    {
      name: "of an endpoint",
      of: serviceFile({ endpoints: [ENDPOINT, { ...ENDPOINT, url: "https://b.example.com", weight: 1 }] }),
      path: ["endpoints", 1, "weight"],
      says: "is not a known key, expected one of url, capacity, region, provider, pricePerHour, unitHosts, allowInsecure",
    },
    {
      name: "of shards",
      of: serviceFile({ shards: { size: 1 } }),
      path: ["shards", "size"],
      says: "is not a known key, expected one of sizeMin, sizeMax, countMin, countMax",
    },
    {
      name: "of an override",
      of: serviceFile({ classes: { gold: { urgencyMin: 1 } } }),
      path: ["classes", "gold", "urgencyMin"],
      says: "is not a known key, expected one of weight, reserve",
    },
    {
      name: "of an event",
      of: withEvent({ factor: 2 }),
      path: ["forecast", "events", 0, "factor"],
      says: "is not a known key, expected one of name, start, end, uplift",
    },
    {
      name: "of a tenant",
      of: tenantFile({ key: {} }),
      path: ["key"],
      says: "is not a known key, expected one of tenant, weight, keys, total, services",
    },
    {
      name: "of a quota",
      of: tenantFile({ services: { echo: { gold: { slot: 1 } } } }),
      path: ["services", "echo", "gold", "slot"],
      says: /^is not a known key, expected one of weight, slots, ratePerSecond, /,
    },
    {
      name: "beside state: true",
      of: tenantFile({ keys: { state: true, jwk: 1 } }),
      path: ["keys", "jwk"],
      says: /^is not a known key, expected .*state/,
    },
    {
      name: "of a public key, its private half above all",
      of: withKey({ ...OKP, d: "A".repeat(43) }),
      path: ["keys", "jwks", 0, "d"],
      says: /^is not a known key, expected .*\bx\b/,
    },
    {
      name: "__proto__, which a schema easily overlooks",
      of: serviceFile(JSON.parse('{"__proto__":{"x":1}}') as object),
      path: ["__proto__"],
      says: /^is not a known key, expected /,
    },
  ])("$name", expectFault);
});

describe("a wrong value is told with what it is and what it should be", () => {
  it.for<FaultRow>([
    { name: "a document that is empty", of: { file: "services/echo.yaml", document: null }, path: [], says: "is null, expected an object" },
    { name: "a document that is a list", of: { file: "tenants/acme.yaml", document: [] }, path: [], says: "is [], expected an object" },
    { name: "a document that is text", of: { file: "classes.yaml", document: "gold" }, path: [], says: 'is "gold", expected an object' },
    { name: "classes as a list", of: classesFile([]), path: ["classes"], says: "is [], expected an object" },
    { name: "a class that is a number", of: classesFile({ gold: 8 }), path: ["classes", "gold"], says: "is 8, expected an object" },
    {
      name: "a class without weight",
      of: classesFile({ gold: {} }),
      path: ["classes", "gold", "weight"],
      says: /^is missing, expected an? (integer|number)/,
    },
    {
      name: "a service without its name",
      of: serviceFile({ service: undefined }),
      path: ["service"],
      says: "is missing, expected a string",
    },
    {
      name: "a service without endpoints",
      of: serviceFile({ endpoints: undefined }),
      path: ["endpoints"],
      says: "is missing, expected an array",
    },
    { name: "endpoints as an object", of: serviceFile({ endpoints: {} }), path: ["endpoints"], says: "is {}, expected an array" },
    {
      name: "an endpoint that is only its URL",
      of: serviceFile({ endpoints: ["https://a.example"] }),
      path: ["endpoints", 0],
      says: 'is "https://a.example", expected an object',
    },
    {
      name: "an endpoint without URL",
      of: serviceFile({ endpoints: [{ capacity: 1 }] }),
      path: ["endpoints", 0, "url"],
      says: "is missing, expected a string",
    },
    {
      name: "a URL that is too long",
      of: serviceFile({ endpoints: [{ ...ENDPOINT, url: `https://a.example/${"a".repeat(2_048)}` }] }),
      path: ["endpoints", 0, "url"],
      says: /^is "https:.+…, expected at most 2048 characters$/,
    },
    {
      name: "a service's region that is none",
      of: serviceFile({ regions: ["weur", "eu"] }),
      path: ["regions", 1],
      says: /^is "eu", expected one of wnam, enam, /,
    },
    {
      name: "a service's region twice",
      of: serviceFile({ regions: ["weur", "enam", "weur"] }),
      path: ["regions"],
      says: /expected each region once$/,
    },
    {
      name: "no region",
      of: serviceFile({ regions: [] }),
      path: ["regions"],
      says: /expected /,
    },
    {
      name: "a region that is none",
      of: serviceFile({ endpoints: [{ ...ENDPOINT, region: "eu" }] }),
      path: ["endpoints", 0, "region"],
      says: /^is "eu", expected one of wnam, enam, /,
    },
    {
      name: "allowInsecure as text",
      of: serviceFile({ endpoints: [{ ...ENDPOINT, allowInsecure: "yes" }] }),
      path: ["endpoints", 0, "allowInsecure"],
      says: 'is "yes", expected a boolean',
    },
    {
      name: "a balance that is none",
      of: serviceFile({ balance: "random" }),
      path: ["balance"],
      says: 'is "random", expected one of rendezvous, roundRobin, leastConnections, twoChoices',
    },
    {
      name: "an affinity that is none",
      of: serviceFile({ affinity: "cookie" }),
      path: ["affinity"],
      says: 'is "cookie", expected device, session, none or header:<name>',
    },
    {
      name: "an affinity to no header",
      of: serviceFile({ affinity: "header:" }),
      path: ["affinity"],
      says: 'is "header:", expected device, session, none or header:<name>',
    },
    {
      name: "an affinity to what is no header",
      of: serviceFile({ affinity: "header:X Y" }),
      path: ["affinity"],
      says: 'is "header:X Y", expected device, session, none or header:<name>',
    },
    {
      name: "a socket mode that is none",
      of: serviceFile({ sockets: { mode: "tcp" } }),
      path: ["sockets", "mode"],
      says: 'is "tcp", expected one of http, websocket',
    },
    {
      name: "shards: sizeMin beyond sizeMax",
      of: serviceFile({ shards: { sizeMin: 11, sizeMax: 10 } }),
      path: ["shards", "sizeMin"],
      says: "is 11, expected at most sizeMax (10)",
    },
    {
      name: "shards: sizeMin beyond the default sizeMax",
      of: serviceFile({ shards: { sizeMin: 51 } }),
      path: ["shards", "sizeMin"],
      says: "is 51, expected at most sizeMax (50)",
    },
    {
      name: "shards: countMin beyond countMax",
      of: serviceFile({ shards: { countMin: 3, countMax: 2 } }),
      path: ["shards", "countMin"],
      says: "is 3, expected at most countMax (2)",
    },
    {
      name: "an event's start that is no time",
      of: withEvent({ start: "tomorrow" }),
      path: ["forecast", "events", 0, "start"],
      says: /^is "tomorrow", expected /,
    },
    {
      name: "an event's end without an offset",
      of: withEvent({ end: "2026-11-28T00:00:00" }),
      path: ["forecast", "events", 0, "end"],
      says: /^is "2026-11-28T00:00:00", expected /,
    },
    { name: "a tenant without keys", of: tenantFile({ keys: undefined }), path: ["keys"], says: /^is missing, expected / },
    { name: "keys that are neither", of: tenantFile({ keys: {} }), path: ["keys", "state"], says: "is missing, expected true" },
    { name: "keys: state: false", of: tenantFile({ keys: { state: false } }), path: ["keys", "state"], says: "is false, expected true" },
    { name: "no key in the list", of: tenantFile({ keys: { jwks: [] } }), path: ["keys", "jwks"], says: /^is \[\], expected at least 1 / },
    {
      name: "a tenant without services",
      of: tenantFile({ services: undefined }),
      path: ["services"],
      says: "is missing, expected an object",
    },
    {
      name: "a quota mode that is none",
      of: tenantFile({ services: { echo: { gold: { mode: "off" } } } }),
      path: ["services", "echo", "gold", "mode"],
      says: 'is "off", expected one of enforce, shadow',
    },
    {
      name: "a quota that is a number",
      of: tenantFile({ services: { echo: { gold: 50 } } }),
      path: ["services", "echo", "gold"],
      says: "is 50, expected an object",
    },
  ])("$name", expectFault);
});

it.for(["", "Echo", "1echo", "-echo", "e_cho", "e.cho", "e/cho", "../echo", "echo ", "echo\n", "échо", "__proto__", "a".repeat(64)])(
  "%j is no name, as value or as key",
  (name) => {
    const asValue = { path: ["service"], message: `is ${JSON.stringify(name)}, expected ${NAME}` };
    expect(faultsOf(whole({ file: "services/echo.yaml", document: { service: name, endpoints: [] } }))).toMatchObject([asValue]);
    const asKey = JSON.parse(`{"gold":{"weight":1},${JSON.stringify(name)}:{"weight":1}}`) as object;
    expect(faultsOf(whole(classesFile(asKey)))).toEqual([
      { file: "classes.yaml", path: ["classes", name], message: expect.stringContaining(", expected ") as string },
    ]);
  },
);

it.for(["e", "echo", "echo-2", "e-", "constructor", "a".repeat(63)])("%s is a name", (name) => {
  expect(
    faultsOf([classesFile({ [name]: { weight: 1 } }), serviceFile({}, name), tenantFile({ services: { [name]: { [name]: {} } } }, name)]),
  ).toEqual([]);
});

it("tells all faults of a document at once", () => {
  const many = serviceFile({
    service: "Echo",
    endpoints: [{ url: "ftp://a.example", capacity: 0 }, { url: "https://b.example.com" }],
    balance: "random",
    shards: { sizeMin: "ten", countMin: 5, countMax: 2 },
    retry: { attempts: 1 },
  });
  const paths = faultsOf(whole(many)).map(({ path }) => path.join("."));
  expect(paths.toSorted()).toEqual([
    "balance",
    "endpoints.0.capacity",
    "endpoints.0.url",
    "endpoints.1.capacity",
    "retry.attempts",
    "service",
    "shards.countMin",
    "shards.sizeMin",
  ]);
});

it("tells the faults of all documents at once, each with its file", () => {
  const faults = faultsOf([
    classesFile({ gold: { weight: 0 } }),
    serviceFile({ deadlineMs: 0 }),
    tenantFile({ weight: 0 }),
    { file: "x.yaml", document: {} },
  ]);
  expect(faults.map(({ file }) => file).toSorted()).toEqual(["classes.yaml", "services/echo.yaml", "tenants/acme.yaml", "x.yaml"]);
});
