// Every number of the operator's files: both ends are accepted, what lies beyond is refused by path.
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ConfigurationDocument } from "#shared/config/read-documents.ts";
import type { ConfigurationFault } from "#shared/config/faults.ts";
import { classesFile, ENDPOINT, faultsOf, serviceFile, tenantFile, whole } from "./documents.ts";

type Path = readonly (string | number)[];

interface Field {
  readonly of: ConfigurationDocument;
  readonly path: Path;
  readonly min: number;
  /** Infinity: any number. */
  readonly max: number;
  readonly integer: boolean;
  readonly name: string;
}

const DAY_MS = 86_400_000;
const EVENT = { name: "sale", start: "2026-11-27T00:00:00Z", end: "2026-11-28T00:00:00+01:00", uplift: 2 };
const shards = serviceFile({ shards: { sizeMin: 1, sizeMax: 10_000, countMin: 0, countMax: 1_024 } });
const sockets = serviceFile({ sockets: { classes: { gold: {} } } });
const forecast = serviceFile({ forecast: { seasonsMs: [DAY_MS], events: [EVENT] } });

const count = (of: ConfigurationDocument, path: Path, [min, max]: readonly [number, number]): Field => ({
  of,
  path,
  min,
  max,
  integer: true,
  name: `${of.file}: ${path.join(".")}`,
});
const amount = (of: ConfigurationDocument, path: Path, max = Infinity): Field => ({ ...count(of, path, [0, max]), integer: false });
const quota = (key: string, max: number): Field => count(tenantFile(), ["services", "echo", "gold", key], [0, max]);

const FIELDS: readonly Field[] = [
  count(classesFile(), ["classes", "gold", "weight"], [1, 1_000]),
  amount(classesFile(), ["classes", "gold", "reserve"], 1),
  count(classesFile(), ["classes", "gold", "urgencyMin"], [0, 7]),
  count(serviceFile(), ["endpoints", 0, "capacity"], [1, 1_000_000]),
  amount(serviceFile(), ["endpoints", 0, "pricePerHour"]),
  count(serviceFile({ classes: { gold: {} } }), ["classes", "gold", "weight"], [1, 1_000]),
  amount(serviceFile({ classes: { gold: {} } }), ["classes", "gold", "reserve"], 1),
  count(shards, ["shards", "sizeMin"], [1, 10_000]),
  count(shards, ["shards", "sizeMax"], [1, 10_000]),
  count(shards, ["shards", "countMin"], [0, 1_024]),
  count(shards, ["shards", "countMax"], [1, 1_024]),
  count(serviceFile(), ["deadlineMs"], [1, 600_000]),
  ...[["sockets"], ["sockets", "classes", "gold"]].flatMap((path) => [
    count(sockets, [...path, "messageBytesMax"], [1, 1_048_576]),
    count(sockets, [...path, "messagesPerSecond"], [1, 1_000_000]),
    count(sockets, [...path, "messageBurst"], [1, 1_000_000]),
    count(sockets, [...path, "idleMsMax"], [1_000, 30 * DAY_MS]),
    count(sockets, [...path, "lifetimeMsMax"], [1_000, 30 * DAY_MS]),
    count(sockets, [...path, "perDeviceMax"], [1, 1_000_000]),
    count(sockets, [...path, "perTenantMax"], [1, 1_000_000]),
  ]),
  count(serviceFile(), ["requestDurationMsMax"], [1, DAY_MS]),
  count(serviceFile(), ["bodyBytesMax"], [0, 10 * 2 ** 30]),
  amount(serviceFile({ retry: {} }), ["retry", "budgetRatio"], 1),
  count(serviceFile({ retry: {} }), ["retry", "attemptsMax"], [1, 10]),
  count(forecast, ["forecast", "seasonsMs", 0], [60_000, 366 * DAY_MS]),
  amount(serviceFile({ provisioning: {} }), ["provisioning", "shortfallRatio"], 1),
  count(serviceFile({ provisioning: {} }), ["provisioning", "warmCount"], [0, 1_024]),
  count(serviceFile({ provisioning: {} }), ["provisioning", "stepMax"], [1, 1_024]),
  amount(serviceFile({ provisioning: {} }), ["provisioning", "costPerHourMax"]),
  amount(serviceFile({ provisioning: {} }), ["provisioning", "drainPrice"]),
  count(serviceFile({ provisioning: {} }), ["provisioning", "startMsPrior"], [0, DAY_MS]),
  count(tenantFile(), ["weight"], [1, 1_000]),
  quota("slots", 1_000_000),
  quota("ratePerSecond", 10_000_000),
  quota("burst", 10_000_000),
  count(tenantFile(), ["services", "echo", "gold", "bandwidthBytesPerSecond"], [1_024, 64 * 2 ** 30]),
  count(tenantFile(), ["services", "echo", "gold", "weight"], [1, 1_000]),
  quota("memoryBytesMax", 10 * 2 ** 30),
  amount(tenantFile(), ["services", "echo", "gold", "cpuSecondsPerSecond"], 1_000_000),
  count(tenantFile({ total: {} }), ["total", "slots"], [0, 1_000_000]),
  count(tenantFile({ total: {} }), ["total", "ratePerSecond"], [1, 10_000_000]),
  count(tenantFile({ total: {} }), ["total", "burst"], [32, 10_000_000]),
  count(tenantFile({ total: {} }), ["total", "bandwidthBytesPerSecond"], [1_024, 64 * 2 ** 30]),
  amount(tenantFile({ total: {} }), ["total", "cpuSecondsPerSecond"], 1_000_000),
  amount(serviceFile(), ["costWeight"], 1_000),
  quota("queueLengthMax", 100_000),
  quota("waitMsMax", 600_000),
];

