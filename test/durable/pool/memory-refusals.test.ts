import { expect, it } from "vitest";
import { PACED_BYTES_MAX, WAITING_BYTES_MAX } from "#durable/pool/flow-quotas.ts";
import { configurationOf } from "#durable/pool/pool-configuration.ts";
import { Pool } from "#durable/pool/pool.ts";
import { validateConfiguration } from "#shared/config/validate.ts";
import { kernels } from "#test/support/kernels.ts";

const KEY = { kty: "OKP", crv: "Ed25519", alg: "EdDSA", kid: "k", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" };

/** What a tenant's gold requests are told that come one after the other to one slot of the service, or to many. */
function told(gold: object, { capacity, count }: { capacity: number; count: number }) {
  const validated = validateConfiguration([
    { file: "classes.yaml", document: { classes: { gold: { weight: 1, reserve: 0 } } } },
    { file: "services/svc.yaml", document: { service: "svc", endpoints: [{ url: "https://e.example", capacity }] } },
    { file: "tenants/t.yaml", document: { tenant: "t", keys: { jwks: [KEY] }, services: { svc: { gold } } } },
  ]);
  if (!validated.ok) throw new Error(JSON.stringify(validated.errors));
  const pool = new Pool(kernels({ memoryBytes: 2 * 2 ** 20 }), 0);
  pool.configure(configurationOf("svc", 1, validated.configuration), { nextNumber: 1, nowMs: 0 });
  const verdicts = Array.from({ length: count }, (_, index) => {
    const named = { slotId: `r${index}`, holder: "h", service: "svc", flow: "t/gold", affinityKey: null } as const;
    const verdict = pool.acquire({ ...named, urgency: 3, kind: "request", waitMsMax: 1_000, configurationVersion: 1 }, 0);
    pool.decide(0);
    return verdict;
  });
  return { refused: verdicts.filter((verdict) => verdict !== null), expired: pool.decide(2_000).map(({ verdict }) => verdict) };
}

it("a queue that is full for its memory is refused by the memory's name", () => {
  const memoryBytesMax = 2 * WAITING_BYTES_MAX;
  const { refused } = told({ memoryBytesMax, queueLengthMax: 10 }, { capacity: 1, count: 4 });
  const violated = [{ kind: "memory", quota: memoryBytesMax, remaining: 0 }];
  expect(refused).toMatchObject([{ outcome: "rejected-queue-full", violated, detail: expect.stringContaining("memory") as string }]);
});

it("slots that the memory of their bodies bounds are refused by its name, once, at once and after a wait", () => {
  const memoryBytesMax = 2 * PACED_BYTES_MAX;
  const { refused, expired } = told({ memoryBytesMax, bandwidthBytesPerSecond: 1_000_000 }, { capacity: 10, count: 12 });
  const violated = [{ kind: "memory", quota: memoryBytesMax, remaining: 0 }];
  expect(refused.length).toBeGreaterThan(0);
  expect(expired.length).toBeGreaterThan(0);
  for (const verdict of [...refused, ...expired]) expect(verdict).toMatchObject({ outcome: "rejected-quota", violated });
});

it("a limit that is smaller than what the memory allows has its own name", () => {
  const memoryBytesMax = 100 * PACED_BYTES_MAX;
  const quota = { memoryBytesMax, bandwidthBytesPerSecond: 1_000_000, slots: 1, queueLengthMax: 1 };
  const { refused } = told(quota, { capacity: 10, count: 3 });
  expect(refused).toMatchObject([
    {
      violated: [
        { kind: "slots", quota: 1 },
        { kind: "queue", quota: 1 },
      ],
    },
  ]);
});
