// Whatever the operator's API is sent, validation answers with faults: an exception would be a 500 that says nothing.
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { parse } from "yaml";
import { validateConfiguration } from "#shared/config/validate.ts";
import type { ConfigurationDocument } from "#shared/config/read-documents.ts";
import { growthOf } from "#test/support/cpu-time.ts";
import { classesFile, expectGrammar, faultsOf, serviceFile, tenantFile, whole } from "./documents.ts";

const FILES = ["classes.yaml", "services/echo.yaml", "tenants/acme.yaml", "x.yaml", ""];

const OKP = { kty: "OKP", crv: "Ed25519", alg: "EdDSA", kid: "k-1", x: "A".repeat(43) };
const EVENT = { name: "sale", start: "2026-11-27T00:00:00Z", end: "2026-11-28T00:00:00Z", uplift: 2 };
const FULL: readonly ConfigurationDocument[] = [
  classesFile({ gold: { weight: 8, reserve: 0.4, urgencyMin: 0 }, silver: { weight: 3, reserve: 0.1, urgencyMin: 2 } }),
  serviceFile({
    classes: { gold: { weight: 1, reserve: 0.1 } },
    shards: { sizeMin: 10, sizeMax: 50, countMin: 1, countMax: 40 },
    retry: { budgetRatio: 0.2, attemptsMax: 2 },
    sockets: { mode: "http" },
    forecast: { seasonsMs: [86_400_000], timeZone: "Europe/Berlin", events: [EVENT] },
    provisioning: { mode: "shadow", shortfallRatio: 0.001 },
  }),
  tenantFile({ keys: { jwks: [OKP] }, services: { echo: { gold: { slots: 50, mode: "enforce" } } } }),
];

it("answers any JSON under any file name, each fault with its file, a path and what was expected", () => {
  const document = fc.record({ file: fc.constantFrom(...FILES), document: fc.jsonValue() });
  fc.assert(
    fc.property(fc.array(document, { maxLength: 4 }), (documents) => expectAnswer(documents)),
    { numRuns: 1_000 },
  );
});

it("answers a valid configuration with any JSON in any one place of it", () => {
  const place = fc.constantFrom(...FULL.flatMap(({ file, document }) => pathsOf(document).map((path) => ({ file, path }))));
  const value = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom<unknown>({}, [], "", 0, -1, 1.5, true, null, "__proto__", "constructor", { state: true }, [OKP]),
  );
  fc.assert(
    fc.property(place, value, fc.option(fc.string(), { nil: undefined }), ({ file, path }, replacement, key) => {
      expectAnswer(
        FULL.map((entry) =>
          entry.file === file
            ? { file, document: replaceAt(entry.document, key === undefined ? path : [...path, key], replacement) }
            : entry,
        ),
      );
    }),
    { numRuns: 3_000 },
  );
});

it("accepts the configuration that the mutants come from", () => {
  expect(faultsOf(FULL)).toEqual([]);
});

it("answers a document of any depth", () => {
  const depth = 100_000;
  const deep: unknown = JSON.parse(`${"[".repeat(depth)}${"]".repeat(depth)}`);
  expect(faultsOf(whole({ file: "services/echo.yaml", document: deep }))).toMatchObject([{ file: "services/echo.yaml", path: [] }]);
  expect(faultsOf(whole(serviceFile({ deadlineMs: deep })))).toMatchObject([{ path: ["deadlineMs"] }]);
});

it("answers a document that contains itself, which YAML can write", () => {
  const document: unknown = parse("service: &a [*a]\nendpoints: []\n");
  expect(faultsOf(whole({ file: "services/echo.yaml", document }))).toMatchObject([{ path: ["service"] }]);
});

it("answers a document that contains itself many times over, without walking every way through it", () => {
  // There are more ways to its fourth level than that.
  let looks = 0;
  const counted: unknown[] = new Proxy<unknown[]>([], {
    get(target, key, receiver): unknown {
      looks += 1;
      if (looks > 10_000) throw new Error("looked at more than 10,000 times");
      return Reflect.get(target, key, receiver);
    },
  });
  for (let count = 0; count < 11; count += 1) counted.push(counted);
  const document = { service: counted, endpoints: [] };
  expect(faultsOf(whole({ file: "services/echo.yaml", document }))).toMatchObject([{ path: ["service"] }]);
  // As YAML can write it.
  const written: unknown = parse(`service: &a [${Array(11).fill("*a").join(", ")}]\nendpoints: []\n`);
  expect(faultsOf(whole({ file: "services/echo.yaml", document: written }))).toMatchObject([{ path: ["service"] }]);
});

it("answers a document that is full of mistakes in time that grows with its bytes", () => {
  const runOf = (count: number) => {
    const documents = whole(serviceFile(Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, 0]))));
    expect(faultsOf(documents)).not.toEqual([]);
    return () => faultsOf(documents);
  };
  // With the square of its mistakes it would be 16 times.
  expect(growthOf(runOf, { size: 2_500, factor: 16 })).toBeLessThan(6);
});

it("shows a long value shortened", () => {
  const [fault] = faultsOf(whole(serviceFile({ balance: "x".repeat(1_000_000) })));
  expect(fault?.path).toEqual(["balance"]);
  expect(fault?.message.length).toBeLessThan(250);
});

function expectAnswer(documents: readonly ConfigurationDocument[]): void {
  const validated = validateConfiguration(documents);
  if (validated.ok) return;
  expect(validated.errors.length).toBeGreaterThan(0);
  for (const fault of validated.errors) {
    expect([...FILES, "services", "tenants"]).toContain(fault.file);
    expect(fault.path.every((step) => typeof step === "string" || Number.isInteger(step))).toBe(true);
    expectGrammar(fault);
  }
}

function pathsOf(value: unknown, path: readonly (string | number)[] = []): (readonly (string | number)[])[] {
  if (typeof value !== "object" || value === null) return [path];
  const steps = Array.isArray(value) ? value.map((child, index) => [index, child] as const) : Object.entries(value);
  return [path, ...steps.flatMap(([step, child]) => pathsOf(child, [...path, step]))];
}

/** JSON whatever the path: in a list, what has a name instead of an index comes after the others. */
function replaceAt(document: unknown, path: readonly (string | number)[], replacement: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return replacement;
  if (Array.isArray(document) && typeof step === "string") return [...(document as unknown[]), replaceAt(undefined, rest, replacement)];
  const copy: unknown = Array.isArray(document) ? [...(document as unknown[])] : typeof document === "object" ? { ...document } : {};
  const inner = (document as Record<string | number, unknown> | null)?.[step];
  // As JSON.parse makes a member, __proto__ too.
  Object.defineProperty(copy, step, { value: replaceAt(inner, rest, replacement), enumerable: true, writable: true, configurable: true });
  return copy;
}
