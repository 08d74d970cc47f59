// One tenant's slots over two services: their pools lease them from its quota and lend them on, the real objects together.
import { env } from "cloudflare:workers";
import { evictDurableObject } from "cloudflare:test";
import { beforeAll, describe, expect, it } from "vitest";
import type { AcquireAnswer } from "#shared/protocol/pool-rpc.ts";
import { REGISTRY_NAME } from "#shared/protocol/registry-rpc.ts";
import { documentsOf } from "../../support/worker/configuration.ts";

const TOTAL = 10;
let version: number;

beforeAll(async () => {
  const services = ["left", "right", "calm", "wild"];
  const documents = documentsOf(services.map((service) => ({ service, capacity: 100 }))).filter(({ file }) => !file.startsWith("tenants/"));
  const key = { kty: "OKP", crv: "Ed25519", alg: "EdDSA", kid: "k", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" };
  const quotas = Object.fromEntries(services.map((service) => [service, { gold: {} }]));
  const tenants = [
    { file: "tenants/acme.yaml", document: { tenant: "acme", keys: { jwks: [key] }, total: { slots: TOTAL }, services: quotas } },
    { file: "tenants/beta.yaml", document: { tenant: "beta", keys: { jwks: [key] }, total: { slots: TOTAL }, services: quotas } },
    { file: "tenants/free.yaml", document: { tenant: "free", keys: { jwks: [key] }, services: quotas } },
  ];
  const answer = await env.REGISTRY.get(env.REGISTRY.idFromName(REGISTRY_NAME)).apply([...documents, ...tenants]);
  if (!answer.ok) throw new Error(JSON.stringify(answer.errors));
  ({ version } = answer);
});

function poolOf(service: string, tenant = "acme") {
  const stub = env.POOL.get(env.POOL.idFromName(service));
  const ask = (slotId: string, waitMsMax = 1_500) =>
    stub.acquire({
      slotId: `${tenant}-${slotId}`,
      holder: "h",
      service,
      flow: `${tenant}/gold`,
      urgency: 3,
      affinityKey: null,
      kind: "socket",
      waitMsMax,
      configurationVersion: version,
    });
  const askMany = (count: number, from = 0) => Promise.all(Array.from({ length: count }, (_, index) => ask(String(from + index))));
  const release = (slotId: string) =>
    stub.release({ slotId: `${tenant}-${slotId}`, holder: "h", flow: `${tenant}/gold`, outcome: "admitted-queued" });
  return { stub, ask, askMany, release };
}

const granted = (answers: readonly AcquireAnswer[]): number => answers.filter(({ ok }) => ok).length;
const quotaOf = (tenant: string) => env.QUOTA.get(env.QUOTA.idFromName(tenant));

describe("a tenant with a limit over its services", () => {
  it("has that many slots at both together, however its requests are spread and whoever is evicted", async () => {
    const [left, right] = [poolOf("left"), poolOf("right")];
    expect(granted(await left.askMany(7))).toBe(7);
    await evictDurableObject(left.stub);
    await evictDurableObject(quotaOf("acme"));
    expect(granted(await right.askMany(8))).toBe(3);
    expect(await quotaOf("acme").usage("acme")).toMatchObject({ slotsMax: TOTAL, slotsOut: TOTAL });
    expect(granted(await left.askMany(4, 100))).toBe(0);
  });

  it("is told that it is its own limit, with a status that says so", async () => {
    expect(await poolOf("right").ask("refused")).toMatchObject({
      ok: false,
      outcome: "rejected-quota",
      violated: [{ kind: "total-slots", quota: TOTAL }],
    });
  });

  it("has what comes back at one service for the other, within a few renewals", async () => {
    const [left, right] = [poolOf("left"), poolOf("right")];
    const waiting = right.ask("waiting", 15_000);
    for (let index = 0; index < 4; index += 1) await left.release(String(index));
    expect(await waiting).toMatchObject({ ok: true });
  });

  it("takes nothing from a tenant without one, which asks no quota", async () => {
    expect(granted(await poolOf("right", "free").askMany(30))).toBe(30);
    expect(await quotaOf("free").usage("free")).toMatchObject({ renewals: 0 });
  });
});
