// From parsed documents to one configuration, or to every fault in them at once.
import { checkNames, checkReferences } from "./check-references.ts";
import { Faults, type ConfigurationFault } from "./faults.ts";
import { readDocuments, type ConfigurationDocument } from "./read-documents.ts";
import type { Configuration } from "./schema.ts";
import { tenantWarningsOf, warningsOf, type ConfigurationWarning } from "./warnings.ts";

export type Validated =
  | { readonly ok: true; readonly configuration: Configuration; readonly warnings: readonly ConfigurationWarning[] }
  | { readonly ok: false; readonly errors: readonly ConfigurationFault[] };

/** Validates a whole configuration: every file by its schema, then what files say of each other. */
export function validateConfiguration(documents: readonly ConfigurationDocument[]): Validated {
  const faults = new Faults();
  const read = readDocuments(documents, faults);
  checkNames(read, faults);
  const { classes, services, tenants } = read;
  if (faults.all.length > 0 || classes === null) return { ok: false, errors: faults.all };
  const configuration: Configuration = {
    classes: classes.value.classes,
    services: Object.fromEntries(services.map(({ value }) => [value.service, value])),
    tenants: Object.fromEntries(tenants.map(({ value }) => [value.tenant, value])),
  };
  checkReferences(read, configuration, faults);
  if (faults.all.length > 0) return { ok: false, errors: faults.all };
  return { ok: true, configuration, warnings: [...services.flatMap(warningsOf), ...tenants.flatMap(tenantWarningsOf)] };
}
