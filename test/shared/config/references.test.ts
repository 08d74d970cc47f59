// What files say of each other: names that must exist, names that must not stand twice, sums that must hold.
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { validateConfiguration } from "#shared/config/validate.ts";
import type { ConfigurationDocument } from "#shared/config/read-documents.ts";
import { LIMITS } from "#shared/limits.ts";
import { classesFile, ENDPOINT, expectGrammar, faultsOf, serviceFile, tenantFile, whole } from "./documents.ts";

const OKP = { kty: "OKP", crv: "Ed25519", alg: "EdDSA", kid: "k-1", x: "A".repeat(43) };
const at = (document: ConfigurationDocument, file: string): ConfigurationDocument => ({ ...document, file });

interface Row {
  readonly name: string;
  readonly documents: readonly ConfigurationDocument[];
  readonly faults: readonly object[];
}

it.for<Row>([
  {
    name: "a tenant's service that nobody configured",
    documents: whole(tenantFile({ services: { ecco: { gold: {} } } })),
    faults: [{ file: "tenants/acme.yaml", path: ["services", "ecco"], message: "is not a configured service, expected one of echo" }],
  },
  {
    name: "a tenant's class that nobody configured",
    documents: whole(tenantFile({ services: { echo: { gold: {}, golden: {} } } })),
    faults: [
      {
        file: "tenants/acme.yaml",
        path: ["services", "echo", "golden"],
        message: "is not a configured class, expected one of gold, silver",
      },
    ],
  },
  {
    name: "a service's override of a class that nobody configured",
    documents: whole(serviceFile({ classes: { platinum: { weight: 1 } } })),
    faults: [
      { file: "services/echo.yaml", path: ["classes", "platinum"], message: "is not a configured class, expected one of gold, silver" },
    ],
  },
  {
    name: "a service where there are none",
    documents: [classesFile(), tenantFile({ services: { echo: {} } })],
    faults: [
      {
        file: "tenants/acme.yaml",
        path: ["services", "echo"],
        message: expect.stringMatching(/^is not a configured service, expected .*none/) as string,
      },
    ],
  },
  {
    name: "names that every JavaScript object has",
    documents: whole(
      serviceFile({ classes: { constructor: {} } }),
      tenantFile({ services: { constructor: {}, echo: { constructor: {} } } }),
    ),
    faults: [
      { file: "services/echo.yaml", path: ["classes", "constructor"], message: "is not a configured class, expected one of gold, silver" },
      { file: "tenants/acme.yaml", path: ["services", "constructor"], message: "is not a configured service, expected one of echo" },
      {
        file: "tenants/acme.yaml",
        path: ["services", "echo", "constructor"],
        message: "is not a configured class, expected one of gold, silver",
      },
    ],
  },
  {
    name: "no classes.yaml",
    documents: [serviceFile(), tenantFile()],
    faults: [{ file: "classes.yaml", path: [], message: "is missing, expected the operator's classes" }],
  },
  {
    name: "nothing at all",
    documents: [],
    faults: [{ file: "classes.yaml", path: [], message: "is missing, expected the operator's classes" }],
  },
  {
    name: "classes without one",
    documents: [classesFile({})],
    faults: [{ file: "classes.yaml", path: ["classes"], message: "has 0 classes, expected 1 to 16" }],
  },
  {
    name: "the same service in two files",
    documents: whole(at(serviceFile(), "services/echo-2.yaml")),
    faults: [
      {
        file: "services/echo-2.yaml",
        path: ["service"],
        message: "is echo, which services/echo.yaml defines already, expected another name",
      },
    ],
  },
  {
    name: "the same tenant in two files",
    documents: whole(at(tenantFile(), "tenants/acme-2.yaml")),
    faults: [
      { file: "tenants/acme-2.yaml", path: ["tenant"], message: "is acme, which tenants/acme.yaml defines already, expected another name" },
    ],
  },
  {
    name: "the same endpoint twice",
    documents: whole(serviceFile({ endpoints: [ENDPOINT, { ...ENDPOINT, capacity: 1 }] })),
    faults: [
      {
        file: "services/echo.yaml",
        path: ["endpoints", 1, "url"],
        message: 'is "https://a.example.com" again, expected each endpoint once',
      },
    ],
  },
  {
    name: "the same key id twice at one tenant",
    documents: whole(tenantFile({ keys: { jwks: [OKP, { ...OKP, x: "B".repeat(43) }] } })),
    faults: [{ file: "tenants/acme.yaml", path: ["keys", "jwks", 1, "kid"], message: 'is "k-1" again, expected one key per kid' }],
  },
  {
    name: "more reserved than there is",
    documents: [classesFile({ gold: { weight: 1, reserve: 0.75 }, silver: { weight: 1, reserve: 0.5 } })],
    faults: [{ file: "classes.yaml", path: ["classes"], message: "reserves 1.25 of the slots in all, expected at most 1" }],
  },
  {
    name: "more reserved than there is, in parts whose sum no float has",
    documents: [
      classesFile({ gold: { weight: 1, reserve: 0.4 }, silver: { weight: 1, reserve: 0.7 }, bronze: { weight: 1, reserve: 0.05 } }),
    ],
    faults: [{ file: "classes.yaml", path: ["classes"], message: "reserves 1.15 of the slots in all, expected at most 1" }],
  },
])("refuses $name", ({ documents, faults }) => {
  const told = faultsOf(documents);
  expect(told).toEqual(faults);
  for (const fault of told) expectGrammar(fault);
});

