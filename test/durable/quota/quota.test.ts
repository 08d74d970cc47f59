import { describe, expect, it } from "vitest";
import { CreditLease } from "#durable/lease/credit-lease.ts";
import { NO_CONFIGURATION, quotaConfigurationOf, type QuotaConfiguration } from "#durable/quota/quota-policy.ts";
import { Quota } from "#durable/quota/quota.ts";
import { TOTAL_BYTES } from "#shared/protocol/quota-rpc.ts";
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
    expect(poolOf(quota, "video")({ tokensWant: 500, nowMs: 20_000 })).toBe(0);
    expect(poolOf(quota, "third")({ tokensWant: 500, nowMs: 120_000 })).toBe(HALF);
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
