import { describe, expect, it } from "vitest";
import { CreditLease } from "#durable/lease/credit-lease.ts";
import { NO_CONFIGURATION, quotaConfigurationOf, type QuotaConfiguration } from "#durable/quota/quota-policy.ts";
import { Quota } from "#durable/quota/quota.ts";
import { TOTAL_BYTES, TOTAL_REQUESTS } from "#shared/protocol/quota-rpc.ts";
import { validateConfiguration } from "#shared/config/validate.ts";
import { classesFile, serviceFile, tenantFile } from "#test/shared/config/documents.ts";

const GOLD = { className: "gold", weight: 1, mode: "enforce" } as const;

function configurationOf(total: QuotaConfiguration["total"], flows: QuotaConfiguration["flows"]): QuotaConfiguration {
  const classes = { gold: { weight: 3, reserve: 0, urgencyMin: 0 }, bronze: { weight: 1, reserve: 0.5, urgencyMin: 0 } };
  return { version: 1, tenant: "acme", total, classes, flows, requestDurationMsMax: 1_000 };
}

/** A pool that renews until nothing changes. */
function pool(quota: Quota, service: string) {
  const lease = new CreditLease(service, 1);
  return (flow: string, { want = 0, passedOn = 0, nowMs = 0 }) => {
    lease.apply(quota.renew(lease.request([{ flow, want, passedOn, tokensWant: 0 }], nowMs), nowMs), nowMs);
    return { slots: lease.slots(flow, nowMs) };
  };
}

describe("slots over all services", () => {
  const flows = { "echo/gold": GOLD, "video/gold": { ...GOLD, weight: 3 }, "echo/bronze": { ...GOLD, className: "bronze" } };

  it("go to whoever wants them while nobody else does", () => {
    const quota = Quota.fresh(configurationOf({ slots: 40, mode: "enforce" }, flows), 0);
    expect(pool(quota, "echo")("echo/gold", { want: 60 }).slots).toBe(40);
  });

  it("are back within a renewal of each side when another service wants its share", () => {
    const quota = Quota.fresh(configurationOf({ slots: 40, mode: "enforce" }, flows), 0);
    const [echo, video] = [pool(quota, "echo"), pool(quota, "video")];
    echo("echo/gold", { want: 60 });
    expect(video("video/gold", { want: 60, nowMs: 100 }).slots).toBe(0);
    expect(echo("echo/gold", { want: 60, passedOn: 40, nowMs: 200 }).slots).toBe(10);
    // It passes nothing on until thirty have come back, and says when they have.
    echo("echo/gold", { want: 60, passedOn: 10, nowMs: 700 });
    expect(video("video/gold", { want: 60, nowMs: 800 }).slots).toBe(30);
  });

  it("are bounded by each service's own", () => {
    const quota = Quota.fresh(configurationOf({ slots: 40, mode: "enforce" }, { "echo/gold": { ...GOLD, slots: 25 } }), 0);
    expect(pool(quota, "echo")("echo/gold", { want: 60 }).slots).toBe(25);
  });

  it("keep a class's reserve from the others", () => {
    const quota = Quota.fresh(configurationOf({ slots: 40, mode: "enforce" }, flows), 0);
    const echo = pool(quota, "echo");
    for (let nowMs = 0; nowMs < 2_000; nowMs += 500) {
      echo("echo/bronze", { want: 60, nowMs });
    }
    const video = pool(quota, "video");
    expect(video("video/gold", { want: 60, nowMs: 2_000 }).slots).toBe(0);
    expect(echo("echo/bronze", { want: 60, nowMs: 2_100 }).slots).toBe(20);
  });

  it("are none for what is not configured", () => {
    const quota = Quota.fresh(configurationOf({ slots: 40, mode: "enforce" }, flows), 0);
    expect(pool(quota, "other")("other/gold", { want: 5 }).slots).toBe(0);
  });

  it("in shadow are lent without end, and what is over is counted", () => {
    const quota = Quota.fresh(configurationOf({ slots: 40, mode: "shadow" }, flows), 0);
    expect(pool(quota, "echo")("echo/gold", { want: 60 }).slots).toBe(60);
    expect(quota.usage(0)).toMatchObject({ slotsMax: 40, slotsOut: 60, slotsOverMax: 20 });
  });

  it("of a tenant without a limit are lent without end", () => {
    const quota = Quota.fresh(configurationOf(null, flows), 0);
    expect(pool(quota, "echo")("echo/gold", { want: 1_000 }).slots).toBe(1_000);
    expect(quota.usage(0)).toMatchObject({ slotsMax: null, slotsOverMax: 0 });
  });
});

