import { expect, it } from "vitest";
import { Pool } from "#durable/pool/pool.ts";
import { configurationOf } from "#durable/pool/pool-configuration.ts";
import { fullRefusal } from "#durable/pool/queue-refusals.ts";
import { validateConfiguration } from "#shared/config/validate.ts";
import { REFUSALS } from "#shared/errors/outcomes.ts";
import { kernels } from "#test/support/kernels.ts";

const KEY = { kty: "OKP", crv: "Ed25519", alg: "EdDSA", kid: "k", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" };
const WAIT_MS_MAX = 200;

/** What becomes of a request that finds the service's only slot taken by silver. */
function expired({ waitMsMax, mode, deadlineMs }: { waitMsMax: number; mode: "enforce" | "shadow"; deadlineMs: number }) {
  const validated = validateConfiguration([
    { file: "classes.yaml", document: { classes: { gold: { weight: 1, reserve: 0 }, silver: { weight: 1, reserve: 0 } } } },
    { file: "services/svc.yaml", document: { service: "svc", endpoints: [{ url: "https://e.example", capacity: 1 }] } },
    {
      file: "tenants/t.yaml",
      document: { tenant: "t", keys: { jwks: [KEY] }, services: { svc: { gold: { waitMsMax, mode }, silver: {} } } },
    },
  ]);
  if (!validated.ok) throw new Error(JSON.stringify(validated.errors));
  const pool = new Pool(kernels({ memoryBytes: 2 * 2 ** 20 }), 0);
  pool.configure(configurationOf("svc", 1, validated.configuration), { nextNumber: 1, nowMs: 0 });
  for (const [className, ms] of Object.entries({ silver: 60_000, gold: deadlineMs })) {
    const named = { slotId: className, holder: "h", service: "svc", flow: `t/${className}`, affinityKey: null };
    pool.acquire({ ...named, urgency: 3, kind: "request", waitMsMax: ms, configurationVersion: 1 }, 0);
    pool.decide(0);
  }
  return pool.decide(10_000).map(({ verdict }) => verdict);
}

it("who waits for as long as its tenant and class may is told so, by the limit's name", () => {
  expect(expired({ waitMsMax: WAIT_MS_MAX, mode: "enforce", deadlineMs: 5_000 })).toMatchObject([
    {
      outcome: "expired-in-queue",
      detail: expect.stringContaining(`your tenant and class wait for ${WAIT_MS_MAX} ms at most`) as string,
      violated: [{ kind: "wait", quota: WAIT_MS_MAX, remaining: 0 }],
    },
  ]);
});

it.for([
  { name: "its own deadline came first", of: { waitMsMax: WAIT_MS_MAX, mode: "enforce", deadlineMs: WAIT_MS_MAX - 1 } },
  { name: "the limit is a shadow", of: { waitMsMax: WAIT_MS_MAX, mode: "shadow", deadlineMs: 5_000 } },
] as const)("the service's capacity is named, and no limit of the tenant's, where $name", ({ of }) => {
  const [verdict] = expired(of);
  if (verdict?.ok !== false) throw new Error("it was served");
  expect(verdict.outcome).toBe("expired-in-queue");
  // Then it is the one that its outcome stands for (test/gateway/problem.worker.test.ts).
  expect([verdict.violated, REFUSALS[verdict.outcome]]).toMatchObject([undefined, { limit: "capacity" }]);
});

it("a full queue is its tenant's and class's, or the service's: the limit says which", () => {
  const end = { queue: { position: 1, length: 0, waitMs: 0 }, slotInMs: null };
  expect(fullRefusal(true, end).violated).toMatchObject([{ kind: "queue" }]);
  expect(fullRefusal(false, end).violated).toMatchObject([{ kind: "capacity" }]);
});
