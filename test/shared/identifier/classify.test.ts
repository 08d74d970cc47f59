import { describe, expect, it } from "vitest";
import { classify, type ClassifyInput } from "#shared/identifier/classify.ts";
import type { Entitlement } from "#shared/identifier/entitlement.ts";
import { classesFile, configurationOf, serviceFile, tenantFile } from "../config/documents.ts";

const configuration = configurationOf([
  classesFile({ gold: { weight: 8 }, silver: { weight: 3, urgencyMin: 2 }, bronze: { weight: 1, urgencyMin: 4 } }),
  serviceFile({}, "echo"),
  serviceFile({}, "telemetry"),
  serviceFile({}, "billing"),
  tenantFile({ services: { echo: { gold: {}, silver: {}, bronze: {} }, telemetry: { bronze: {} } } }, "acme"),
  tenantFile({ services: { echo: { gold: {} }, billing: { gold: {} } } }, "globex"),
]);

const TOKEN: Entitlement = {
  tenant: "acme",
  device: "d-17",
  services: ["echo", "telemetry", "gone"],
  classHighest: "gold",
  urgencyFirst: 0,
  role: "device",
  expiresAtMs: 1,
};

interface Row extends Partial<Pick<ClassifyInput, "service" | "asked" | "priority">> {
  readonly name: string;
  readonly token?: Partial<Entitlement>;
}

const decide = ({ token, ...row }: Row): ReturnType<typeof classify> =>
  classify({ service: "echo", asked: {}, priority: {}, configuration, ...row, entitlement: { ...TOKEN, ...token } });

const APPLIED = { tenant: "acme", device: "d-17", service: "echo", className: "gold", urgency: 3, incremental: false };

describe("grants what is within the token", () => {
  it.for<Row & { applied: Partial<typeof APPLIED> }>([
    { name: "the token's class and the default urgency where nothing is asked", applied: {} },
    { name: "its own tenant, device and service by name", asked: { tenant: "acme", device: "d-17", service: "echo" }, applied: {} },
    { name: "the token's own class by name", asked: { className: "gold" }, applied: {} },
    { name: "a lower class, its right", asked: { className: "silver" }, applied: { className: "silver" } },
    { name: "the lowest class", asked: { className: "bronze" }, applied: { className: "bronze", urgency: 4 } },
    {
      name: "a class below a token that is not the highest",
      token: { classHighest: "silver" },
      asked: { className: "bronze" },
      applied: { className: "bronze", urgency: 4 },
    },
    { name: "the first urgency, to whom it is open", asked: { urgency: 0 }, applied: { urgency: 0 } },
    { name: "the last urgency", asked: { urgency: 7 }, applied: { urgency: 7 } },
    {
      name: "another service of the token",
      service: "telemetry",
      asked: { className: "bronze" },
      applied: { service: "telemetry", className: "bronze", urgency: 4 },
    },
    { name: "incremental delivery", priority: { incremental: true }, applied: { incremental: true } },
    { name: "whole delivery", priority: { incremental: false }, applied: { incremental: false } },
  ])("$name", ({ applied, ...row }) => {
    expect(decide(row)).toEqual({ ok: true, identifier: { ...APPLIED, ...applied } });
  });
});

describe("clamps an urgency and refuses none, 0 being the first", () => {
  it.for<Row & { urgency: number }>([
    { name: "to the token's", token: { urgencyFirst: 5 }, asked: { urgency: 1 }, urgency: 5 },
    { name: "to the token's, the default too", token: { urgencyFirst: 6 }, urgency: 6 },
    { name: "to the class's", asked: { className: "silver", urgency: 0 }, urgency: 2 },
    {
      name: "to the class that is applied, not the token's",
      token: { classHighest: "gold" },
      asked: { className: "bronze", urgency: 0 },
      urgency: 4,
    },
    {
      name: "to the token's, where it is the later one",
      token: { urgencyFirst: 5 },
      asked: { className: "bronze", urgency: 0 },
      urgency: 5,
    },
    {
      name: "to the class's, where it is the later one",
      token: { urgencyFirst: 1 },
      asked: { className: "bronze", urgency: 0 },
      urgency: 4,
    },
    { name: "not where it is exactly the bound", token: { urgencyFirst: 2 }, asked: { className: "silver", urgency: 2 }, urgency: 2 },
    { name: "not where it is later", token: { urgencyFirst: 2 }, asked: { className: "silver", urgency: 6 }, urgency: 6 },
    { name: "after Priority won over Connection-Identifier, being earlier", asked: { urgency: 6 }, priority: { urgency: 1 }, urgency: 1 },
    { name: "after Priority won over Connection-Identifier, being later", asked: { urgency: 1 }, priority: { urgency: 6 }, urgency: 6 },
    { name: "of Priority too", token: { urgencyFirst: 4 }, asked: { urgency: 7 }, priority: { urgency: 0 }, urgency: 4 },
    { name: "of Connection-Identifier where Priority says only i", asked: { urgency: 1 }, priority: { incremental: true }, urgency: 1 },
  ])("$name", ({ urgency, ...row }) => {
    expect(decide(row)).toMatchObject({ ok: true, identifier: { urgency } });
  });
});

