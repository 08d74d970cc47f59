// What documents say of each other.
import { LIMITS } from "../limits.ts";
import { canonicalEndpoint } from "./endpoint-url.ts";
import type { Faults } from "./faults.ts";
import type { FromFile, ReadDocuments } from "./read-documents.ts";
import type { ClassesFile, Configuration, ServiceConfig, TenantConfig } from "./schema.ts";

/** Sums of a few decimals. */
const RESERVE_ROUNDING = 1e-9;
const SAID_DIGITS = 10;

/** What can be told before everything is known: counts, and names that are there twice. */
export function checkNames({ classes, services, tenants }: ReadDocuments, faults: Faults): void {
  if (services.length > LIMITS.serviceCountMax)
    faults.add("services", [], `are ${services.length}, expected at most ${LIMITS.serviceCountMax}`);
  if (tenants.length > LIMITS.tenantCountMax) faults.add("tenants", [], `are ${tenants.length}, expected at most ${LIMITS.tenantCountMax}`);
  checkUnique(
    services.map(({ file, value }) => ({ file, kind: "service", name: value.service })),
    faults,
  );
  checkUnique(
    tenants.map(({ file, value }) => ({ file, kind: "tenant", name: value.tenant })),
    faults,
  );
  if (classes !== null) checkClasses(classes, faults);
}

/** References from one document to another's names. */
export function checkReferences({ services, tenants }: ReadDocuments, configuration: Configuration, faults: Faults): void {
  for (const service of services) {
    const { file, value } = service;
    for (const name of Object.keys(value.classes)) {
      checkKnown({ file, path: ["classes", name], kind: "class", name }, configuration.classes, faults);
    }
    for (const name of Object.keys(value.sockets.classes)) {
      checkKnown({ file, path: ["sockets", "classes", name], kind: "class", name }, configuration.classes, faults);
    }
    checkReserves(service, configuration, faults);
    checkEndpoints(service, faults);
  }
  for (const tenant of tenants) checkTenant(tenant, configuration, faults);
}

/** An endpoint under two spellings would have its capacity twice. */
function checkEndpoints({ file, value }: FromFile<ServiceConfig>, faults: Faults): void {
  const urls = value.endpoints.map(({ url }) => canonicalEndpoint(url));
  for (const [index, url] of urls.entries()) {
    if (urls.indexOf(url) < index)
      faults.add(file, ["endpoints", index, "url"], `is ${JSON.stringify(url)} again, expected each endpoint once`);
  }
  for (const [index, { provider, capacity }] of value.endpoints.entries()) {
    if (provider === "process" && capacity < value.shards.sizeMin)
      faults.add(
        file,
        ["endpoints", index, "capacity"],
        `is ${capacity}, expected at least ${value.shards.sizeMin}: one unit of shards.sizeMin`,
      );
  }
}

function checkClasses({ file, value }: FromFile<ClassesFile>, faults: Faults): void {
  const count = Object.keys(value.classes).length;
  if (count === 0 || count > LIMITS.classCountMax)
    faults.add(file, ["classes"], `has ${count} classes, expected 1 to ${LIMITS.classCountMax}`);
  const reserved = Object.values(value.classes).reduce((sum, { reserve }) => sum + reserve, 0);
  checkReserved(file, reserved, faults);
}

/** A service's overrides count in the place of the classes' own. */
function checkReserves({ file, value }: FromFile<ServiceConfig>, { classes }: Configuration, faults: Faults): void {
  const reserved = Object.entries(classes).reduce((sum, [name, { reserve }]) => sum + (value.classes[name]?.reserve ?? reserve), 0);
  checkReserved(file, reserved, faults);
}

function checkReserved(file: string, reserved: number, faults: Faults): void {
  if (reserved <= 1 + RESERVE_ROUNDING) return;
  const said = Number(reserved.toPrecision(SAID_DIGITS)); // .4 + .7 + .05 is 1.1500000000000001.
  faults.add(file, ["classes"], `reserves ${said} of the slots in all, expected at most 1`);
}

function checkTenant({ file, value: tenant }: FromFile<TenantConfig>, configuration: Configuration, faults: Faults): void {
  for (const [service, quotas] of Object.entries(tenant.services)) {
    checkKnown({ file, path: ["services", service], kind: "service", name: service }, configuration.services, faults);
    for (const className of Object.keys(quotas))
      checkKnown({ file, path: ["services", service, className], kind: "class", name: className }, configuration.classes, faults);
  }
  if ("jwks" in tenant.keys) {
    const seen = new Set<string>();
    for (const [index, { kid }] of tenant.keys.jwks.entries()) {
      if (seen.has(kid)) faults.add(file, ["keys", "jwks", index, "kid"], `is ${JSON.stringify(kid)} again, expected one key per kid`);
      seen.add(kid);
    }
  }
}

function checkKnown(
  at: { file: string; path: (string | number)[]; kind: string; name: string },
  known: Readonly<Record<string, unknown>>,
  faults: Faults,
): void {
  if (Object.hasOwn(known, at.name)) return;
  faults.add(
    at.file,
    at.path,
    `is not a configured ${at.kind}, expected one of ${Object.keys(known).join(", ") || "none: there are none"}`,
  );
}

function checkUnique(entries: readonly { file: string; kind: string; name: string }[], faults: Faults): void {
  const fileOf = new Map<string, string>();
  for (const { file, kind, name } of entries) {
    const first = fileOf.get(name);
    if (first !== undefined) faults.add(file, [kind], `is ${name}, which ${first} defines already, expected another name`);
    else fileOf.set(name, file);
  }
}
