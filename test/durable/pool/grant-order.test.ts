import { expect, it } from "vitest";
import { Pool } from "#durable/pool/pool.ts";
import { configurationOf } from "#durable/pool/pool-configuration.ts";
import { validateConfiguration } from "#shared/config/validate.ts";
import { kernels } from "#test/support/kernels.ts";

const CAPACITY = 32;
const KEY = { kty: "OKP", crv: "Ed25519", alg: "EdDSA", kid: "k", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" };

/** Gold has the least weight: what it gets, it gets for its reserve. */
function poolOf(): Pool {
  const validated = validateConfiguration([
    { file: "classes.yaml", document: { classes: { gold: { weight: 1, reserve: 0.25 }, silver: { weight: 4 }, bronze: { weight: 4 } } } },
    { file: "services/svc.yaml", document: { service: "svc", endpoints: [{ url: "https://e.example", capacity: CAPACITY }] } },
    { file: "tenants/t.yaml", document: { tenant: "t", keys: { jwks: [KEY] }, services: { svc: { gold: {}, silver: {}, bronze: {} } } } },
  ]);
  if (!validated.ok) throw new Error(JSON.stringify(validated.errors));
  const pool = new Pool(kernels({ memoryBytes: 2 * 2 ** 20 }), 0);
  pool.configure(configurationOf("svc", 1, validated.configuration), { nextNumber: 1, nowMs: 0 });
  return pool;
}

function ask(pool: Pool, className: string, count: number): void {
  for (let place = 0; place < count; place += 1) {
    const named = { slotId: `${className}-${place}`, holder: "h", service: "svc", flow: `t/${className}`, affinityKey: null };
    pool.acquire({ ...named, urgency: 3, kind: "request", waitMsMax: 60_000, configurationVersion: 1 }, 0);
  }
}

it("a class below its reserve gets every next slot that ends; from there on all take turns by weight", () => {
  const pool = poolOf();
  ask(pool, "bronze", 2 * CAPACITY);
  const given = pool.decide(0).map(({ slotId }) => slotId);
  expect(given).toHaveLength(CAPACITY);
  ask(pool, "silver", CAPACITY);
  ask(pool, "gold", CAPACITY);
  const next = given.map((slotId) => {
    expect(pool.giveBack([slotId], "h", 1)).toBe(1);
    return pool.decide(1).map((decision) => decision.slotId.split("-")[0]);
  });
  const reserved = CAPACITY / 4;
  expect(next.slice(0, reserved)).toEqual(Array.from({ length: reserved }, () => ["gold"]));
  const rest = Map.groupBy(next.slice(reserved).flat(), (className) => className);
  expect(rest.get("silver")?.length).toBeGreaterThanOrEqual(CAPACITY / 4);
  expect(rest.get("bronze")?.length).toBeGreaterThanOrEqual(CAPACITY / 4);
});
