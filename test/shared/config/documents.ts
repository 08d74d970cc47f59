import { expect } from "vitest";
import type { Configuration } from "#shared/config/schema.ts";
import { validateConfiguration, type ConfigurationDocument, type ConfigurationFault } from "#shared/config/validate.ts";

export const ENDPOINT = { url: "https://a.example.com", capacity: 10 };

export const classesFile = (
  classes: object = { gold: { weight: 8 }, silver: { weight: 3 } },
  more: object = {},
): ConfigurationDocument => ({
  file: "classes.yaml",
  document: { classes, ...more },
});

export const serviceFile = (more: object = {}, name = "echo"): ConfigurationDocument => ({
  file: `services/${name}.yaml`,
  document: { service: name, endpoints: [ENDPOINT], ...more },
});

export const tenantFile = (more: object = {}, name = "acme"): ConfigurationDocument => ({
  file: `tenants/${name}.yaml`,
  document: { tenant: name, keys: { state: true }, services: { echo: { gold: {} } }, ...more },
});

/** A whole configuration with one of its files replaced, told by name. */
export function whole(...replaced: readonly ConfigurationDocument[]): ConfigurationDocument[] {
  const standing = [classesFile(), serviceFile(), tenantFile()];
  return [...standing.filter(({ file }) => replaced.every((other) => other.file !== file)), ...replaced];
}

export function faultsOf(documents: readonly ConfigurationDocument[]): readonly ConfigurationFault[] {
  const validated = validateConfiguration(documents);
  return validated.ok ? [] : validated.errors;
}

export function configurationOf(documents: readonly ConfigurationDocument[]): Configuration {
  const validated = validateConfiguration(documents);
  return validated.ok ? validated.configuration : expect.unreachable(JSON.stringify(validated.errors));
}
