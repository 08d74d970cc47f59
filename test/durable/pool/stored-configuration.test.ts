import { expect, it } from "vitest";
import { configurationOf, type PoolConfiguration } from "#durable/pool/pool-configuration.ts";
import { regionalConfigurationOf } from "#durable/pool/regional-configuration.ts";
import { packConfiguration, unpackConfiguration } from "#durable/pool/stored-configuration.ts";
import { validateConfiguration } from "#shared/config/validate.ts";
import { LIMITS } from "#shared/limits.ts";

const ROW_BYTES_MAX = 2_000_000;
const KEY = { kty: "OKP", crv: "Ed25519", alg: "EdDSA", kid: "k", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" };

/** As many tenants as a Registry takes, each with limits over all services and in every class. */
function wholeOf(count: number) {
  const names = Array.from({ length: LIMITS.classCountMax }, (_, index) => `class-${index}`);
  const tenants = Array.from({ length: count }, (_, index) => ({
    tenant: `tenant-${index}`,
    keys: { jwks: [KEY] },
    total: { slots: 1_000, ratePerSecond: 10_000, bandwidthBytesPerSecond: 100_000_000, cpuSecondsPerSecond: 100 },
    services: { echo: Object.fromEntries(names.map((name) => [name, {}])) },
  }));
  const validated = validateConfiguration([
    { file: "classes.yaml", document: { classes: Object.fromEntries(names.map((name) => [name, { weight: 1 }])) } },
    {
      file: "services/echo.yaml",
      document: { service: "echo", endpoints: [{ url: "https://e.example", capacity: 10 }], regions: ["weur", "enam"] },
    },
    ...tenants.map((document) => ({ file: `tenants/${document.tenant}.yaml`, document })),
  ]);
  if (!validated.ok) throw new Error(JSON.stringify(validated.errors));
  return validated.configuration;
}

const stored = (configuration: PoolConfiguration) => JSON.stringify(packConfiguration(configuration));

it("what fits into the Registry's row fits into a pool's", () => {
  const whole = wholeOf(1_080);
  const bytes = JSON.stringify(whole).length;
  expect(bytes).toBeGreaterThan(0.9 * LIMITS.configurationBytesMax);
  expect(bytes).toBeLessThanOrEqual(LIMITS.configurationBytesMax);
  for (const configuration of [configurationOf("echo", 1, whole), regionalConfigurationOf({ name: "echo", region: "enam" }, 1, whole)]) {
    const text = stored(configuration);
    expect(text.length).toBeLessThan(0.75 * ROW_BYTES_MAX);
    expect(unpackConfiguration(JSON.parse(text) as object)).toEqual(configuration);
  }
});

it("what was written before is read as it is, and nothing where nothing was written", () => {
  const configuration = configurationOf("echo", 1, wholeOf(2));
  expect(unpackConfiguration(JSON.parse(JSON.stringify(configuration)) as object)).toEqual(configuration);
  expect(unpackConfiguration({})).toMatchObject({ version: 0, quotas: {} });
});
