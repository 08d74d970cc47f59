// classify against its rules written the other way round: what must hold of a grant, and what must be granted.
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { classRankOf, type Configuration } from "#shared/config/schema.ts";
import { classify, type ClassifyInput } from "#shared/identifier/classify.ts";
import { classesFile, configurationOf, serviceFile, tenantFile } from "../config/documents.ts";

const CLASSES = ["gold", "silver", "bronze", "iron"];
const SERVICES = ["echo", "telemetry", "billing"];
const TENANTS = ["acme", "globex"];
const urgency = fc.integer({ min: 0, max: 7 });

const anyConfiguration: fc.Arbitrary<Configuration> = fc
  .record({
    classes: fc.shuffledSubarray(CLASSES, { minLength: 1 }),
    urgencyMins: fc.array(urgency, { minLength: CLASSES.length, maxLength: CLASSES.length }),
    services: fc.subarray(SERVICES, { minLength: 1 }),
    holes: fc.array(fc.nat({ max: 3 }), { minLength: 24, maxLength: 24 }),
  })
  .map(({ classes, urgencyMins, services, holes }) => {
    const drawn = holes.values();
    const kept = (names: readonly string[], value: () => unknown): [string, unknown][] =>
      names.filter(() => drawn.next().value !== 0).map((name) => [name, value()]);
    return configurationOf([
      classesFile(Object.fromEntries(classes.map((name, index) => [name, { weight: 1, urgencyMin: urgencyMins[index] }]))),
      ...services.map((name) => serviceFile({}, name)),
      ...TENANTS.map((name) =>
        tenantFile({ services: Object.fromEntries(kept(services, () => Object.fromEntries(kept(classes, () => ({}))))) }, name),
      ),
    ]);
  });

/** Mostly within the token: a draw where every part is at random is nearly always refused. */
const mostly = <T>(usual: T, ...others: readonly T[]): fc.Arbitrary<T> =>
  fc.oneof({ weight: 6, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constantFrom(usual, ...others) });

const anyInput: fc.Arbitrary<ClassifyInput> = anyConfiguration.chain((configuration) => {
  const classes = Object.keys(configuration.classes);
  const services = Object.keys(configuration.services);
  return fc
    .record({
      entitlement: fc.record({
        tenant: fc.constant("acme"),
        device: fc.constant("d-17"),
        services: mostly(SERVICES, [], ["telemetry"]),
        classHighest: mostly(classes[0] ?? "", ...CLASSES, "platinum"),
        urgencyFirst: urgency,
        role: mostly<"device" | "service">("device", "service"),
        expiresAtMs: fc.constant(1),
      }),
      service: mostly(services[0] ?? "", ...SERVICES, "nowhere"),
      asked: fc.record(
        {
          tenant: mostly("acme", "globex"),
          device: mostly("d-17", "d-18"),
          service: mostly(services[0] ?? "", ...SERVICES),
          className: mostly(classes.at(-1) ?? "", ...CLASSES, "platinum"),
          urgency,
        },
        { requiredKeys: [] },
      ),
      priority: fc.record({ urgency, incremental: fc.boolean() }, { requiredKeys: [] }),
    })
    .map((input) => ({ ...input, configuration }));
});

/** Whether DESIGN §6 lets the request through, by the rules and not by the code. */
function isWithin({ entitlement, service, asked, configuration }: ClassifyInput): boolean {
  const classes = Object.keys(configuration.classes);
  const className = asked.className ?? entitlement.classHighest;
  return [
    (asked.tenant ?? entitlement.tenant) === entitlement.tenant,
    (asked.device ?? entitlement.device) === entitlement.device,
    (asked.service ?? service) === service,
    entitlement.role === "device",
    entitlement.services.includes(service),
    Object.keys(configuration.services).includes(service),
    classes.includes(entitlement.classHighest),
    classes.slice(classes.indexOf(entitlement.classHighest)).includes(className),
    Object.keys(configuration.tenants[entitlement.tenant]?.services[service] ?? {}).includes(className),
  ].every(Boolean);
}

it("applies never a class above the token's, never an urgency before either clamp, nothing that the tenant has not", () => {
  fc.assert(
    fc.property(anyInput, (input) => {
      const classified = classify(input);
      fc.pre(classified.ok);
      const { entitlement, configuration } = input;
      const { identifier } = classified;
      const rank = classRankOf(configuration, identifier.className) ?? -1;
      expect(rank).toBeGreaterThanOrEqual(classRankOf(configuration, entitlement.classHighest) ?? Infinity);
      expect(identifier.urgency).toBeGreaterThanOrEqual(entitlement.urgencyFirst);
      expect(identifier.urgency).toBeGreaterThanOrEqual(configuration.classes[identifier.className]?.urgencyMin ?? Infinity);
      expect(identifier.urgency).toBeLessThanOrEqual(7);
      expect(entitlement.services).toContain(identifier.service);
      expect(configuration.tenants[entitlement.tenant]?.services[identifier.service]).toHaveProperty(identifier.className);
      expect(identifier).toMatchObject({ tenant: entitlement.tenant, device: entitlement.device, service: input.service });
    }),
    { numRuns: 1_000 },
  );
});

it("grants everything within, as asked: the class itself, and the urgency wherever neither clamp forbids it", () => {
  let granted = 0;
  fc.assert(
    fc.property(anyInput, (input) => {
      const classified = classify(input);
      expect(classified.ok).toBe(isWithin(input));
      if (!classified.ok) return;
      granted++;
      const { entitlement, asked, priority, configuration } = input;
      const { className, urgency: applied, incremental } = classified.identifier;
      expect(className).toBe(asked.className ?? entitlement.classHighest);
      expect(incremental).toBe(priority.incremental ?? false);
      const wanted = priority.urgency ?? asked.urgency ?? 3;
      const clamps = [entitlement.urgencyFirst, configuration.classes[className]?.urgencyMin ?? 0];
      // Never later than needed: as wanted, or exactly at one of the clamps.
      if (clamps.every((clamp) => wanted >= clamp)) expect(applied).toBe(wanted);
      else expect(clamps.filter((clamp) => clamp > wanted)).toContain(applied);
    }),
    { numRuns: 2_000 },
  );
  // A generator that draws only refusals would prove nothing.
  expect(granted).toBeGreaterThan(200);
});

it("refuses with 400, 403 or 404 and a sentence, whatever it refuses", () => {
  fc.assert(
    fc.property(anyInput, (input) => {
      const classified = classify(input);
      fc.pre(!classified.ok);
      const agrees = (input.asked.service ?? input.service) === input.service;
      if (!agrees) expect(classified.outcome).toBe("bad-identifier");
      else expect(["forbidden", "unknown-service"]).toContain(classified.outcome);
      if (classified.outcome === "unknown-service") expect(input.configuration.services).not.toHaveProperty(input.service);
      expect(classified.detail).toMatch(/^[A-Z].+\.$/);
    }),
    { numRuns: 1_000 },
  );
});
