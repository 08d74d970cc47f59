import { mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { CliError } from "#cli/output.ts";
import { GATEWAY_URL_DEFAULT, openState, stateFolderOf } from "#cli/state.ts";
import { tenantFileSchema } from "#shared/config/schema.ts";
import { mintToken, verifyToken, ALGORITHMS } from "#shared/identifier/token.ts";
import { importJWK, type CryptoKey, type JWK } from "jose";
import { runCli, temporaryFolder } from "./run-cli.ts";

const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o777;

it("keeps secrets for their owner, and out of version control", async () => {
  const folder = join(await temporaryFolder(), "state");
  const state = openState(folder);
  await state.ensureOperatorKey();
  await state.ensureTenantKeys("acme");
  expect(await modeOf(folder)).toBe(0o700);
  expect(await modeOf(join(folder, "keys"))).toBe(0o700);
  expect(await modeOf(join(folder, "operator.key"))).toBe(0o600);
  expect(await modeOf(join(folder, "keys/acme.json"))).toBe(0o600);
  expect(await readFile(join(folder, ".gitignore"), "utf8")).toBe("*\n");
});

it("generates once: processes that begin together agree, and leave nothing behind", async () => {
  const folder = await temporaryFolder();
  const keys = await Promise.all(Array.from({ length: 8 }, () => openState(folder).ensureOperatorKey()));
  expect(new Set(keys).size).toBe(1);
  expect(keys[0]).toMatch(/^[A-Za-z0-9_-]{43}$/);
  const tenants = await Promise.all(Array.from({ length: 4 }, () => openState(folder).ensureTenantKeys("acme")));
  expect(new Set(tenants.map(({ publicKeys }) => JSON.stringify(publicKeys))).size).toBe(1);
  expect(await openState(folder).operatorKey()).toBe(keys[0]);
  expect([...(await readdir(folder)), ...(await readdir(join(folder, "keys")))].filter((name) => name.endsWith(".tmp"))).toEqual([]);
});

it("hands out public keys that a tenant's file accepts, and nothing private", async () => {
  const { publicKeys } = await openState(await temporaryFolder()).ensureTenantKeys("acme");
  expect(tenantFileSchema.parse({ tenant: "acme", keys: { jwks: publicKeys }, services: {} }).keys).toEqual({ jwks: publicKeys });
  expect(publicKeys.map(({ alg }) => alg)).toEqual(["EdDSA", "ES256"]);
  expect(JSON.stringify(publicKeys)).not.toContain('"d"');
});

it.for(ALGORITHMS)("signs with %s what the public key verifies", async (algorithm) => {
  const { publicKeys, signers } = await openState(await temporaryFolder()).ensureTenantKeys("acme");
  const nowMs = Date.now();
  const signer = signers[algorithm];
  const token = await mintToken({
    tenant: "acme",
    device: "d-1",
    services: ["echo"],
    className: "gold",
    urgencyFirst: 0,
    audience: "tidegate",
    nowMs,
    lifetimeMs: 60_000,
    signer,
  });
  const findKey = async (_: string, keyId: string) => {
    const jwk = publicKeys.find(({ kid }) => kid === keyId);
    return jwk ? { algorithm: jwk.alg, key: (await importJWK(jwk as JWK)) as CryptoKey } : null;
  };
  expect(await verifyToken(token, { findKey, audience: "tidegate", nowMs })).toMatchObject({ ok: true });
});

it("generates the keys that seal accounts once, for their owner only", async () => {
  const folder = await temporaryFolder();
  const keys = await openState(folder).ensureExplainKeys();
  expect(keys).toMatch(/^1:[A-Za-z0-9_-]{43}$/);
  expect(await openState(folder).ensureExplainKeys()).toBe(keys);
  expect(await modeOf(join(folder, "explain.keys"))).toBe(0o600);
});

it("says what to do where there is no operator key", async () => {
  await expect(openState(await temporaryFolder()).operatorKey()).rejects.toThrow(
    /^Cannot read the operator key: .+ is missing, expected one; run npm start first/,
  );
});

it.for([
  {
    name: "a damaged operator key",
    file: "operator.key",
    content: "hunter2",
    says: /^Cannot read the operator key: .+ holds something else, expected 32 bytes in base64url/,
  },
  {
    name: "a file that is far too long",
    file: "operator.key",
    content: "A".repeat(70_000),
    says: /is 70000 characters long, expected at most 65536/,
  },
  { name: "a gateway address that is none", file: "gateway.json", content: '{"url":7}', says: /holds no URL, expected \{"url"/ },
])("tells $name", async ({ file, content, says }) => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, file), content);
  const state = openState(folder);
  await expect(file === "gateway.json" ? state.gatewayUrl() : state.operatorKey()).rejects.toThrow(says);
});

it("tells damaged tenant keys instead of replacing them", async () => {
  const folder = await temporaryFolder();
  const state = openState(folder);
  await state.ensureTenantKeys("acme");
  await writeFile(join(folder, "keys/acme.json"), "{}");
  await expect(state.ensureTenantKeys("acme")).rejects.toThrow(
    /^Cannot read the keys of tenant acme: .+ is damaged, expected one private JWK each for EdDSA and ES256/,
  );
});

it("knows the gateway's address, and whose keys it holds", async () => {
  const folder = await temporaryFolder();
  const state = openState(folder);
  expect(await state.gatewayUrl()).toBe(GATEWAY_URL_DEFAULT);
  expect(await state.tenantsWithKeys()).toEqual([]);
  expect(await state.tenantKeys("acme")).toBeNull();
  await writeFile(join(folder, "gateway.json"), '{"url":"http://127.0.0.1:9999"}');
  await state.ensureTenantKeys("globex");
  await state.ensureTenantKeys("acme");
  expect(await state.gatewayUrl()).toBe("http://127.0.0.1:9999");
  expect(await state.tenantsWithKeys()).toEqual(["acme", "globex"]);
});

it("finds the folder by option, then environment, then default", () => {
  expect(stateFolderOf("a", { TIDEGATE_STATE: "b" })).toBe("a");
  expect(stateFolderOf(undefined, { TIDEGATE_STATE: "b" })).toBe("b");
  expect(stateFolderOf(undefined, {})).toBe(".tidegate");
});

it("says which file is in the way, and shows no stack", async () => {
  const folder = await temporaryFolder();
  const file = join(folder, "file");
  await writeFile(file, "");
  await mkdir(join(folder, "operator.key"));
  await writeFile(join(folder, "keys"), "");
  await expect(openState(folder).operatorKey()).rejects.toThrow(
    new CliError(`Cannot read ${join(folder, "operator.key")}: EISDIR, expected what this user can read (--state)`),
  );
  await expect(openState(folder).tenantsWithKeys()).rejects.toThrow(/^Cannot read .+keys: ENOTDIR, expected what this user can read/);
  await expect(openState(file).gatewayUrl()).rejects.toThrow(/^Cannot read .+gateway\.json: ENOTDIR, expected what this user can read/);
  await symlink(join(folder, "gone"), join(folder, "state"));
  await expect(openState(join(folder, "state")).ensureOperatorKey()).rejects.toThrow(
    /^Cannot create .+operator\.key: E[A-Z]+, expected a folder that can be written \(--state\)$/,
  );
  const { exitCode, stderr } = await runCli(["status", "--state", file]);
  expect({ exitCode, lines: stderr.trimEnd().split("\n").length }).toEqual({ exitCode: 1, lines: 1 });
});
