// A tenant that is removed while it has sockets: the real objects.
import { env } from "cloudflare:workers";
import { evictDurableObject } from "cloudflare:test";
import { expect, it } from "vitest";
import { HeldLease } from "#shared/lease/held-lease.ts";
import { TOTAL_BYTES } from "#shared/protocol/quota-rpc.ts";
import { REGISTRY_NAME } from "#shared/protocol/registry-rpc.ts";
import { documentsOf } from "../../support/worker/configuration.ts";

const FLOW = "goner/gold";
const PACES = [{ flow: FLOW, bytes: "held", isTimed: false }];

const registry = () => env.REGISTRY.get(env.REGISTRY.idFromName(REGISTRY_NAME));

/** The next version: with the tenant where its limits are given, and another one's rate, so that it is another. */
async function apply(limits: { readonly gold: object; readonly total?: object } | null, rate: number): Promise<number> {
  const documents = documentsOf([{ service: "left", capacity: 20, quota: { ratePerSecond: rate } }]);
  const key = { kty: "OKP", crv: "Ed25519", alg: "EdDSA", kid: "k", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" };
  const { gold, ...total } = limits ?? { gold: {} };
  const goner = { tenant: "goner", keys: { jwks: [key] }, ...total, services: { left: { gold } } };
  const answer = await registry().apply([...documents, ...(limits === null ? [] : [{ file: "tenants/goner.yaml", document: goner }])]);
  if (!answer.ok) throw new Error(JSON.stringify(answer.errors));
  return answer.version;
}

it("a tenant that is removed keeps its limits: by one more version, and then as long as it has a socket", async () => {
  const stub = env.POOL.get(env.POOL.idFromName("left"));
  let version = await apply({ gold: { slots: 2, bandwidthBytesPerSecond: 1_024, queueLengthMax: 0 } }, 1);
  const socket = async (slotId: string) => {
    const asked = { holder: "h", service: "left", flow: FLOW, urgency: 3, affinityKey: null, kind: "socket", waitMsMax: 1_000 } as const;
    return (await stub.acquire({ ...asked, slotId, configurationVersion: version })).ok;
  };
  const paces = async () => (await stub.paces({ service: "left", configurationVersion: version, flows: [FLOW] })).paces;
  expect(await socket("1")).toBe(true);
  version = await apply(null, 2);
  const asked: boolean[] = [];
  for (const slotId of ["2", "3", "4"]) asked.push(await socket(slotId));
  expect(asked).toEqual([true, false, false]);
  expect(await paces()).toMatchObject(PACES);
  await evictDurableObject(stub);
  version = await apply(null, 3);
  expect(await paces()).toMatchObject(PACES);
  for (const slotId of ["1", "2"]) await stub.release({ slotId, holder: "h", flow: FLOW, outcome: "admitted-queued" });
  version = await apply(null, 4);
  expect(await paces()).toEqual([]);
  version = await apply({ gold: { slots: 1, queueLengthMax: 0 } }, 5);
  expect([await socket("5"), await socket("6")]).toEqual([true, false]);
});

it("a tenant that is removed keeps what it may have over all services", async () => {
  const stub = env.POOL.get(env.POOL.idFromName("left"));
  let version = await apply({ gold: { queueLengthMax: 0 }, total: { slots: 2, bandwidthBytesPerSecond: 1_024 } }, 6);
  const socket = async (slotId: string) => {
    const asked = { holder: "h", service: "left", flow: FLOW, urgency: 3, affinityKey: null, kind: "socket", waitMsMax: 1_000 } as const;
    return (await stub.acquire({ ...asked, slotId, configurationVersion: version })).ok;
  };
  await stub.release({ slotId: "5", holder: "h", flow: FLOW, outcome: "admitted-queued" });
  expect(await socket("7")).toBe(true);
  version = await apply(null, 7);
  const asked: boolean[] = [];
  for (const slotId of ["8", "9", "10"]) asked.push(await socket(slotId));
  expect(asked.filter(Boolean).length).toBeLessThanOrEqual(1);
  expect(asked.at(-1)).toBe(false);
  const quota = env.QUOTA.get(env.QUOTA.idFromName("goner"));
  const lease = new HeldLease("pool").request({ flows: [{ flow: TOTAL_BYTES, want: 0, tokensWant: 1 }], lanes: [] }, Date.now());
  const { renewal } = await quota.renew({ tenant: "goner", configurationVersion: version, lease });
  expect(renewal).toMatchObject({ ok: true, flows: [{ flow: TOTAL_BYTES, tokens: 1 }] });
  expect(await quota.usage("goner")).toMatchObject({ slotsMax: 2 });
});