it.for([
  "classes.yml",
  "Classes.yaml",
  "./classes.yaml",
  "/classes.yaml",
  "services.yaml",
  "services/",
  "services/.yaml/x.yaml",
  "services/a/b.yaml",
  "service/a.yaml",
  "tenants/a.yml",
  "tenants/a.yaml\n",
  "../tenants/a.yaml",
  "",
  "__proto__",
  "README.md",
])("refuses %j, which is no file of a configuration", (file) => {
  expect(faultsOf(whole({ file, document: {} }))).toEqual([
    { file, path: [], message: "is not a file of a configuration, expected classes.yaml, services/*.yaml or tenants/*.yaml" },
  ]);
});

it("refuses the classes twice instead of forgetting the first ones", () => {
  expect(faultsOf([...whole(), classesFile({ bronze: { weight: 1 }, gold: { weight: 1 } })])).toMatchObject([{ file: "classes.yaml" }]);
});

it.for(["https://a.example.com/", "HTTPS://A.EXAMPLE.COM", "https://a.example.com:443", "https://a.example.com/x/.."])(
  "refuses %s beside https://a.example.com: an endpoint under two spellings would have its capacity twice",
  (url) => {
    expect(faultsOf(whole(serviceFile({ endpoints: [ENDPOINT, { url, capacity: 1 }] })))).toMatchObject([
      { path: ["endpoints", 1, "url"] },
    ]);
  },
);

it("takes endpoints that differ in path or port for different ones", () => {
  const urls = ["https://a.example.com", "https://a.example.com/b", "https://a.example.com:8443", "https://b.example.com"];
  expect(faultsOf(whole(serviceFile({ endpoints: urls.map((url) => ({ url, capacity: 1 })) })))).toEqual([]);
});

it("lets two tenants have the same key id", () => {
  const keys = { jwks: [OKP] };
  expect(faultsOf(whole(tenantFile({ keys }), tenantFile({ keys }, "globex")))).toEqual([]);
});

