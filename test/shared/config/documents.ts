import { expect } from "vitest";
import type { Configuration } from "#shared/config/schema.ts";
import { validateConfiguration } from "#shared/config/validate.ts";
import type { ConfigurationDocument } from "#shared/config/read-documents.ts";
import type { ConfigurationFault } from "#shared/config/faults.ts";

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

/** The project's sentence about a fault: what is, and what should be. */
export function expectGrammar({ message }: ConfigurationFault): void {
  expect(message).toMatch(/^(is|are|has|reserves) .+, expected .+$/s);
  expect(message.slice(message.lastIndexOf(", expected ")), "what should be, and not that it is wrong").not.toMatch(/invalid|undefined/i);
}

export interface FaultRow {
  readonly name: string;
  readonly of: ConfigurationDocument;
  readonly path: readonly (string | number)[];
  readonly says: string | RegExp;
}

/** Exactly that fault, of that file, in the project's grammar. */
export function expectFault({ of, path, says }: FaultRow): void {
  const faults = faultsOf(whole(of));
  expect(faults).toEqual([{ file: of.file, path, message: typeof says === "string" ? says : (expect.stringMatching(says) as string) }]);
  for (const fault of faults) expectGrammar(fault);
}
