import { importJWK, type CryptoKey, type JWK } from "jose";
import { expect, it } from "vitest";
import { openState } from "#cli/state.ts";
import { verifyToken, type FindKey } from "#shared/identifier/token.ts";
import { runCli, temporaryFolder } from "./run-cli.ts";

const BASE = ["token", "--tenant", "acme", "--device", "d-1", "--service", "echo", "--class", "gold"];

async function stateWithAcme(): Promise<{ folder: string; findKey: FindKey }> {
  const folder = await temporaryFolder();
  const { publicKeys } = await openState(folder).ensureTenantKeys("acme");
  const findKey: FindKey = async (tenant, keyId) => {
    const jwk = tenant === "acme" ? publicKeys.find(({ kid }) => kid === keyId) : undefined;
    return jwk ? { algorithm: jwk.alg, key: (await importJWK(jwk as JWK)) as CryptoKey } : null;
  };
  return { folder, findKey };
}

it.for(["EdDSA", "ES256"])("prints only a token, signed with %s, that the gateway accepts", async (algorithm) => {
  const { folder, findKey } = await stateWithAcme();
  const argv = [
    ...BASE,
    "--service",
    "telemetry",
    "--urgency",
    "2",
    "--ttl",
    "10m",
    "--alg",
    algorithm,
    "--audience",
    "edge-1",
    "--state",
    folder,
  ];
  const { exitCode, stdout, stderr } = await runCli(argv);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  expect(stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
  const verified = await verifyToken(stdout.trim(), { findKey, audience: "edge-1", nowMs: Date.now() });
  expect(verified).toMatchObject({
    ok: true,
    entitlement: { tenant: "acme", device: "d-1", services: ["echo", "telemetry"], classHighest: "gold", urgencyFirst: 2, role: "device" },
  });
  expect(await verifyToken(stdout.trim(), { findKey, audience: "edge-1", nowMs: Date.now() + 11 * 60_000 })).toMatchObject({ ok: false });
});

it("prints token, claims and expiry with --json; finds its state by the environment", async () => {
  const { folder, findKey } = await stateWithAcme();
  const { stdout } = await runCli([...BASE, "--role", "service", "--json"], { environment: { TIDEGATE_STATE: folder } });
  const { token, claims, expiresAt } = JSON.parse(stdout) as { token: string; claims: { exp: number }; expiresAt: string };
  expect(await verifyToken(token, { findKey, audience: "tidegate", nowMs: Date.now() })).toMatchObject({
    ok: true,
    entitlement: { role: "service" },
  });
  expect(claims).toMatchObject({ iss: "acme", sub: "d-1", svc: ["echo"], cls: "gold", role: "service" });
  expect(Date.parse(expiresAt)).toBe(claims.exp * 1_000);
});

it.for([
  { more: ["--urgency", "8"], says: 'Cannot read --urgency: is "8", expected an integer from 0 to 7' },
  { more: ["--ttl", "1y"], says: 'Cannot read --ttl: is "1y", expected a duration from 1s to 366d' },
  { more: ["--ttl", "0s"], says: "expected a duration from 1s" },
  { more: ["--alg", "none"], says: "expected one of EdDSA, ES256" },
  { more: ["--role", "operator"], says: "expected one of device, service" },
  { more: ["--service", "../etc"], says: 'Cannot read --service: is "../etc", expected a name' },
  { more: Array.from({ length: 64 }, () => ["--service", "echo"]).flat(), says: "it names 65 services, expected at most 64" },
])("refuses $says", async ({ more, says }) => {
  const { folder } = await stateWithAcme();
  const { exitCode, stdout, stderr } = await runCli([...BASE, ...more, "--state", folder]);
  expect(exitCode).toBeGreaterThan(0);
  expect(stdout).toBe("");
  expect(stderr).toContain(says);
});

it.for([
  { option: "--tenant", value: "../../acme" },
  { option: "--device", value: "d 1" },
  { option: "--class", value: "Gold" },
])("refuses $option $value", async ({ option, value }) => {
  const { folder } = await stateWithAcme();
  const argv = BASE.with(BASE.indexOf(option) + 1, value);
  expect(await runCli([...argv, "--state", folder])).toMatchObject({
    exitCode: 2,
    stdout: "",
    stderr: expect.stringContaining(`Cannot read ${option}: is ${JSON.stringify(value)}`),
  });
});

it("signs only for tenants whose keys it holds, and says which", async () => {
  const { folder } = await stateWithAcme();
  const { exitCode, stderr } = await runCli([...BASE.with(2, "globex"), "--state", folder]);
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/^Cannot sign for tenant globex: .+ holds no keys of it, expected one of acme\n$/);
});