describe("bytes over all services", () => {
  /** A burst of 390 KiB, of which half may be lent. */
  const total = { bandwidthBytesPerSecond: 200_000, mode: "enforce" } as const;
  const HALF = 195;
  const quotaOf = (): Quota => Quota.fresh({ ...configurationOf(total, {}), requestDurationMsMax: 60_000 }, 0);
  const poolOf = (quota: Quota, service: string, life = 1) => {
    const lease = new CreditLease(service, life);
    return ({ tokensWant = 0, tokensPassedOn = 0, nowMs = 0 }) => {
      const demand = { flow: TOTAL_BYTES, want: 0, passedOn: 0, tokensWant, tokensPassedOn };
      lease.apply(quota.renew(lease.request([demand], nowMs), nowMs), nowMs);
      const tokens = lease.tokens(TOTAL_BYTES, nowMs);
      lease.spend(TOTAL_BYTES, tokens);
      return tokens;
    };
  };

  it("that a pool lent on and had spent before it restarted are not given back to the bucket", () => {
    const quota = quotaOf();
    expect(poolOf(quota, "echo")({ tokensWant: 500 })).toBe(HALF);
    // Its isolates have spent all of it; it knows no more that it lived by the answer.
    poolOf(quota, "echo", 2)({});
    const video = poolOf(quota, "video");
    expect([video({ tokensWant: 500 }), video({ tokensWant: 500 })]).toEqual([HALF, 0]);
  });

  it("that a silent pool may have lent on count as out after its lease's end", () => {
    const quota = quotaOf();
    poolOf(quota, "echo")({ tokensWant: 500 });
    expect(poolOf(quota, "video")({ tokensWant: 500, nowMs: 20_000 })).toBe(HALF);
    // With both halves out nothing is left, and nothing comes.
    expect(poolOf(quota, "other")({ tokensWant: 500, nowMs: 30_000 })).toBe(0);
    const third = poolOf(quota, "third");
    // They count until somebody looks, since nobody knows when they were spent.
    expect([120_000, 122_000].map((nowMs) => third({ tokensWant: 500, nowMs }))).toEqual([0, HALF]);
  });
});

describe("a quota's configuration", () => {
  it("is read from the tenant's file and the services'", () => {
    const validated = validateConfiguration([
      classesFile(),
      serviceFile({ requestDurationMsMax: 60_000 }),
      tenantFile({ total: { slots: 80 } }),
    ]);
    expect(validated).toMatchObject({ ok: true });
    if (!validated.ok) return;
    expect(quotaConfigurationOf(validated.configuration, "acme", 7)).toMatchObject({
      version: 7,
      tenant: "acme",
      total: { slots: 80, mode: "enforce" },
      flows: { "echo/gold": { className: "gold", weight: 1, mode: "enforce" } },
      requestDurationMsMax: 60_000,
    });
    expect(quotaConfigurationOf(validated.configuration, "nobody", 7)).toEqual({
      ...NO_CONFIGURATION,
      version: 7,
      tenant: "nobody",
      classes: validated.configuration.classes,
    });
  });
});

