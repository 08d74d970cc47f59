import { expect, it } from "vitest";
import { configurationOf, flowShareOf, policyOf } from "#durable/pool/pool-configuration.ts";
import { AdaptiveLanes } from "#durable/pool/adaptive-lanes.ts";
import { RegionalParts } from "#durable/pool/regional-parts.ts";
import { TenantCredits } from "#durable/pool/tenant-credits.ts";
import { serviceFileSchema } from "#shared/config/schema.ts";
import { kernels } from "#test/support/kernels.ts";

const SERVICE = serviceFileSchema.parse({ service: "echo", endpoints: [{ url: "https://echo.example", capacity: 10 }] });

it("a tenant or a service called constructor is one like any other: its weight is a number, and it is gone when it is removed", () => {
  const configuration = configurationOf("echo", 1, { classes: {}, services: { echo: SERVICE }, tenants: {} });
  const policy = policyOf(configuration, [], {
    credits: new TenantCredits(),
    adaptive: new AdaptiveLanes(kernels()),
    regions: new RegionalParts(),
  });
  expect(policy.flow("constructor/gold").weight).toBe(1);
  expect(flowShareOf(configuration, "constructor/gold")).toEqual({ className: "gold", weight: 1 });
  expect(configurationOf("constructor", 1, { classes: {}, services: { echo: SERVICE }, tenants: {} }).service).toBeNull();
});
