// Each document by its own schema.
import type { z } from "zod";
import { explainIssue } from "./explain-issue.ts";
import type { Faults } from "./faults.ts";
import {
  classesFileSchema,
  serviceFileSchema,
  tenantFileSchema,
  type ClassesFile,
  type ServiceConfig,
  type TenantConfig,
} from "./schema.ts";

/** One file of the operator's folder, parsed. `file` is relative to it: classes.yaml, services/*.yaml, tenants/*.yaml. */
export interface ConfigurationDocument {
  readonly file: string;
  readonly document: unknown;
}

export interface FromFile<T> {
  readonly file: string;
  readonly value: T;
  /** Before defaults. */
  readonly asWritten: unknown;
}

export interface ReadDocuments {
  readonly classes: FromFile<ClassesFile> | null;
  readonly services: readonly FromFile<ServiceConfig>[];
  readonly tenants: readonly FromFile<TenantConfig>[];
}

/** No valid document is deeper. */
const DEPTH_MAX = 8;
const CLASSES_FILE = "classes.yaml";

export function readDocuments(documents: readonly ConfigurationDocument[], faults: Faults): ReadDocuments {
  const classes: FromFile<ClassesFile>[] = [];
  const services: FromFile<ServiceConfig>[] = [];
  const tenants: FromFile<TenantConfig>[] = [];
  for (const entry of documents) {
    const { file, document } = entry;
    if (file === CLASSES_FILE) classes.push(...read(classesFileSchema, entry, faults));
    else if (/^services\/[^/]+\.yaml$/.test(file)) services.push(...read(serviceFileSchema, entry, faults));
    else if (/^tenants\/[^/]+\.yaml$/.test(file)) tenants.push(...read(tenantFileSchema, entry, faults));
    else faults.add(file, [], "is not a file of a configuration, expected classes.yaml, services/*.yaml or tenants/*.yaml");
    const hidden = findPrototypeKey(document);
    if (hidden !== null && !faults.has(file, hidden)) faults.add(file, hidden, "is not a known key, expected a name of a-z, 0-9 and -");
  }
  const count = documents.filter(({ file }) => file === CLASSES_FILE).length;
  if (count === 0) faults.add(CLASSES_FILE, [], "is missing, expected the operator's classes");
  if (count > 1) faults.add(CLASSES_FILE, [], `is there ${count} times, expected once`);
  return { classes: classes[0] ?? null, services, tenants };
}

/** The value, or nothing and its faults. */
function read<S extends z.ZodType>(schema: S, { file, document }: ConfigurationDocument, faults: Faults): FromFile<z.infer<S>>[] {
  const parsed = schema.safeParse(document);
  if (parsed.success) return [{ file, value: parsed.data, asWritten: document }];
  for (const issue of parsed.error.issues) {
    for (const { path, message } of explainIssue({ schema, document, issue })) faults.add(file, path, message);
  }
  return [];
}

/** `__proto__` as a key vanishes in every schema: it is told instead. */
function findPrototypeKey(document: unknown): (string | number)[] | null {
  const seen = new Set<unknown>();
  const left: { at: unknown; path: (string | number)[] }[] = [{ at: document, path: [] }];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const { at, path } = next;
    if (typeof at !== "object" || at === null || path.length > DEPTH_MAX || seen.has(at)) continue;
    seen.add(at);
    for (const key of Object.keys(at)) {
      if (key === "__proto__") return [...path, key];
      left.push({ at: (at as Record<string, unknown>)[key], path: [...path, Array.isArray(at) ? Number(key) : key] });
    }
  }
  return null;
}
