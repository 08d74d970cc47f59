// The quota as an object: what it promised is on disk, whoever asks and whenever it is evicted.
import { env } from "cloudflare:workers";
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { beforeAll, describe, expect, it } from "vitest";
import { CreditLease } from "#durable/lease/credit-lease.ts";
import type { TenantQuota } from "#durable/quota/quota-object.ts";
import { quotaName } from "#shared/protocol/quota-rpc.ts";
import { REGISTRY_NAME } from "#shared/protocol/registry-rpc.ts";
import { documentsOf } from "../../support/worker/configuration.ts";

let version: number;

const registry = () => env.REGISTRY.get(env.REGISTRY.idFromName(REGISTRY_NAME));

/** Three tenants alike, each with 20 slots over two services. */
async function apply(slots: number): Promise<number> {
  const services = ["echo", "video"];
  const documents = documentsOf(services.map((service) => ({ service, capacity: 100 }))).filter(({ file }) => !file.startsWith("tenants/"));
  const key = { kty: "OKP", crv: "Ed25519", alg: "EdDSA", kid: "k", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" };
  const tenants = ["evicted", "repeated", "shrunk"].map((tenant) => ({
    file: `tenants/${tenant}.yaml`,
    document: { tenant, keys: { jwks: [key] }, total: { slots }, services: { echo: { gold: {} }, video: { gold: {} } } },
  }));
  const answer = await registry().apply([...documents, ...tenants]);
  if (!answer.ok) throw new Error(JSON.stringify(answer.errors));
  return answer.version;
}

beforeAll(async () => {
  version = await apply(20);
});

const stubOf = (tenant: string): DurableObjectStub<TenantQuota> => env.QUOTA.get(env.QUOTA.idFromName(quotaName(tenant)));

function poolOf(tenant: string, service: string) {
  const lease = new CreditLease(service, 1);
  const flow = `${service}/gold`;
  return async ({
    want,
    passedOn = 0,
    configurationVersion = version,
  }: {
    want: number;
    passedOn?: number;
    configurationVersion?: number;
  }) => {
    const request = lease.request([{ flow, want, passedOn, tokensWant: 0 }], Date.now());
    const answer = await stubOf(tenant).renew({ tenant, configurationVersion, lease: request });
    lease.apply(answer.renewal, Date.now());
    return { slots: lease.slots(flow, Date.now()), request, answer };
  };
}

describe("a tenant's quota", () => {
  it("lends no more than its slots to two services, and remembers it after an eviction", async () => {
    const [echo, video] = [poolOf("evicted", "echo"), poolOf("evicted", "video")];
    expect((await echo({ want: 15 })).slots).toBe(15);
    await evictDurableObject(stubOf("evicted"));
    expect((await video({ want: 15 })).slots).toBe(5);
    await evictDurableObject(stubOf("evicted"));
    expect(await stubOf("evicted").usage("evicted")).toMatchObject({ slotsMax: 20, slotsOut: 20 });
  });

  it("answers a repeated renewal with the same words, also after an eviction", async () => {
    const echo = poolOf("repeated", "echo");
    const { request, answer } = await echo({ want: 8 });
    await evictDurableObject(stubOf("repeated"));
    const again = await stubOf("repeated").renew({ tenant: "repeated", configurationVersion: version, lease: request });
    expect(again).toEqual(answer);
    expect((await stubOf("repeated").usage("repeated")).slotsOut).toBe(8);
  });

  it("follows a new version with the pool that brings it, and takes nothing away by force", async () => {
    const [echo, video] = [poolOf("shrunk", "echo"), poolOf("shrunk", "video")];
    await echo({ want: 18 });
    const newer = await apply(10);
    expect((await video({ want: 5, configurationVersion: newer })).slots).toBe(0);
    const { slots, answer } = await echo({ want: 18, passedOn: 18, configurationVersion: newer });
    expect(slots).toBeLessThanOrEqual(10);
    expect(answer.configurationVersion).toBe(newer);
    await echo({ want: 5, passedOn: 5, configurationVersion: newer });
    expect((await video({ want: 5, configurationVersion: newer })).slots).toBe(5);
  });

  it("writes one row for a renewal, and sets no alarm", async () => {
    const echo = poolOf("rows", "echo");
    await echo({ want: 5 });
    await echo({ want: 5 });
    const written = await runInDurableObject(stubOf("rows"), async (_, state) => {
      expect(await state.storage.getAlarm()).toBeNull();
      return state.storage.sql.exec("SELECT holder FROM holders").toArray().length;
    });
    expect(written).toBe(1);
  });
});
