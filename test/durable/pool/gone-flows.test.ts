import { expect, it } from "vitest";
import { withGone } from "#durable/pool/gone-flows.ts";
import { configurationOf } from "#durable/pool/pool-configuration.ts";
import { regionalConfigurationOf } from "#durable/pool/regional-configuration.ts";
import { validateConfiguration } from "#shared/config/validate.ts";

const KEY = { kty: "OKP", crv: "Ed25519", alg: "EdDSA", kid: "k", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" };
const REGION = { name: "svc", region: "enam" } as const;

/** Of tenants with these classes, each with a rate. */
function wholeOf(tenants: Readonly<Record<string, readonly string[]>>) {
  const documents = Object.entries(tenants).map(([tenant, classes]) => {
    const quotas = Object.fromEntries(classes.map((className) => [className, { ratePerSecond: 1 }]));
    return { file: `tenants/${tenant}.yaml`, document: { tenant, keys: { jwks: [KEY] }, total: { slots: 5 }, services: { svc: quotas } } };
  });
  const service = { service: "svc", endpoints: [{ url: "https://e.example", capacity: 10 }], regions: ["weur", "enam"] };
  const validated = validateConfiguration([
    { file: "classes.yaml", document: { classes: { gold: { weight: 2 }, silver: { weight: 1 } } } },
    { file: "services/svc.yaml", document: service },
    ...documents,
  ]);
  if (!validated.ok) throw new Error(JSON.stringify(validated.errors));
  return validated.configuration;
}

const NOBODY = (): boolean => false;

it("a class that a tenant may use no more keeps its limits, and one that comes back has its own", () => {
  const [before, after] = [wholeOf({ acme: ["gold", "silver"] }), wholeOf({ acme: ["gold"] })];
  const kept = withGone(configurationOf("svc", 2, after), configurationOf("svc", 1, before), { whole: after, isOut: NOBODY });
  expect(kept).toMatchObject({ version: 2, gone: ["acme/silver"], quotas: { "acme/silver": { ratePerSecond: 1, total: { slots: 5 } } } });
  const back = withGone(configurationOf("svc", 3, before), kept, { whole: before, isOut: NOBODY });
  expect(back).toEqual(configurationOf("svc", 3, before));
});

it("a regional pool keeps those of each flow, and lends nothing over all services: that is its home's", () => {
  const [before, after] = [wholeOf({ acme: ["gold"], left: ["gold"] }), wholeOf({ acme: ["gold"] })];
  const kept = withGone(regionalConfigurationOf(REGION, 2, after), regionalConfigurationOf(REGION, 1, before), {
    whole: after,
    isOut: NOBODY,
  });
  expect(kept).toMatchObject({ gone: ["left/gold"], quotas: { "left/gold": { ratePerSecond: 1 } }, totals: {}, tenantsWithTotal: [] });
});

it("of more flows than are kept those go first of which nothing is out", () => {
  const names = Array.from({ length: 1_500 }, (_, index) => `t-${index}`);
  const [before, after] = [wholeOf(Object.fromEntries(names.map((name) => [name, ["gold"]]))), wholeOf({ acme: ["gold"] })];
  const isOut = (flow: string): boolean => flow === "t-1499/gold";
  const kept = withGone(configurationOf("svc", 2, after), configurationOf("svc", 1, before), { whole: after, isOut });
  expect(kept.gone).toHaveLength(1_024);
  expect(Object.keys(kept.quotas)).toHaveLength(1_024 + 1);
  expect(kept.gone).toContain("t-1499/gold");
  const later = withGone(configurationOf("svc", 3, after), kept, { whole: after, isOut });
  expect(later.gone).toEqual(["t-1499/gold"]);
  expect(later.tenantsWithTotal).toEqual(["acme", "t-1499"]);
});
