import { Hono } from "hono";
import * as z from "zod";
import { refuse } from "#shared/errors/refusal.ts";
import { flowOf } from "#shared/identifier/entitlement.ts";
import { NAME_PATTERN } from "#shared/limits.ts";
import { DEVICE_REPORT, medianOf } from "#shared/protocol/device-report.ts";
import { poolName } from "#shared/protocol/pool-rpc.ts";
import type { AppEnv } from "../app-env.ts";
import { identify } from "../identity/identify.ts";
import { answerRefusal } from "../problem.ts";
import { readJson } from "../read-json.ts";
import { readInboundHeaders } from "../upstream/inbound-headers.ts";

export const REPORT_PATH = "/v1/report";

const count = z.int().min(0).max(DEVICE_REPORT.countMax);
const reportSchema = z.strictObject({
  service: z.string().regex(NAME_PATTERN),
  /** Where its socket is, as far as it knows. */
  shard: z.string().max(80).optional(),
  durationMs: z.number().min(0).max(DEVICE_REPORT.durationMsMax),
  messagesSent: count,
  messagesReceived: count,
  bytesSent: count,
  bytesReceived: count,
  drops: count,
  latenciesMs: z.array(z.number().min(0).max(DEVICE_REPORT.latencyMsMax)).max(DEVICE_REPORT.latencyCountMax),
});

/** What a device measured of its socket: validated, at most one every few seconds and isolate, and counted for its own flow alone. */
export const report = new Hono<AppEnv>().post(REPORT_PATH, async (c) => {
  const { scope } = c.var;
  const inbound = readInboundHeaders(c.req.raw.headers);
  if (!inbound.ok) return answerRefusal(scope, inbound);
  const parsed = reportSchema.safeParse(await readJson(c.req.raw, DEVICE_REPORT.bodyBytesMax));
  const active = await scope.isolate.configuration.refresh(scope.env, scope.startedAtMs);
  // Who it is comes before what it says: a stranger is told no more.
  const service = parsed.success ? parsed.data.service : "";
  const { isolate, env, startedAtMs: nowMs } = scope;
  const identified = await identify({ inbound, service, active, audience: env.GATEWAY_NAME, isolate, nowMs });
  if (!identified.ok && (parsed.success || identified.outcome === "unauthorized")) return answerRefusal(scope, identified);
  if (!parsed.success || !identified.ok) return answerRefusal(scope, MALFORMED);
  const { identifier } = identified;
  scope.identifier = identifier;
  const waitMs = isolate.deviceReports.take(`${identifier.tenant} ${identifier.device} ${service}`, nowMs);
  if (waitMs > 0)
    return answerRefusal(
      scope,
      refuse("rejected-quota", "A device reports once in five seconds at most.", { retryAfterMs: waitMs, decidedBy: "edge" }),
    );
  const { service: _service, shard = "", ...measured } = parsed.data;
  const pool = env.POOL.get(env.POOL.idFromName(poolName(service)));
  const flow = flowOf(identifier);
  const reports = [{ ...measured, flow, reports: 1 }];
  const words = [{ flow, device: identifier.device, latencyMs: medianOf(measured.latenciesMs), drops: measured.drops }];
  await pool.report(service, active.snapshot.version, { shardId: shard, from: "device", words, reports, faults: {} });
  return c.body(null, 204);
});

const MALFORMED = refuse(
  "bad-request",
  `The body is not {"service", "shard"?, "durationMs", "messagesSent", "messagesReceived", "bytesSent", "bytesReceived", "drops", "latenciesMs"}, or beyond its bounds.`,
);
