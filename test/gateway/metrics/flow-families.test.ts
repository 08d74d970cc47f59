import { execFileSync, spawnSync } from "node:child_process";
import { expect, it } from "vitest";
import { Counters, emptyGlobal } from "#durable/pool/counters.ts";
import { PACED_BYTES_MAX, WAITING_BYTES_MAX } from "#durable/pool/flow-quotas.ts";
import { flowStatsOf } from "#durable/pool/flow-stats.ts";
import { configurationOf } from "#durable/pool/pool-configuration.ts";
import { Pool } from "#durable/pool/pool.ts";
import { flowFamilies } from "#gateway/metrics/flow-families.ts";
import { renderFamilies } from "#gateway/metrics/prometheus-text.ts";
import { validateConfiguration } from "#shared/config/validate.ts";
import { kernels } from "#test/support/kernels.ts";

const KEY = { kty: "OKP", crv: "Ed25519", alg: "EdDSA", kid: "k", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" };
const BUSY_MS = 1_500;
const COST_WEIGHT = 2;

/** A pool of three slots: gold has its two and waits for more, silver has the third; silver alone has ended requests. */
function families() {
  const gold = { slots: 2, memoryBytesMax: 2_000_000, bandwidthBytesPerSecond: 1_000_000 };
  const validated = validateConfiguration([
    { file: "classes.yaml", document: { classes: { gold: { weight: 1, reserve: 0 }, silver: { weight: 1, reserve: 0 } } } },
    {
      file: "services/svc.yaml",
      document: { service: "svc", costWeight: COST_WEIGHT, endpoints: [{ url: "https://e.example", capacity: 3 }] },
    },
    { file: "tenants/t.yaml", document: { tenant: "t", keys: { jwks: [KEY] }, services: { svc: { gold, silver: {} } } } },
  ]);
  if (!validated.ok) throw new Error(JSON.stringify(validated.errors));
  const pool = new Pool(kernels({ memoryBytes: 2 * 2 ** 20 }), 0);
  pool.configure(configurationOf("svc", 1, validated.configuration), { nextNumber: 1, nowMs: 0 });
  for (const [slotId, className] of ["gold", "gold", "gold", "silver", "gold"].map((of, index) => [`r${index}`, of] as const)) {
    const named = { slotId, holder: "h", service: "svc", flow: `t/${className}`, affinityKey: null } as const;
    pool.acquire({ ...named, urgency: 3, kind: "request", waitMsMax: 1_000, configurationVersion: 1 }, 0);
    pool.decide(0);
  }
  const counters = new Counters(emptyGlobal(), new Map());
  const ended = { flow: "t/silver", arrivals: 1, outcomes: { "admitted-local": 1 }, buckets: [1], sumMs: 3, busyMs: BUSY_MS };
  counters.countTelemetry({ flows: [ended], shards: [], edge: {} }, pool.gate);
  const counted = counters.snapshot();
  return flowFamilies([{ service: "svc", flows: flowStatsOf(pool, counted), counters: counted }]);
}

it("what a tenant and class use of a service is what its limits count", () => {
  const values = Object.fromEntries(
    families().flatMap(({ name, samples }) => samples.map(({ labels, value }) => [`${name} ${labels?.["class"] ?? ""}`, value] as const)),
  );
  expect(values).toEqual({
    "tidegate_flow_slots_out gold": 2,
    "tidegate_flow_slots_out silver": 1,
    "tidegate_flow_slots_in_use gold": 2,
    "tidegate_flow_slots_in_use silver": 1,
    "tidegate_flow_queue_length gold": 2,
    "tidegate_flow_queue_length silver": 0,
    // Silver's memory is not limited.
    "tidegate_flow_memory_bytes gold": 2 * WAITING_BYTES_MAX + 2 * PACED_BYTES_MAX,
    "tidegate_service_seconds_total silver": (BUSY_MS * COST_WEIGHT) / 1_000,
  });
});

const hasPromtool = spawnSync("promtool", ["--version"]).status === 0;
it.skipIf(!hasPromtool)(`passes promtool without a word${hasPromtool ? "" : " (SKIPPED: promtool is not installed)"}`, () => {
  expect(families().filter(({ samples }) => samples.length === 0)).toEqual([]);
  expect(execFileSync("promtool", ["check", "metrics"], { input: renderFamilies(families()), encoding: "utf8" })).toBe("");
});
