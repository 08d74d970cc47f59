// The operator's folder on disk: classes.yaml, services/*.yaml, tenants/*.yaml. No YAML in it is ignored silently, and beside
// services and tenants nothing but notes: a tenant whose file lost its ending would be gone from the next version. Links are followed:
// where Kubernetes mounts a ConfigMap, both folders are links.
import type { Dirent } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { LineCounter, parseDocument, type Document } from "yaml";
import type { ConfigurationDocument } from "#shared/config/read-documents.ts";
import type { ConfigurationFault } from "#shared/config/faults.ts";
import { LIMITS, NAME_PATTERN } from "#shared/limits.ts";
import { MIB_BYTES } from "#shared/units.ts";
import { CliError } from "./output.ts";
import type { State } from "./state.ts";
import { isSystemError } from "./system-error.ts";
import { offsetInYaml, unknownAliasOffset } from "./yaml-position.ts";

export interface ConfigurationFolder {
  readonly documents: readonly ConfigurationDocument[];
  /** The line, counted from 1, of what `path` names in that file, or of the nearest thing around it. */
  lineOf(file: string, path: ConfigurationFault["path"]): number | undefined;
}

interface ParsedFile {
  readonly file: string;
  readonly document: Document;
  readonly lines: LineCounter;
}

const IN_SUBFOLDER = /^(services|tenants)\/[^/]+\.yaml$/;
const OTHER_YAML = /\.ya?ml$/;
/** And what stands in the place of such a folder: a link to nothing, or the text that a checkout without links has for one. */
const OTHER_IN_SUBFOLDER = /^(services|tenants)($|\/(?!\.|.*\.md$))/;
const FILE_COUNT_MAX = 1 + LIMITS.serviceCountMax + LIMITS.tenantCountMax;
const FOLDER_BYTES_MAX = 16 * MIB_BYTES;
const EXPECTED_FILES = "classes.yaml, services/*.yaml or tenants/*.yaml";

/** Reads the whole folder, or throws a CliError with every file that cannot be read. */
export async function readConfigurationFolder(folder: string): Promise<ConfigurationFolder> {
  const { files, faults } = await listFiles(folder);
  const parsed: ParsedFile[] = [];
  let bytesTotal = 0;
  for (const file of files) {
    const read = await readBounded(join(folder, file));
    if (typeof read !== "string") {
      faults.push({ file, path: [], message: read.fault });
      continue;
    }
    bytesTotal += Buffer.byteLength(read);
    if (bytesTotal > FOLDER_BYTES_MAX)
      throw cannotRead(folder, `its files have more than ${FOLDER_BYTES_MAX} bytes, expected at most that`);
    parsed.push(parseFile(file, read));
  }
  faults.push(...parsed.flatMap(syntaxFaults));
  const documents = parsed.flatMap((entry) => (entry.document.errors.length > 0 ? [] : toDocument(entry, faults)));
  if (faults.length > 0) throw configurationError(`Cannot read configuration ${folder}`, faults);
  const fileOf = new Map(parsed.map((entry) => [entry.file, entry]));
  return {
    documents,
    lineOf(file, path) {
      const entry = fileOf.get(file);
      return entry?.lines.linePos(offsetInYaml(entry.document, path)).line;
    },
  };
}

/** Puts the public keys of the state folder in the place of `keys: { state: true }`, generating them at the first time. */
export async function resolveStateKeys(documents: readonly ConfigurationDocument[], state: State): Promise<ConfigurationDocument[]> {
  const resolved: ConfigurationDocument[] = [];
  // One after another: thousands of tenants at once would run out of file handles.
  for (const { file, document } of documents) resolved.push({ file, document: await withStateKeys(file, document, state) });
  return resolved;
}

async function withStateKeys(file: string, document: unknown, state: State): Promise<unknown> {
  const tenant = stateKeysTenant({ file, document });
  if (tenant === null) return document;
  const { publicKeys } = await state.ensureTenantKeys(tenant);
  return { ...(document as Record<string, unknown>), keys: { jwks: publicKeys } };
}

/** The tenant of a document with `keys: { state: true }`; null of any other. */
export function stateKeysTenant({ file, document }: ConfigurationDocument): string | null {
  if (!file.startsWith("tenants/") || !isRecord(document)) return null;
  const { tenant, keys } = document;
  if (!isRecord(keys) || keys["state"] !== true) return null;
  // The name becomes a file's: a bad one is validateConfiguration's to tell.
  return typeof tenant === "string" && NAME_PATTERN.test(tenant) ? tenant : null;
}

/** "services/echo.yaml:4: endpoints[0].capacity: is "many", expected an integer" */
export function formatFault({ file, path, message, line }: ConfigurationFault, lineOf?: ConfigurationFolder["lineOf"]): string {
  if (file === "") return message;
  const at = line ?? lineOf?.(file, path);
  const place = path.map((step, index) => (typeof step === "number" ? `[${step}]` : index === 0 ? step : `.${step}`)).join("");
  return `${file}${at === undefined ? "" : `:${at}`}: ${place === "" ? "" : `${place}: `}${message}`;
}

