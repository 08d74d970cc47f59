import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { CreditRenewals } from "#durable/pool/credit-renewals.ts";
import { configurationOf } from "#durable/pool/pool-configuration.ts";
import { Pool } from "#durable/pool/pool.ts";
import { TenantCredits } from "#durable/pool/tenant-credits.ts";
import { quotaConfigurationOf } from "#durable/quota/quota-policy.ts";
import { Quota } from "#durable/quota/quota.ts";
import type { TotalConfig } from "#shared/config/schema.ts";
import { validateConfiguration } from "#shared/config/validate.ts";
import { HeldLease } from "#shared/lease/held-lease.ts";
import type { QuotaRenewalRequest } from "#shared/protocol/quota-rpc.ts";
import { kernels } from "#test/support/kernels.ts";
import { seededRandom } from "#test/wasm/seeded-random.ts";

const KEY = { kty: "OKP", crv: "Ed25519", alg: "EdDSA", kid: "k", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" };
const LANE = "https://e.example";
const TENANT_COUNT = 12;
const TOTALS: readonly (Partial<TotalConfig> | undefined)[] = [
  { slots: 8 },
  { ratePerSecond: 40 },
  { slots: 8, ratePerSecond: 40, bandwidthBytesPerSecond: 1_000_000 },
  { slots: 4, mode: "shadow" },
  undefined,
];
const tenantOf = (number: number): string => `t${number % TENANT_COUNT}`;

function configuration() {
  const validated = validateConfiguration([
    { file: "classes.yaml", document: { classes: { gold: { weight: 3, reserve: 0 }, silver: { weight: 1, reserve: 0 } } } },
    { file: "services/svc.yaml", document: { service: "svc", endpoints: [{ url: LANE, capacity: 60 }] } },
    ...Array.from({ length: TENANT_COUNT }, (_, number) => {
      const total = TOTALS[number % TOTALS.length];
      const limits = total === undefined ? {} : { total };
      const document = { tenant: tenantOf(number), keys: { jwks: [KEY] }, ...limits, services: { svc: { gold: {}, silver: {} } } };
      return { file: `tenants/${tenantOf(number)}.yaml`, document };
    }),
  ]);
  if (!validated.ok) throw new Error(JSON.stringify(validated.errors));
  return validated.configuration;
}

/** A pool with its tenants' quotas, whose calls are answered when `settled`. */
function poolWithQuotas(clock: { nowMs: number }, failEvery: number) {
  const all = configuration();
  const pool = new Pool(kernels({ memoryBytes: 2 * 2 ** 20 }), clock.nowMs);
  pool.configure(configurationOf("svc", 1, all), { nextNumber: 1, nowMs: clock.nowMs });
  const quotas = new Map<string, Quota>();
  let calls = 0;
  const renew = ({ tenant, lease, use }: QuotaRenewalRequest) => {
    calls += 1;
    if (calls % failEvery === 0) return Promise.reject(new Error("The quota is away."));
    const quota = quotas.get(tenant) ?? Quota.fresh(quotaConfigurationOf(all, tenant, 1), clock.nowMs);
    quotas.set(tenant, quota);
    const renewal = quota.renew(lease, clock.nowMs);
    return Promise.resolve({ renewal, configurationVersion: 1, blockedMs: quota.observe(use, clock.nowMs) });
  };
  const renewals = new CreditRenewals(pool, { quotaOf: () => ({ renew }), life: () => 1, onChanged: () => undefined });
  return { pool, renewals, callCount: () => calls };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"] });
  // A quota that is away is told of.
  vi.spyOn(console, "warn").mockImplementation(() => undefined);
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe("which credits are looked at", () => {
  it("are those of which something changed: nobody else is due, whatever happens, for 6 seeds", async () => {
    for (let seed = 1; seed <= 6; seed += 1) {
      const random = seededRandom(seed);
      const clock = { nowMs: 1_000_000 };
      const { pool, renewals, callCount } = poolWithQuotas(clock, seed % 2 === 0 ? 7 : Infinity);
      const isolates = [new HeldLease("a"), new HeldLease("b")];
      const named: string[] = [];
      const request = (slotId: string, flow: string) =>
        ({ slotId, holder: "a", service: "svc", flow, affinityKey: null, urgency: 3, kind: "request", configurationVersion: 1 }) as const;
      const acts: readonly (() => void | Promise<void>)[] = [
        async (): Promise<void> => {
          const held = isolates[random.below(2)] ?? new HeldLease("c");
          const flows = Array.from({ length: 4 }, (_, place) => `${tenantOf(random.below(2) + 3 * place)}/gold`).map((flow) => ({
            flow,
            want: random.below(6),
            tokensWant: random.below(20),
          }));
          const asked = held.request({ flows, lanes: [{ lane: LANE, want: 8 }] }, clock.nowMs);
          await renewals.ensure(asked.flows, clock.nowMs);
          held.apply(pool.renew(asked, clock.nowMs).lease, clock.nowMs);
        },
        async (): Promise<void> => {
          const [slotId, flow] = [
            `${seed}-${named.length}`,
            `${tenantOf(random.below(TENANT_COUNT))}/${random.below(2) ? "gold" : "silver"}`,
          ];
          await renewals.ensure([{ flow, want: 1, tokensWant: 1 }], clock.nowMs);
          named.push(slotId);
          pool.acquire({ ...request(slotId, flow), waitMsMax: 2_000 }, clock.nowMs);
        },
        (): void => {
          const slotId = named[random.below(named.length)] ?? "";
          if (!pool.cancel(slotId, "a", clock.nowMs)) pool.giveBack([slotId], "a", clock.nowMs);
        },
        (): void => {
          const telemetry = { arrivals: 1, outcomes: {}, buckets: [], sumMs: 0, busyMs: 0, bytes: 1_000 };
          pool.observe({ flows: [{ ...telemetry, flow: `${tenantOf(random.below(TENANT_COUNT))}/gold` }] }, clock.nowMs);
        },
      ];
      for (let step = 0; step < 1_500; step += 1) {
        clock.nowMs += random.below(10) === 0 ? random.below(900) : random.below(40);
        vi.setSystemTime(clock.nowMs);
        await acts[random.below(acts.length)]?.();
        pool.credits.tick(clock.nowMs);
        pool.decide(clock.nowMs);
        renewals.renewDue(clock.nowMs);
        const before = callCount();
        pool.credits.lookAtAll();
        renewals.renewDue(clock.nowMs);
        expect(callCount() - before, `seed ${seed}, step ${step}`).toBe(0);
        if (random.below(3) > 0) await new Promise((resolve) => setImmediate(resolve));
      }
      expect(callCount()).toBeGreaterThan(100);
    }
  });

  it("are not those of whom nothing is to be told: their quotas are not asked", () => {
    const credits = new TenantCredits();
    const totals = { acme: { cpuSecondsPerSecond: 1, mode: "enforce" as const } };
    credits.configure({ tenantsWithTotal: [], totals, service: null, classes: [{ className: "gold", weight: 1 }] });
    const wants = { slots: () => 0, tokensWanted: () => 0, tokensLacked: () => 0 };
    const nothing = { flow: "acme/gold", arrivals: 0, outcomes: {}, buckets: [], sumMs: 0, busyMs: 0 };
    credits.observe(nothing);
    expect(credits.due(wants)).toEqual([]);
    credits.observe({ ...nothing, arrivals: 1 });
    expect(credits.due(wants)).toEqual(["acme"]);
  });

  it("are none where nothing changed, however many there are", () => {
    const credits = new TenantCredits();
    const tenants = Array.from({ length: 500 }, (_, number) => `t${number}`);
    const totals = Object.fromEntries(tenants.map((tenant) => [tenant, { slots: 10, mode: "enforce" as const }]));
    credits.configure({ tenantsWithTotal: tenants, totals, service: null, classes: [{ className: "gold", weight: 1 }] });
    credits.tick(0);
    const flow = { flow: "svc/gold", slots: 5, tokens: 0, isQueued: false, named: 0 };
    for (const tenant of tenants) {
      const { sequence } = credits.request(tenant, [{ flow: "svc/gold", want: 5, passedOn: 5, tokensWant: 0 }], { holder: "svc", life: 1 });
      const renewal = { ok: true, sequence, lengthMs: 8_000, renewAfterMs: 3_500, flows: [flow], lanes: [] } as const;
      credits.apply(tenant, { renewal }, false);
    }
    const asked: string[] = [];
    const wants = {
      slots: (tenant: string) => {
        asked.push(tenant);
        return 5;
      },
      tokensWanted: () => 0,
      tokensLacked: () => 0,
    };
    // At once, and when a quota that gave too little might have more.
    for (const nowMs of [0, 250]) {
      credits.tick(nowMs);
      expect([credits.due(wants), asked.splice(0).length]).toEqual([[], tenants.length]);
    }
    credits.tick(3_000);
    expect([credits.due(wants), asked]).toEqual([[], []]);
    credits.look("t7/gold");
    expect([credits.due(wants), asked]).toEqual([[], ["t7"]]);
  });
});
