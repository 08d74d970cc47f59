import { expect, it } from "vitest";
import { Pool } from "#durable/pool/pool.ts";
import { configurationOf } from "#durable/pool/pool-configuration.ts";
import { validateConfiguration } from "#shared/config/validate.ts";
import { kernels } from "#test/support/kernels.ts";

const KEY = { kty: "OKP", crv: "Ed25519", alg: "EdDSA", kid: "k", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" };

it("whoever asks again while it waits is looked at when the time is up that its tenant gave it at first", () => {
  const service = { service: "svc", endpoints: [{ url: "https://e.example", capacity: 1 }] };
  const validated = validateConfiguration([
    { file: "classes.yaml", document: { classes: { gold: { weight: 1 } } } },
    { file: "services/svc.yaml", document: { ...service, shards: { sizeMin: 1, sizeMax: 50 } } },
    { file: "tenants/t.yaml", document: { tenant: "t", keys: { jwks: [KEY] }, services: { svc: { gold: { waitMsMax: 1_300 } } } } },
  ]);
  if (!validated.ok) throw new Error(JSON.stringify(validated.errors));
  const pool = new Pool(kernels({ memoryBytes: 2 * 2 ** 20 }), 0);
  pool.configure(configurationOf("svc", 1, validated.configuration), { nextNumber: 1, nowMs: 0 });
  const of = {
    holder: "h",
    service: "svc",
    flow: "t/gold",
    affinityKey: null,
    urgency: 3,
    kind: "request",
    configurationVersion: 1,
  } as const;
  pool.acquire({ ...of, slotId: "a", waitMsMax: 20_000 }, 0);
  expect(pool.decide(0)).toHaveLength(1);
  const leftMs = (waitMsMax: number, nowMs: number): number => {
    const request = { ...of, slotId: "b", waitMsMax };
    expect(pool.acquire(request, nowMs)).toBeNull();
    return pool.waitLeftMs(request, nowMs);
  };
  expect([leftMs(20_000, 0), leftMs(19_000, 1_000), leftMs(200, 1_000)]).toEqual([1_300, 300, 200]);
  expect(pool.decide(1_299)).toEqual([]);
  expect(pool.decide(1_300)).toMatchObject([{ slotId: "b", verdict: { outcome: "expired-in-queue" } }]);
  // Nor longer than that where the clock is set back.
  expect([leftMs(20_000, 2_000), leftMs(20_000, 1_000)]).toEqual([1_300, 1_300]);
});