describe.for(FIELDS)("$name", ({ of, path, min, max, integer }) => {
  const faultsWith = (value: unknown): readonly ConfigurationFault[] => faultsOf(whole(put(of, path, value)));
  const kind = integer ? "an integer" : "a number";

  /** Where it stands, what it is, and every word of what it should be. */
  function expectFault(value: unknown, words: readonly string[]): void {
    const fault = faultsWith(value).find((told) => told.path.join(".") === path.join("."));
    expect(fault?.file).toBe(of.file);
    const [is, expected = ""] = fault?.message.split(", expected ") ?? [];
    expect(is).toBe(`is ${JSON.stringify(value)}`);
    for (const word of words) expect(` ${expected} `).toMatch(new RegExp(`[ (]${word}[ ,.)]`));
  }

  it("accepts exactly what lies within", () => {
    const within = integer ? fc.integer({ min, max }) : fc.double({ min, max: Math.min(max, Number.MAX_VALUE), noNaN: true });
    fc.assert(
      fc.property(fc.oneof(within, fc.constantFrom(min, Number.isFinite(max) ? max : 1e9)), (value) => {
        expect(faultsWith(value)).toEqual([]);
      }),
    );
    const outside = fc.double({ noNaN: true }).filter((value) => value < min || value > max || (integer && !Number.isInteger(value)));
    fc.assert(
      fc.property(outside, (value) => {
        expect(faultsWith(value)).not.toEqual([]);
      }),
    );
  });

  it("refuses what lies just below and just beyond, saying the bound", () => {
    expectFault(integer ? min - 1 : min - Number.MIN_VALUE, [String(min)]);
    if (max < Number.MAX_SAFE_INTEGER) expectFault(integer ? max + 1 : max + 1e-9, [String(max)]);
  });

  it("refuses fractions where it counts, and what is no number", () => {
    if (integer) expectFault(min + 0.5, [kind]);
    for (const value of [String(min), null, true, [min], { min }, ""]) expectFault(value, [kind]);
  });
});

