// The state folder: this machine's secrets and where its gateway listens. Never part of a configuration.
import { randomBytes, randomUUID } from "node:crypto";
import { link, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { AGENT_KEY_PATTERN } from "#shared/protocol/capacity-agent.ts";
import { isSystemError } from "./system-error.ts";
import { CliError } from "./output.ts";
import { generateTenantKeys, readTenantKeys, type TenantKeys } from "./tenant-keys.ts";

const STATE_FOLDER_DEFAULT = ".tidegate";
export const GATEWAY_URL_DEFAULT = "http://127.0.0.1:8787";

const KEYS_FOLDER = "keys";
const FOLDER_MODE = 0o700;
const SECRET_MODE = 0o600;
const OPERATOR_KEY_BYTES = 32;
const EXPLAIN_KEY_BYTES = 32;
const AGENT_KEY_BYTES = 32;
const OPERATOR_KEY_PATTERN = /^[A-Za-z0-9_-]{43}$/;
/** No file here is longer: a bound on what a wrong folder makes us read. */
const FILE_BYTES_MAX = 65_536;

/** The folder that `--state`, then TIDEGATE_STATE, then the default names. Nothing is read or written yet. */
export function openState(folder: string): State {
  return new State(resolve(folder));
}

export function stateFolderOf(option: string | undefined, environment: Readonly<Record<string, string | undefined>>): string {
  return option ?? environment["TIDEGATE_STATE"] ?? STATE_FOLDER_DEFAULT;
}

export class State {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** The operator's credential, generated at the first call. */
  async ensureOperatorKey(): Promise<string> {
    const text = await this.#ensure("operator.key", async () => `${randomBytes(OPERATOR_KEY_BYTES).toString("base64url")}\n`);
    return this.#checkOperatorKey(text);
  }

  /** The operator's credential; a CliError where there is none. */
  async operatorKey(): Promise<string> {
    const text = await this.#read("operator.key");
    if (text === null)
      throw new CliError(
        `Cannot read the operator key: ${join(this.folder, "operator.key")} is missing, expected one; run npm start first, or name its folder with --state`,
      );
    return this.#checkOperatorKey(text);
  }

  /** The keys that seal and open what a problem's `instance` says, generated at the first call: `NUMBER:KEY`, the first seals. */
  async ensureExplainKeys(): Promise<string> {
    return (await this.#ensure("explain.keys", async () => `1:${randomBytes(EXPLAIN_KEY_BYTES).toString("base64url")}\n`)).trim();
  }

  /** What a gateway shows to the capacity agent of this machine, generated at the first call. */
  async ensureAgentKey(): Promise<string> {
    const key = (await this.#ensure("agent.key", async () => `${randomBytes(AGENT_KEY_BYTES).toString("base64url")}\n`)).trim();
    if (AGENT_KEY_PATTERN.test(key)) return key;
    throw new CliError(
      `Cannot read the agent's key: ${join(this.folder, "agent.key")} holds something else, expected ${AGENT_KEY_BYTES} bytes in base64url`,
    );
  }

  /** The tenant's two key pairs, generated at the first call. `tenant` is a valid name. */
  async ensureTenantKeys(tenant: string): Promise<TenantKeys> {
    const file = tenantFile(tenant);
    return readTenantKeys(await this.#ensure(file, generateTenantKeys), { tenant, file: join(this.folder, file) });
  }

  /** The tenant's key pairs, or null where this folder holds none. */
  async tenantKeys(tenant: string): Promise<TenantKeys | null> {
    const file = tenantFile(tenant);
    const text = await this.#read(file);
    return text === null ? null : readTenantKeys(text, { tenant, file: join(this.folder, file) });
  }

  /** Where tenants' keys are: a file for each. */
  get keysFolder(): string {
    return join(this.folder, KEYS_FOLDER);
  }

  /** Names of the tenants whose keys are here. */
  async tenantsWithKeys(): Promise<string[]> {
    const folder = this.keysFolder;
    const entries = await readdir(folder).catch(nullIfMissing(folder));
    return (entries ?? [])
      .filter((entry) => entry.endsWith(".json"))
      .map((entry) => entry.slice(0, -".json".length))
      .toSorted();
  }

  /** Where the gateway of this state listens: what `npm start` wrote, or the default. */
  async gatewayUrl(): Promise<string> {
    const text = await this.#read("gateway.json");
    if (text === null) return GATEWAY_URL_DEFAULT;
    const url = urlIn(text);
    if (url === null)
      throw new CliError(`Cannot read ${join(this.folder, "gateway.json")}: it holds no URL, expected {"url":"${GATEWAY_URL_DEFAULT}"}`);
    return url;
  }

  #checkOperatorKey(text: string): string {
    const key = text.trim();
    if (OPERATOR_KEY_PATTERN.test(key)) return key;
    throw new CliError(
      `Cannot read the operator key: ${join(this.folder, "operator.key")} holds something else, expected ${OPERATOR_KEY_BYTES} bytes in base64url`,
    );
  }

  async #read(file: string): Promise<string | null> {
    const path = join(this.folder, file);
    const text = await readFile(path, "utf8").catch(nullIfMissing(path));
    if (text !== null && text.length > FILE_BYTES_MAX) {
      throw new CliError(`Cannot read ${path}: it is ${text.length} characters long, expected at most ${FILE_BYTES_MAX}`);
    }
    return text;
  }

  /** Reads the file, or creates it whole and for its owner only. Of two processes that create it at once, one wins and both agree. */
  async #ensure(file: string, create: () => Promise<string>): Promise<string> {
    const existing = await this.#read(file);
    if (existing !== null) return existing;
    const path = join(this.folder, file);
    const temporary = `${path}.${randomUUID()}.tmp`;
    try {
      await this.#ensureFolder(dirname(path));
      await writeFile(temporary, await create(), { mode: SECRET_MODE, flag: "wx" });
      // Not rename: that would replace what another process created meanwhile and perhaps handed out already.
      await link(temporary, path).catch((error: unknown) => {
        if (!isSystemError(error, "EEXIST")) throw error;
      });
    } catch (error) {
      if (!isSystemError(error)) throw error;
      throw new CliError(`Cannot create ${path}: ${error.code}, expected a folder that can be written (--state)`, { cause: error });
    } finally {
      await rm(temporary, { force: true });
    }
    const created = await this.#read(file);
    if (created === null) throw new CliError(`Cannot create ${path}: it vanished again, expected it to stay`);
    return created;
  }

  async #ensureFolder(folder: string): Promise<void> {
    const isNew = (await mkdir(this.folder, { recursive: true, mode: FOLDER_MODE })) !== undefined;
    // Secrets beside a checkout are one `git add .` away from being published.
    if (isNew) await writeFile(join(this.folder, ".gitignore"), "*\n");
    await mkdir(folder, { recursive: true, mode: FOLDER_MODE });
  }
}

function tenantFile(tenant: string): string {
  return join(KEYS_FOLDER, `${tenant}.json`);
}

function urlIn(text: string): string | null {
  try {
    const { url } = JSON.parse(text) as { url?: unknown };
    return typeof url === "string" && URL.canParse(url) ? url : null;
  } catch {
    return null;
  }
}

function nullIfMissing(path: string): (error: unknown) => null {
  return (error) => {
    if (isSystemError(error, "ENOENT")) return null;
    if (!isSystemError(error)) throw error;
    throw new CliError(`Cannot read ${path}: ${error.code}, expected what this user can read (--state)`, { cause: error });
  };
}