/** All faults in one error: as lines for people, as `errors` for --json. */
export function configurationError(what: string, faults: readonly ConfigurationFault[], lineOf?: ConfigurationFolder["lineOf"]): CliError {
  const count = faults.length === 1 ? "1 fault" : `${faults.length} faults`;
  const located = faults.map((fault) => ({ ...fault, ...lineEntry(fault.line ?? lineOf?.(fault.file, fault.path)) }));
  return new CliError([`${what}: it has ${count}, expected none`, ...located.map((fault) => `  ${formatFault(fault)}`)].join("\n"), {
    details: { errors: located },
  });
}

function lineEntry(line: number | undefined): { line?: number } {
  return line === undefined ? {} : { line };
}

async function listFiles(folder: string): Promise<{ files: string[]; faults: ConfigurationFault[] }> {
  const found = (await namesIn(folder)).toSorted();
  const files = found.filter((name) => name === "classes.yaml" || IN_SUBFOLDER.test(name));
  const strays = found.filter((name) => !files.includes(name) && (OTHER_YAML.test(name) || OTHER_IN_SUBFOLDER.test(name)));
  if (files.length > FILE_COUNT_MAX) throw cannotRead(folder, `it has ${files.length} files, expected at most ${FILE_COUNT_MAX}`);
  const message = `is not a file of a configuration, expected ${EXPECTED_FILES}`;
  return { files, faults: strays.map((file) => ({ file, path: [], message })) };
}

/** The text, or what is wrong with a file that cannot be read: one fault among others. A pipe, which would never end, is no file. */
async function readBounded(path: string): Promise<string | { readonly fault: string }> {
  try {
    const found = await stat(path);
    if (!found.isFile()) return { fault: "is no file, expected one" };
    if (found.size > LIMITS.configurationBytesMax)
      return { fault: `is ${found.size} bytes long, expected at most ${LIMITS.configurationBytesMax}` };
    return await readFile(path, "utf8");
  } catch (error) {
    if (isSystemError(error)) return { fault: `cannot be read (${error.code}), expected a file that can be` };
    throw error;
  }
}

/** Of files here and one folder below; a folder below that with a slash behind it. */
async function namesIn(folder: string): Promise<string[]> {
  const entries = await entriesOf(folder);
  const names: string[] = [];
  for (const entry of entries) {
    if (!(await isFolder(folder, entry))) names.push(entry.name);
    else if (!entry.name.startsWith(".")) {
      const inside = await entriesOf(join(folder, entry.name));
      names.push(...inside.map((file) => `${entry.name}/${file.name}${file.isDirectory() ? "/" : ""}`));
    }
  }
  return names;
}

async function entriesOf(folder: string): Promise<Dirent[]> {
  return readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    if (isSystemError(error))
      throw cannotRead(folder, `it is no folder that can be read (${error.code}), expected one with ${EXPECTED_FILES}`);
    throw error;
  });
}

async function isFolder(parent: string, entry: Dirent): Promise<boolean> {
  if (!entry.isSymbolicLink()) return entry.isDirectory();
  const found = await stat(join(parent, entry.name)).catch(() => null);
  return found?.isDirectory() === true;
}

function parseFile(file: string, text: string): ParsedFile {
  const lines = new LineCounter();
  return { file, lines, document: parseDocument(text, { version: "1.2", uniqueKeys: true, lineCounter: lines, prettyErrors: false }) };
}

/** Warnings too: an unknown tag is a mistake here. */
function syntaxFaults({ file, document, lines }: ParsedFile): ConfigurationFault[] {
  return [...document.errors, ...document.warnings].map((error) => ({
    file,
    path: [],
    message:
      error.code === "MULTIPLE_DOCS" // The parser's own sentence is for whoever calls it.
        ? "has more than one document, expected one: a file for each"
        : `is not YAML: ${error.message.charAt(0).toLowerCase()}${error.message.slice(1)}, expected YAML 1.2 with unique keys`,
    line: lines.linePos(error.pos[0]).line,
  }));
}

function toDocument({ file, document, lines }: ParsedFile, faults: ConfigurationFault[]): ConfigurationDocument[] {
  try {
    return [{ file, document: document.toJS() as unknown }];
  } catch (error) {
    // Aliases that multiply, or that name no anchor: found only while they are resolved.
    const offset = error instanceof ReferenceError ? unknownAliasOffset(document) : undefined;
    faults.push({
      file,
      path: [],
      ...lineEntry(offset === undefined ? undefined : lines.linePos(offset).line),
      message: `cannot be resolved: ${error instanceof Error ? error.message : String(error)}, expected few and known aliases`,
    });
    return [];
  }
}

function cannotRead(folder: string, why: string): CliError {
  return new CliError(`Cannot read configuration ${folder}: ${why}`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