describe("reserves", () => {
  const classNames = Array.from({ length: LIMITS.classCountMax }, (_, index) => `c-${index}`);
  const parts = fc.array(fc.nat({ max: 100 }), { minLength: 1, maxLength: LIMITS.classCountMax });
  const withReserves = (reserves: readonly number[]): ConfigurationDocument =>
    classesFile(Object.fromEntries(reserves.map((reserve, index) => [classNames[index], { weight: 1, reserve }])));

  it("may add up to all there is in hundredths, whatever floating point makes of them", () => {
    const whole100 = parts.map(
      (drawn) =>
        drawn.reduce<{ left: number; hundredths: number[] }>(
          ({ left, hundredths }, part) => ({ left: left - Math.min(part, left), hundredths: [...hundredths, Math.min(part, left)] }),
          { left: 100, hundredths: [] },
        ).hundredths,
    );
    fc.assert(
      fc.property(whole100, (hundredths) => {
        expect(faultsOf([withReserves(hundredths.map((part) => part / 100))])).toEqual([]);
      }),
      { numRuns: 1_000 },
    );
  });

  it("may not add up to a hundredth more", () => {
    const first = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: LIMITS.classCountMax - 1 });
    const whole101 = first.map((drawn) => [...drawn, 101 - drawn.reduce((sum, part) => sum + part)]);
    fc.assert(
      fc.property(whole101, (hundredths) => {
        expect(faultsOf([withReserves(hundredths.map((part) => part / 100))])).toMatchObject([{ file: "classes.yaml", path: ["classes"] }]);
      }),
    );
  });

  it("may not add up to more through a service's overrides either", () => {
    const classes = classesFile({ gold: { weight: 1, reserve: 0.5 }, silver: { weight: 1, reserve: 0.25 } });
    expect(faultsOf(whole(classes, serviceFile({ classes: { gold: { reserve: 0.75 } } })))).toEqual([]);
    expect(faultsOf(whole(classes, serviceFile({ classes: { gold: { reserve: 0.8 } } })))).toMatchObject([{ file: "services/echo.yaml" }]);
  });
});

describe("counts", () => {
  const many = (count: number, make: (name: string) => ConfigurationDocument): ConfigurationDocument[] =>
    Array.from({ length: count }, (_, index) => make(`n-${index}`));
  const classes = (count: number): ConfigurationDocument =>
    classesFile(Object.fromEntries(Array.from({ length: count }, (_, index) => [`c-${index}`, { weight: 1 }])));
  const bare = (name: string): ConfigurationDocument => tenantFile({ services: {} }, name);

  it.for([
    { name: "classes", fits: [classes(16)], not: [classes(17)], says: "has 17 classes, expected 1 to 16" },
    {
      name: "services",
      fits: [classesFile(), ...many(500, (name) => serviceFile({}, name))],
      not: [classesFile(), ...many(501, (name) => serviceFile({}, name))],
      says: "are 501, expected at most 500",
    },
    {
      name: "tenants",
      fits: [classesFile(), ...many(5_000, bare)],
      not: [classesFile(), ...many(5_001, bare)],
      says: "are 5001, expected at most 5000",
    },
  ])("of $name are bounded", ({ fits, not, says }) => {
    expect(faultsOf(fits)).toEqual([]);
    expect(faultsOf(not)).toMatchObject([{ message: says }]);
  });
});

describe("__proto__ and its like", () => {
  it.for([
    { name: "a class", of: "classes.yaml", text: '{"classes":{"gold":{"weight":1},"__proto__":{"weight":1}}}' },
    { name: "a service", of: "services/x.yaml", text: '{"service":"__proto__","endpoints":[]}' },
    { name: "an override", of: "services/x.yaml", text: '{"service":"x","endpoints":[],"classes":{"__proto__":{"weight":1}}}' },
    {
      name: "a tenant's service",
      of: "tenants/acme.yaml",
      text: '{"tenant":"acme","keys":{"state":true},"services":{"__proto__":{"gold":{}}}}',
    },
    {
      name: "a tenant's class",
      of: "tenants/acme.yaml",
      text: '{"tenant":"acme","keys":{"state":true},"services":{"echo":{"__proto__":{"slots":1}}}}',
    },
  ])("is refused as $name, and nothing is silently dropped", ({ of, text }) => {
    expect(faultsOf(whole({ file: of, document: JSON.parse(text) }))).toMatchObject([{ file: of }]);
    expect(Object.prototype).not.toHaveProperty("weight");
  });

  it("are ordinary names where they are names: constructor finds only what the operator wrote", () => {
    const named = [
      classesFile({ constructor: { weight: 1 } }),
      serviceFile({ endpoints: [] }, "constructor"),
      tenantFile({ services: {} }, "constructor"),
    ];
    const validated = validateConfiguration(named);
    expect(validated).toMatchObject({ ok: true });
    const { services, tenants } = validated.ok ? validated.configuration : expect.unreachable();
    expect([Object.keys(services), Object.keys(tenants)]).toEqual([["constructor"], ["constructor"]]);
    expect(services["constructor"]?.service).toBe("constructor");
  });
});
