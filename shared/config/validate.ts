// From parsed documents to one configuration, or to every fault in them at once.
import type { z } from "zod";
import { LIMITS } from "../limits.ts";
import { explainIssue } from "./explain-issue.ts";
import { classesFileSchema, serviceFileSchema, tenantFileSchema, type Configuration } from "./schema.ts";

/** One file of the operator's folder, parsed. `file` is relative to it: classes.yaml, services/*.yaml, tenants/*.yaml. */
export interface ConfigurationDocument {
  readonly file: string;
  readonly document: unknown;
}

export interface ConfigurationFault {
  readonly file: string;
  /** Keys and indexes from the document's root. */
  readonly path: readonly (string | number)[];
  /** "is …, expected …" */
  readonly message: string;
  /** Counted from 1, where the reader of the file knows it. */
  readonly line?: number;
}

export interface ConfigurationWarning {
  readonly file: string;
  readonly message: string;
}

export type Validated =
  | { readonly ok: true; readonly configuration: Configuration; readonly warnings: readonly ConfigurationWarning[] }
  | { readonly ok: false; readonly errors: readonly ConfigurationFault[] };

type Named<T> = { file: string; value: T };

/** Validates a whole configuration: every file by its schema, then what files say of each other. */
export function validateConfiguration(documents: readonly ConfigurationDocument[]): Validated {
  const errors: ConfigurationFault[] = [];
  const fault = (file: string, path: (string | number)[], message: string): void => void errors.push({ file, path, message });

  const read = <S extends z.ZodType>(schema: S, { file, document }: ConfigurationDocument): Named<z.infer<S>> | null => {
    const parsed = schema.safeParse(document);
    if (parsed.success) return { file, value: parsed.data };
    for (const issue of parsed.error.issues) errors.push(...explainIssue({ schema, document, issue }).map((e) => ({ file, ...e })));
    return null;
  };

  let classes: Named<z.infer<typeof classesFileSchema>> | null = null;
  const services: Named<z.infer<typeof serviceFileSchema>>[] = [];
  const tenants: Named<z.infer<typeof tenantFileSchema>>[] = [];
  for (const entry of documents) {
    if (entry.file === "classes.yaml") classes = read(classesFileSchema, entry);
    else if (/^services\/[^/]+\.yaml$/.test(entry.file)) services.push(...present(read(serviceFileSchema, entry)));
    else if (/^tenants\/[^/]+\.yaml$/.test(entry.file)) tenants.push(...present(read(tenantFileSchema, entry)));
    else fault(entry.file, [], "is not a file of a configuration, expected classes.yaml, services/*.yaml or tenants/*.yaml");
  }
  if (!documents.some(({ file }) => file === "classes.yaml")) fault("classes.yaml", [], "is missing, expected the operator's classes");
  if (services.length > LIMITS.serviceCountMax) fault("services", [], `are ${services.length}, expected at most ${LIMITS.serviceCountMax}`);
  if (tenants.length > LIMITS.tenantCountMax) fault("tenants", [], `are ${tenants.length}, expected at most ${LIMITS.tenantCountMax}`);
  checkUnique(
    services.map(({ file, value }) => ({ file, kind: "service", name: value.service })),
    fault,
  );
  checkUnique(
    tenants.map(({ file, value }) => ({ file, kind: "tenant", name: value.tenant })),
    fault,
  );
  if (classes) checkClasses(classes, fault);
  if (errors.length > 0 || !classes) return { ok: false, errors };

  const configuration: Configuration = {
    classes: classes.value.classes,
    services: Object.fromEntries(services.map(({ value }) => [value.service, value])),
    tenants: Object.fromEntries(tenants.map(({ value }) => [value.tenant, value])),
  };
  for (const { file, value } of services) {
    for (const className of Object.keys(value.classes))
      checkKnown({ file, path: ["classes", className], kind: "class", name: className }, configuration.classes, fault);
  }
  for (const { file, value } of services) {
    const urls = value.endpoints.map(({ url }) => url);
    for (const [index, url] of urls.entries()) {
      if (urls.indexOf(url) < index)
        fault(file, ["endpoints", index, "url"], `is ${JSON.stringify(url)} again, expected each endpoint once`);
    }
  }
  for (const tenant of tenants) checkTenant(tenant, configuration, fault);
  if (errors.length > 0) return { ok: false, errors };
  const asWritten = new Map(documents.map(({ file, document }) => [file, document]));
  return { ok: true, configuration, warnings: services.flatMap((service) => warningsOf(service, asWritten.get(service.file))) };
}