describe("refuses what is foreign or unknown", () => {
  it.for<Row & { outcome: string; detail: string }>([
    {
      name: "a higher class",
      token: { classHighest: "silver" },
      asked: { className: "gold" },
      outcome: "forbidden",
      detail: "The class gold is above the token's silver.",
    },
    {
      name: "an unknown class",
      asked: { className: "platinum" },
      outcome: "forbidden",
      detail: "The class in Connection-Identifier is not configured.",
    },
    {
      name: "a class in capitals",
      asked: { className: "Gold" },
      outcome: "forbidden",
      detail: "The class in Connection-Identifier is not configured.",
    },
    {
      name: "an empty class",
      asked: { className: "" },
      outcome: "forbidden",
      detail: "The class in Connection-Identifier is not configured.",
    },
    {
      name: "a token of an unknown class",
      token: { classHighest: "platinum" },
      outcome: "forbidden",
      detail: "The token's class platinum is not configured.",
    },
    {
      name: "a token of an unknown class, for any lower one",
      token: { classHighest: "platinum" },
      asked: { className: "bronze" },
      outcome: "forbidden",
      detail: "The token's class platinum is not configured.",
    },
    {
      name: "a foreign tenant",
      asked: { tenant: "globex" },
      outcome: "forbidden",
      detail: "The tenant in Connection-Identifier is not the token's.",
    },
    {
      name: "an unknown tenant, in the same words",
      asked: { tenant: "umbrella" },
      outcome: "forbidden",
      detail: "The tenant in Connection-Identifier is not the token's.",
    },
    {
      name: "a foreign device",
      asked: { device: "d-18" },
      outcome: "forbidden",
      detail: "The device in Connection-Identifier is not the token's.",
    },
    {
      name: "the device in another case",
      asked: { device: "D-17" },
      outcome: "forbidden",
      detail: "The device in Connection-Identifier is not the token's.",
    },
    {
      name: "an identifier that disagrees with the path",
      asked: { service: "telemetry" },
      outcome: "bad-identifier",
      detail: "The path names service echo, but Connection-Identifier another one; expected the same.",
    },
    {
      name: "a service that the token does not name",
      service: "billing",
      outcome: "forbidden",
      detail: "The token does not name service billing.",
    },
    {
      name: "a service that is not configured",
      service: "nowhere",
      outcome: "unknown-service",
      detail: "There is no service nowhere here.",
    },
    {
      name: "a service that the token names but nobody configured",
      service: "gone",
      outcome: "unknown-service",
      detail: "There is no service gone here.",
    },
    {
      name: "a service named like JavaScript's own",
      service: "constructor",
      outcome: "unknown-service",
      detail: "There is no service constructor here.",
    },
    { name: "__proto__", service: "__proto__", outcome: "unknown-service", detail: "There is no service __proto__ here." },
    {
      name: "a service's credential",
      token: { role: "service" },
      outcome: "forbidden",
      detail: "The token is a service's credential, expected a device's.",
    },
    {
      name: "a class that the tenant has at no such service",
      service: "telemetry",
      outcome: "forbidden",
      detail: "The tenant has no gold at service telemetry.",
    },
    {
      name: "a service that the tenant does not have, whatever its token says",
      token: { services: ["billing"] },
      service: "billing",
      outcome: "forbidden",
      detail: "The tenant has no gold at service billing.",
    },
    {
      name: "a tenant that is not configured any more",
      token: { tenant: "umbrella" },
      outcome: "forbidden",
      detail: "The tenant has no gold at service echo.",
    },
  ])("$name: $outcome", ({ outcome, detail, ...row }) => {
    expect(decide(row)).toEqual({ ok: false, outcome, detail });
  });
});

describe("takes a name for what the operator configured under it, and nothing else", () => {
  const odd = configurationOf([
    classesFile({ keys: { weight: 1 } }),
    serviceFile({}, "constructor"),
    serviceFile({}, "echo"),
    tenantFile({ services: { echo: { keys: {} } } }, "acme"),
  ]);
  const refused = { ok: false, outcome: "forbidden", detail: "The tenant has no keys at service constructor." };

  it("gives a tenant no service that it has not, though objects have a constructor with keys", () => {
    const entitlement = { ...TOKEN, services: ["constructor"], classHighest: "keys" };
    expect(classify({ entitlement, service: "constructor", asked: {}, priority: {}, configuration: odd })).toEqual(refused);
  });

  it("has a refusal, not an exception, for a tenant named constructor that is gone", () => {
    const entitlement = { ...TOKEN, tenant: "constructor", services: ["constructor"], classHighest: "keys" };
    expect(classify({ entitlement, service: "constructor", asked: {}, priority: {}, configuration: odd })).toEqual(refused);
  });
});
