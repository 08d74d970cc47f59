import { expect, it } from "vitest";
import { Pool } from "#durable/pool/pool.ts";
import { configurationOf } from "#durable/pool/pool-configuration.ts";
import { validateConfiguration } from "#shared/config/validate.ts";
import { kernels } from "#test/support/kernels.ts";

const KEY = { kty: "OKP", crv: "Ed25519", alg: "EdDSA", kid: "k", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" };
const FLOW = "t/gold";

it("a socket that is refused as its turn comes, for others of its device were served meanwhile, gives its token back", () => {
  const service = { service: "svc", endpoints: [{ url: "https://e.example", capacity: 2 }], sockets: { perDeviceMax: 1 } };
  const quota = { ratePerSecond: 1, burst: 40 };
  const validated = validateConfiguration([
    { file: "classes.yaml", document: { classes: { gold: { weight: 1 } } } },
    { file: "services/svc.yaml", document: { ...service, shards: { sizeMin: 1, sizeMax: 50 } } },
    { file: "tenants/t.yaml", document: { tenant: "t", keys: { jwks: [KEY] }, services: { svc: { gold: quota } } } },
  ]);
  if (!validated.ok) throw new Error(JSON.stringify(validated.errors));
  const pool = new Pool(kernels({ memoryBytes: 2 * 2 ** 20 }), 0);
  pool.configure(configurationOf("svc", 1, validated.configuration), { nextNumber: 1, nowMs: 0 });
  const named = {
    holder: "h",
    service: "svc",
    flow: FLOW,
    affinityKey: null,
    urgency: 3,
    waitMsMax: 60_000,
    configurationVersion: 1,
  } as const;
  for (const slotId of ["a", "b"]) pool.acquire({ ...named, slotId, kind: "request" }, 0);
  expect(pool.decide(0)).toHaveLength(2);
  for (const slotId of ["one", "two"]) pool.acquire({ ...named, slotId, kind: "socket", device: "d" }, 0);
  expect(pool.ledger.tokensLeft(FLOW, 0)).toBe(36);
  pool.giveBack(["a", "b"], "h", 0);
  expect(pool.decide(0)).toMatchObject([
    { slotId: "one", verdict: { ok: true } },
    { slotId: "two", verdict: { ok: false, outcome: "rejected-quota" } },
  ]);
  expect(pool.ledger.tokensLeft(FLOW, 0)).toBe(37);
});
