import { env } from "cloudflare:workers";
import { evictDurableObject } from "cloudflare:test";
import { describe, expect, it, vi } from "vitest";
import { documentsOf } from "../../support/worker/configuration.ts";

const registryOf = (name: string) => env.REGISTRY.get(env.REGISTRY.idFromName(name));

describe("the Registry", () => {
  it("begins with version 0 and numbers what is applied from 1", async () => {
    const registry = registryOf("numbers");
    expect(await registry.snapshot(-1)).toMatchObject({ version: 0 });
    expect(await registry.apply(documentsOf([{ service: "a", capacity: 1 }]))).toMatchObject({ ok: true, version: 1, changed: true });
    expect(await registry.apply(documentsOf([{ service: "a", capacity: 2 }]))).toMatchObject({ ok: true, version: 2, changed: true });
  });

  it("says which capacity agent it has no key for", async () => {
    const endpoints = [{ url: "https://agent.example.com", capacity: 100, provider: "process" }];
    const documents = documentsOf([{ service: "a", capacity: 1, more: { endpoints, provisioning: { mode: "act" } } }]);
    const applied = await registryOf("agents").apply(documents);
    expect(applied.ok && applied.warnings.map(({ message }) => message)).toContain(
      "endpoints[0]: the gateway has no key for the agent at https://agent.example.com, expected https://agent.example.com=KEY in CAPACITY_AGENT_KEYS; nothing is started there",
    );
  });

  it("makes no version of what it says already", async () => {
    const registry = registryOf("same");
    await registry.apply(documentsOf([{ service: "a", capacity: 1 }]));
    expect(await registry.apply(documentsOf([{ service: "a", capacity: 1 }]))).toMatchObject({ ok: true, version: 1, changed: false });
  });

  it("changes nothing where one document has a fault, and names file, path and expectation", async () => {
    const registry = registryOf("whole");
    await registry.apply(documentsOf([{ service: "a", capacity: 1 }]));
    const refused = await registry.apply(
      documentsOf([
        { service: "a", capacity: 3 },
        { service: "b", capacity: 0 },
      ]),
    );
    expect(refused).toMatchObject({ ok: false, errors: [{ file: "services/b.yaml", path: ["endpoints", 0, "capacity"] }] });
    expect(await registry.snapshot(-1)).toMatchObject({ version: 1, configuration: { services: { a: { endpoints: [{ capacity: 1 }] } } } });
  });

  it("takes no keys that only a state folder knows", async () => {
    const documents = documentsOf([{ service: "a", capacity: 1 }]).map(({ file, document }) =>
      file.startsWith("tenants/") ? { file, document: { ...(document as object), keys: { state: true } } } : { file, document },
    );
    expect(await registryOf("state").apply(documents)).toMatchObject({
      ok: false,
      errors: [{ file: "tenants/acme.yaml", path: ["keys"] }],
    });
  });

  it("answers null to whoever knows the version, and keeps it over an eviction", async () => {
    const registry = registryOf("kept");
    await registry.apply(documentsOf([{ service: "a", capacity: 1 }]));
    expect(await registry.snapshot(1)).toBeNull();
    await evictDurableObject(registry);
    expect(await registry.snapshot(-1)).toMatchObject({ version: 1, configuration: { services: { a: {} } } });
  });

  it("refuses a configuration larger than a row can hold", async () => {
    const services = Array.from({ length: 500 }, (_, index) => ({
      service: `service-${index}`,
      capacity: 1,
      more: {
        endpoints: Array.from({ length: 30 }, (_unused, number) => ({
          url: `https://host-${number}.example/${"x".repeat(100)}`,
          capacity: 1,
        })),
      },
    }));
    expect(await registryOf("large").apply(documentsOf(services))).toMatchObject({
      ok: false,
      errors: [
        {
          file: "",
          message: expect.stringMatching(
            /^all files together are \d+ bytes as JSON with their defaults, expected at most 1048576$/,
          ) as string,
        },
      ],
    });
  });
});

describe("what forecasters exchange through the Registry", () => {
  const KINDS = { one: [0.9, 0.1], other: [0.2, 0.8] };

  it("is the sum of the other configured services of the same model, after an eviction too", async () => {
    const registry = registryOf("shares");
    await registry.apply(documentsOf(["a", "b", "c"].map((service) => ({ service, capacity: 1 }))));
    expect(await registry.exchangeShares({ service: "a", model: "m", weights: KINDS.one })).toEqual({ serviceCount: 0, totals: [] });
    await registry.exchangeShares({ service: "b", model: "m", weights: KINDS.other });
    await registry.exchangeShares({ service: "c", model: "another", weights: KINDS.one });
    await registry.exchangeShares({ service: "unknown", model: "m", weights: KINDS.one });
    await evictDurableObject(registry);
    expect(await registry.exchangeShares({ service: "c", model: "m", weights: null })).toEqual({ serviceCount: 2, totals: [1.1, 0.9] });
    expect(await registry.exchangeShares({ service: "a", model: "m", weights: null })).toEqual({ serviceCount: 1, totals: KINDS.other });
  });

  it.for([[NaN, 1], [2, -1], [1, 1], [], Array.from({ length: 17 }, () => 1 / 17)].map((weights) => ({ weights })))(
    "keeps nothing of $weights",
    async ({ weights }) => {
      const registry = registryOf("shares-refused");
      await registry.apply(documentsOf(["a", "b"].map((service) => ({ service, capacity: 1 }))));
      await registry.exchangeShares({ service: "a", model: "m", weights });
      expect(await registry.exchangeShares({ service: "b", model: "m", weights: null })).toEqual({ serviceCount: 0, totals: [] });
    },
  );

  it("forgets a service that is no longer configured, and what was told more than thirty days ago", async () => {
    const registry = registryOf("shares-forgotten");
    await registry.apply(documentsOf(["a", "b", "c"].map((service) => ({ service, capacity: 1 }))));
    for (const service of ["a", "b"]) await registry.exchangeShares({ service, model: "m", weights: KINDS.one });
    await registry.apply(documentsOf(["b", "c"].map((service) => ({ service, capacity: 1 }))));
    expect((await registry.exchangeShares({ service: "c", model: "m", weights: null })).serviceCount).toBe(1);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 31 * 86_400_000 });
    expect((await registry.exchangeShares({ service: "c", model: "m", weights: null })).serviceCount).toBe(0);
    vi.useRealTimers();
  });

  it("hears the newest 64", async () => {
    const registry = registryOf("shares-bounded");
    const services = Array.from({ length: 66 }, (_, index) => `s${index}`);
    await registry.apply(documentsOf(services.map((service) => ({ service, capacity: 1 }))));
    for (const service of services) await registry.exchangeShares({ service, model: "m", weights: KINDS.one });
    expect((await registry.exchangeShares({ service: "s0", model: "m", weights: null })).serviceCount).toBe(64);
  });
});