describe("a limit over all services that changes", () => {
  const flows = { "echo/gold": GOLD };
  const tokensWant = (flow: string) => ({ flow, want: 0, passedOn: 0, tokensWant: 20 });

  it.for([
    { name: "gone", total: { slots: 5, mode: "enforce" } as const },
    { name: "in shadow", total: { ratePerSecond: 100, bandwidthBytesPerSecond: 200_000, mode: "shadow" } as const },
  ])("and is $name refuses nobody at a pool that has not heard so yet", ({ total }) => {
    const before = { ratePerSecond: 100, bandwidthBytesPerSecond: 200_000, mode: "enforce" } as const;
    const quota = Quota.fresh(configurationOf(before, flows), 0);
    const lease = new CreditLease("echo", 1);
    const renew = (nowMs: number): readonly number[] => {
      const demands = [TOTAL_REQUESTS, TOTAL_BYTES].map(tokensWant);
      lease.apply(quota.renew(lease.request(demands, nowMs), nowMs), nowMs);
      return demands.map(({ flow }) => lease.tokens(flow, nowMs));
    };
    expect(renew(0)).toEqual([20, 20]);
    for (const flow of [TOTAL_REQUESTS, TOTAL_BYTES]) lease.spend(flow, 20);
    quota.configure({ ...configurationOf(total, flows), version: 2 }, 100);
    expect(renew(100)).toEqual([20, 20]);
  });

  it("still lends nothing to a tenant that there is no more", () => {
    const quota = Quota.fresh({ ...NO_CONFIGURATION, version: 2, tenant: "acme" }, 0);
    const lease = new CreditLease("echo", 1);
    lease.apply(quota.renew(lease.request([tokensWant(TOTAL_REQUESTS)], 0), 0), 0);
    expect(lease.tokens(TOTAL_REQUESTS, 0)).toBe(0);
  });

  it("from shadow has not piled up what it would have refused", () => {
    const quota = Quota.fresh(configurationOf({ cpuSecondsPerSecond: 1, mode: "shadow" }, flows), 0);
    const hourMs = 3_600_000;
    for (let nowMs = 0; nowMs < hourMs; nowMs += 1_000) quota.observe({ arrivals: 10, bytes: 0, costMs: 10_000 }, nowMs);
    expect(quota.usage(hourMs).shadow.cpu).toBeGreaterThan(0.8 * 36_000);
    quota.configure(configurationOf({ cpuSecondsPerSecond: 1, mode: "enforce" }, flows), hourMs);
    expect(quota.observe(undefined, hourMs)).toBeLessThan(11_000);
  });

  it("of service time is paid off as time passes, also by a clock that was set back by an hour", () => {
    const quota = Quota.fresh(configurationOf({ cpuSecondsPerSecond: 1, mode: "enforce" }, flows), 3_600_000);
    expect(quota.observe({ arrivals: 1, bytes: 0, costMs: 4_000 }, 3_600_000)).toBe(3_001);
    expect([0, 2_000, 3_001].map((nowMs) => quota.observe(undefined, nowMs))).toEqual([3_001, 1_001, 0]);
  });
});

describe("a small rate over several services", () => {
  it("leaves none of them without: each has its part of what may be out, though one came first and holds it", () => {
    const services = ["a", "b", "c", "d"];
    const flows = Object.fromEntries(services.map((service) => [`${service}/gold`, GOLD]));
    const quota = Quota.fresh(configurationOf({ ratePerSecond: 20, mode: "enforce" }, flows), 0);
    const pools = services.map((service) => ({ lease: new CreditLease(service, 1), served: 0, refused: 0 }));
    // Four requests a second at each: 16 of 20. What a pool wants is for some seconds and to spare, more than may be out at all.
    const tokensWant = 40;
    for (let nowMs = 0; nowMs < 30_000; nowMs += 250)
      for (const one of pools) {
        const demand = { flow: TOTAL_REQUESTS, want: 0, passedOn: 0, tokensWant };
        one.lease.apply(quota.renew(one.lease.request([demand], nowMs), nowMs), nowMs);
        if (one.lease.tokens(TOTAL_REQUESTS, nowMs) === 0) one.refused += 1;
        else {
          one.lease.spend(TOTAL_REQUESTS, 1);
          one.served += 1;
        }
      }
    expect(pools.map(({ refused }) => refused < 12)).toEqual([true, true, true, true]);
  });
});