it("tells one mistake once, however many rules it breaks", () => {
  expect(faultsOf(whole(serviceFile({ deadlineMs: 1e20 })))).toHaveLength(1);
});

it.for([
  { yaml: ".nan", value: NaN, says: "is NaN, expected " },
  { yaml: ".inf", value: Infinity, says: "is Infinity, expected " },
  { yaml: "-.inf", value: -Infinity, says: "is -Infinity, expected " },
])("shows YAML's $yaml as what it is", ({ value, says }) => {
  const faults = faultsOf(whole(serviceFile({ deadlineMs: value })));
  expect(faults).toEqual([{ file: "services/echo.yaml", path: ["deadlineMs"], message: expect.stringContaining(says) as string }]);
});

it("an event's uplift is more than 0, and its refusal says so", () => {
  const withUplift = (uplift: number): readonly ConfigurationFault[] =>
    faultsOf(whole(put(forecast, ["forecast", "events", 0, "uplift"], uplift)));
  expect(withUplift(Number.MIN_VALUE)).toEqual([]);
  expect(withUplift(1_000)).toEqual([]);
  expect(withUplift(1_001)).toHaveLength(1);
  // "is 0, expected at least 0" is true of 0.
  expect(withUplift(0)).toEqual([
    {
      file: "services/echo.yaml",
      path: ["forecast", "events", 0, "uplift"],
      message: expect.stringMatching(/^is 0, expected .*(more|greater|above|over) /) as string,
    },
  ]);
});

const list = (length: number, make: (index: number) => unknown): unknown[] => Array.from({ length }, (_, index) => make(index));
const endpoint = (index: number): object => ({ ...ENDPOINT, url: `https://e-${index}.example.com` });
const key = (index: number): object => ({ kty: "OKP", crv: "Ed25519", alg: "EdDSA", kid: `k-${index}`, x: "A".repeat(43) });

it.for([
  { name: "endpoints", of: serviceFile(), path: ["endpoints"], make: endpoint, max: 64 },
  { name: "seasons", of: forecast, path: ["forecast", "seasonsMs"], make: () => DAY_MS, max: 4 },
  { name: "events", of: forecast, path: ["forecast", "events"], make: () => EVENT, max: 1_000 },
  { name: "keys of a tenant", of: tenantFile({ keys: {} }), path: ["keys", "jwks"], make: key, max: 16 },
])("takes $max $name and not one more", ({ of, path, make, max }) => {
  const withMany = put(of, path, list(max, make));
  expect(faultsOf(whole(withMany))).toEqual([]);
  expect(faultsOf(whole(put(withMany, path, list(max + 1, make))))).toEqual([
    { file: of.file, path, message: expect.stringMatching(new RegExp(`^is .+, expected at most ${max} entries$`)) as string },
  ]);
});

/** The document with another value at `path`. */
function put(of: ConfigurationDocument, path: Path, value: unknown): ConfigurationDocument {
  const document = structuredClone(of.document);
  const parent = path.slice(0, -1).reduce((at, step) => (at as Record<string | number, unknown>)[step], document);
  (parent as Record<string | number, unknown>)[path.at(-1) ?? ""] = value;
  return { file: of.file, document };
}

it.for([
  {
    name: "a time zone that is none",
    more: { timeZone: "Europe/Atlantis" },
    path: ["forecast", "timeZone"],
    says: "expected a time zone such as Europe/Berlin",
  },
  {
    name: "an event that ends before it begins",
    more: { events: [{ name: "sale", start: "2026-11-28T00:00:00Z", end: "2026-11-27T00:00:00Z" }] },
    path: ["forecast", "events", 0, "end"],
    says: "expected a time after start",
  },
])("refuses $name", ({ more, path, says }) => {
  expect(faultsOf(whole(serviceFile({ forecast: more })))).toEqual([
    { file: "services/echo.yaml", path, message: expect.stringContaining(says) as string },
  ]);
});
