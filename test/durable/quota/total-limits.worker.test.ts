// A tenant's bytes and service time over two services: their pools and its quota, the real objects together. Bounds are those of the
// advertised limits, which no machine is too slow for.
import { env } from "cloudflare:workers";
import { evictDurableObject } from "cloudflare:test";
import { beforeAll, describe, expect, it } from "vitest";
import { totalBandwidthOf } from "#shared/config/quota-policies.ts";
import { BYTE_UNIT, byteFlowOf } from "#shared/lease/byte-flow.ts";
import { HeldLease } from "#shared/lease/held-lease.ts";
import { regionalPoolName, type RenewAnswer } from "#shared/protocol/pool-rpc.ts";
import { REGISTRY_NAME } from "#shared/protocol/registry-rpc.ts";
import { documentsOf } from "../../support/worker/configuration.ts";
import { tellPool } from "../../support/worker/exchange.ts";

const PER_SECOND = 200_000;
const WANT_UNITS = 10_000;
/** Clocks of whole milliseconds, at three objects. */
const CLOCK_MS = 10;
let version: number;

beforeAll(async () => {
  const services = ["near", "far"];
  const wide = { service: "wide", capacity: 100, more: { regions: ["weur", "enam"] } };
  const documents = documentsOf([...services.map((service) => ({ service, capacity: 100 })), wide]).filter(
    ({ file }) => !file.startsWith("tenants/"),
  );
  const key = { kty: "OKP", crv: "Ed25519", alg: "EdDSA", kid: "k", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" };
  const tenants = Object.entries({
    rated: { ratePerSecond: 20, burst: 40 },
    spread: { ratePerSecond: 20, burst: 40 },
    paced: { bandwidthBytesPerSecond: PER_SECOND },
    shown: { ratePerSecond: 1, burst: 32, bandwidthBytesPerSecond: 1_024, slots: 0, cpuSecondsPerSecond: 0.001, mode: "shadow" },
    busy: { cpuSecondsPerSecond: 0.001 },
  }).map(([tenant, total]) => {
    const gold = tenant === "shown" ? { ratePerSecond: 1, burst: 32, mode: "shadow" } : {};
    const quotas = Object.fromEntries((tenant === "spread" ? ["wide"] : services).map((service) => [service, { gold }]));
    return { file: `tenants/${tenant}.yaml`, document: { tenant, keys: { jwks: [key] }, total, services: quotas } };
  });
  const answer = await env.REGISTRY.get(env.REGISTRY.idFromName(REGISTRY_NAME)).apply([...documents, ...tenants]);
  if (!answer.ok) throw new Error(JSON.stringify(answer.errors));
  ({ version } = answer);
});

const quotaOf = (tenant: string) => env.QUOTA.get(env.QUOTA.idFromName(tenant));

/** An isolate of a service: renews, and spends all that it gets at once. */
function isolateOf(service: string, tenant: string) {
  const stub = env.POOL.get(env.POOL.idFromName(service));
  const held = new HeldLease(`${tenant}-${service}-${crypto.randomUUID()}`);
  const flow = `${tenant}/gold`;
  const bytes = byteFlowOf(flow);
  return {
    stub,
    async renew({ units = 0, used = 0, busyMs = 0, arrivals = 0 } = {}): Promise<{ units: number; answer: RenewAnswer }> {
      const wants = units === 0 ? [] : [{ flow: bytes, want: 0, tokensWant: units }];
      const lease = held.request({ flows: [{ flow, want: 1, tokensWant: 0 }, ...wants], lanes: [] }, Date.now());
      const measured = { flow, arrivals, outcomes: {}, buckets: [], sumMs: 0, busyMs, ...(used > 0 && { bytes: used }) };
      const telemetry = { flows: [measured], shards: [], edge: {} };
      const answer = await stub.renew({ service, configurationVersion: version, tableVersion: 0, lease, telemetry });
      held.apply(answer.lease, Date.now());
      return { units: held.spend(bytes, WANT_UNITS, Date.now()), answer };
    },
    acquire: (slotId: string, kind: "request" | "socket" = "request") =>
      stub.acquire({
        slotId,
        holder: "h",
        service,
        flow,
        urgency: 3,
        affinityKey: null,
        kind,
        waitMsMax: 1_000,
        configurationVersion: version,
      }),
  };
}

describe("a tenant's bandwidth over all services", () => {
  it("is lent to two services' isolates together, never more than its burst and what it earned, through evictions", async () => {
    const isolates = [isolateOf("near", "paced"), isolateOf("far", "paced")] as const;
    const burst = totalBandwidthOf({ bandwidthBytesPerSecond: PER_SECOND, mode: "enforce" })?.burstBytes ?? 0;
    const startedAtMs = Date.now();
    const got = [0, 0];
    for (let turn = 0; turn < 40 || Math.min(...got) === 0; turn += 1) {
      if (turn === 10) await evictDurableObject(quotaOf("paced"));
      if (turn === 20) await evictDurableObject(isolates[0].stub);
      for (const [index, isolate] of isolates.entries()) {
        const { units, answer } = await isolate.renew({ units: WANT_UNITS });
        got[index] = (got[index] ?? 0) + units * BYTE_UNIT;
        expect(answer.left.find(({ flow }) => flow === "paced/gold")?.bytes).toBeTypeOf("number");
        const earned = (PER_SECOND * (Date.now() - startedAtMs + CLOCK_MS)) / 1_000;
        expect((got[0] ?? 0) + (got[1] ?? 0)).toBeLessThanOrEqual(burst + earned);
      }
    }
    expect((got[0] ?? 0) + (got[1] ?? 0)).toBeGreaterThan(burst / 2);
  });

  it("limits no slots, and nobody else's bytes", async () => {
    expect(await isolateOf("near", "paced").acquire("paced-1")).toMatchObject({ ok: true });
    const { answer } = await isolateOf("near", "busy").renew({ units: 100 });
    expect(answer.left.find(({ flow }) => flow === "busy/gold")?.bytes ?? null).toBeNull();
  });
});

describe("a tenant's rate over all services", () => {
  it("admits at two services together its burst and what it earned, through evictions, and refuses the rest by name", async () => {
    const isolates = [isolateOf("near", "rated"), isolateOf("far", "rated")] as const;
    const startedAtMs = Date.now();
    let admitted = 0;
    const refused: unknown[] = [];
    for (let turn = 0; turn < 60; turn += 1) {
      if (turn === 15) await evictDurableObject(isolates[1].stub);
      if (turn === 30) await evictDurableObject(quotaOf("rated"));
      for (const isolate of isolates) {
        const slotId = crypto.randomUUID();
        const answer = await isolate.acquire(slotId);
        if (answer.ok) await tellPool(isolate.stub, { service: "rated", returned: [slotId] });
        else refused.push(answer);
        admitted += answer.ok ? 1 : 0;
        expect(admitted).toBeLessThanOrEqual(40 + (20 * (Date.now() - startedAtMs + CLOCK_MS)) / 1_000);
      }
    }
    expect(admitted).toBeGreaterThanOrEqual(20);
    expect(refused[0]).toMatchObject({ outcome: "rejected-quota", violated: [{ kind: "total-rate", quota: 40, windowMs: 2_000 }] });
  });
});

describe("a tenant's rate over all services at a region's pool", () => {
  it("is asked of the home pool by the first request, and binds there", async () => {
    const stub = env.REGIONAL_POOL.get(env.REGIONAL_POOL.idFromName(regionalPoolName("wide", "enam")));
    const place = { service: "wide", region: "enam", configurationVersion: version } as const;
    const request = { holder: "h", flow: "spread/gold", urgency: 3, affinityKey: null, waitMsMax: 1_000, kind: "request" } as const;
    const startedAtMs = Date.now();
    const answers: boolean[] = [];
    for (let turn = 0; turn < 80; turn += 1) {
      const slotId = crypto.randomUUID();
      const answer = await stub.acquire({ ...place, ...request, slotId });
      if (answer.ok) await tellPool(stub, { service: "wide", returned: [slotId] });
      answers.push(answer.ok);
      const admitted = answers.filter(Boolean).length;
      expect(admitted).toBeLessThanOrEqual(40 + (20 * (Date.now() - startedAtMs + CLOCK_MS)) / 1_000);
    }
    expect(answers.slice(0, 5)).toEqual([true, true, true, true, true]);
  });
});

describe("a tenant's service time over all services", () => {
  it("that one service used up is refused at the other, by name", async () => {
    await isolateOf("near", "busy").renew({ busyMs: 60_000, arrivals: 1 });
    const far = isolateOf("far", "busy");
    // It learns of it with its own call to the quota, which it makes for what it measured itself.
    await far.renew({ busyMs: 1, arrivals: 1 });
    await expect
      .poll(async () => far.acquire(crypto.randomUUID()))
      .toMatchObject({ ok: false, outcome: "rejected-quota", violated: [{ kind: "total-cpu", quota: 1 }] });
    const { answer } = await far.renew();
    expect(answer.left.find(({ flow }) => flow === "busy/gold")).toMatchObject({ isTotalBlocked: true });
  });
});

describe("limits over all services in shadow", () => {
  it("hold nothing back, and are counted", async () => {
    const near = isolateOf("near", "shown");
    expect(await near.acquire("shown-1")).toMatchObject({ ok: true });
    const { units, answer } = await near.renew({ units: 100, used: 1_000_000, busyMs: 5_000, arrivals: 3 });
    expect([units, answer.left]).toEqual([0, []]);
    await expect.poll(async () => (await quotaOf("shown").usage("shown")).shadow.bandwidth).toBeGreaterThan(1_000_000 - 70_000);
    expect(await quotaOf("shown").usage("shown")).toMatchObject({ bytes: 1_000_000, costMs: 5_000, shadow: { cpu: 3 } });
    expect((await quotaOf("shown").usage("shown")).shadow.slots).toBeGreaterThan(0);
  });

  it("count openings of sockets, which no isolate measures, at the service and over all", async () => {
    const near = isolateOf("near", "shown");
    for (let index = 0; index < 60; index += 1) expect(await near.acquire(`shown-socket-${index}`, "socket")).toMatchObject({ ok: true });
    const { counters } = await near.stub.stats("near", version);
    // Seconds may pass, each of which lets one through.
    expect(counters.shadow["shown/gold rate"]).toBeGreaterThanOrEqual(10);
    await near.renew();
    await expect.poll(async () => (await quotaOf("shown").usage("shown")).shadow.rate, { timeout: 10_000 }).toBeGreaterThanOrEqual(10);
  });
});