type Fault = (file: string, path: (string | number)[], message: string) => void;

function checkClasses({ file, value }: Named<z.infer<typeof classesFileSchema>>, fault: Fault): void {
  const count = Object.keys(value.classes).length;
  if (count === 0 || count > LIMITS.classCountMax) fault(file, ["classes"], `has ${count} classes, expected 1 to ${LIMITS.classCountMax}`);
  const reserved = Object.values(value.classes).reduce((sum, { reserve }) => sum + reserve, 0);
  if (reserved > 1 + Number.EPSILON * count) fault(file, ["classes"], `reserves ${reserved} of the slots in all, expected at most 1`);
}

function checkTenant({ file, value: tenant }: Named<z.infer<typeof tenantFileSchema>>, configuration: Configuration, fault: Fault): void {
  for (const [service, quotas] of Object.entries(tenant.services)) {
    checkKnown({ file, path: ["services", service], kind: "service", name: service }, configuration.services, fault);
    for (const className of Object.keys(quotas))
      checkKnown({ file, path: ["services", service, className], kind: "class", name: className }, configuration.classes, fault);
  }
  if ("jwks" in tenant.keys) {
    const seen = new Set<string>();
    for (const [index, { kid }] of tenant.keys.jwks.entries()) {
      if (seen.has(kid)) fault(file, ["keys", "jwks", index, "kid"], `is ${JSON.stringify(kid)} again, expected one key per kid`);
      seen.add(kid);
    }
  }
}

function checkKnown(
  at: { file: string; path: (string | number)[]; kind: string; name: string },
  known: Readonly<Record<string, unknown>>,
  fault: Fault,
): void {
  if (Object.hasOwn(known, at.name)) return;
  fault(at.file, at.path, `is not a configured ${at.kind}, expected one of ${Object.keys(known).join(", ") || "none: there are none"}`);
}

function checkUnique(entries: readonly { file: string; kind: string; name: string }[], fault: Fault): void {
  const fileOf = new Map<string, string>();
  for (const { file, kind, name } of entries) {
    const first = fileOf.get(name);
    if (first !== undefined) fault(file, [kind], `is ${name}, which ${first} defines already, expected another name`);
    else fileOf.set(name, file);
  }
}

/** What is accepted and kept, but does not act in this version: said at every apply, so that nobody relies on it. */
function warningsOf({ file, value: service }: Named<z.infer<typeof serviceFileSchema>>, asWritten: unknown): ConfigurationWarning[] {
  const warnings: string[] = [];
  if (service.endpoints.length === 0) warnings.push("has no endpoints: every request is refused with no-endpoint");
  const capacity = service.endpoints.reduce((sum, endpoint) => sum + endpoint.capacity, 0);
  const usable = service.shards.countMax * service.shards.sizeMax;
  if (usable < capacity)
    warnings.push(
      `${service.shards.countMax} shards of at most ${service.shards.sizeMax} slots use ${usable} of the endpoints' ${capacity}`,
    );
  if (service.shards.countMax < service.endpoints.length)
    warnings.push(`${service.endpoints.length} endpoints but at most ${service.shards.countMax} shards: the last endpoints get none`);
  if (service.balance !== "rendezvous") warnings.push(`balance: ${service.balance} does not act yet; shards are chosen by rendezvous`);
  if (service.affinity === "session") warnings.push("affinity: session does not act yet; the device is the key");
  if (service.provisioning.mode === "act")
    warnings.push("provisioning.mode: act does not act yet; the endpoints' capacity is sharded as configured");
  // The default says nothing; whoever wrote it wants it.
  const { mode } = (asWritten as { sockets?: { mode?: unknown } }).sockets ?? {};
  if (mode === "http") warnings.push("sockets.mode: http does not act yet; each socket has one of its own to the endpoint");
  return warnings.map((message) => ({ file, message }));
}

function present<T>(value: T | null): T[] {
  return value === null ? [] : [value];
}
