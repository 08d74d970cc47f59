import { Hono } from "hono";
import * as z from "zod";
import { refuse } from "#shared/errors/refusal.ts";
import { LIMITS, NAME_PATTERN } from "#shared/limits.ts";
import { DRAIN, DRAIN_REASON_PATTERN, type DrainAnswer, type DrainCommand } from "#shared/protocol/drain.ts";
import { poolName } from "#shared/protocol/pool-rpc.ts";
import type { AppEnv } from "../app-env.ts";
import { operatorOnly } from "../middleware/operator-only.ts";
import { answerRefusal } from "../problem.ts";
import { readJson } from "../read-json.ts";
import type { RequestScope } from "../request-scope.ts";

export const DRAIN_PATH = "/v1/drain";

const shardId = z.string().max(80);
const shards = z.array(shardId).min(1).max(LIMITS.shardCountMax).optional();
const orderSchema = z.strictObject({
  service: z.string().regex(NAME_PATTERN),
  shards,
  reason: z.string().regex(DRAIN_REASON_PATTERN).default("drain"),
  graceMs: z.int().min(0).max(DRAIN.graceMsMax).default(DRAIN.graceMsDefault),
});
const cancelSchema = z.strictObject({ service: z.string().regex(NAME_PATTERN), shards });

const BODY_BYTES_MAX = 128 * 1_024;

/** The operator's way to empty shards: `POST` begins, `DELETE` turns back, `GET` tells how far it is. No `shards`: all of the service. */
export const drain = new Hono<AppEnv>()
  .use(DRAIN_PATH, operatorOnly)
  .get(DRAIN_PATH, async (c) => answer(c.var.scope, c.req.query("service") ?? "", {}))
  .post(DRAIN_PATH, async (c) => {
    const parsed = orderSchema.safeParse(await readJson(c.req.raw, BODY_BYTES_MAX));
    if (!parsed.success) return answerRefusal(c.var.scope, MALFORMED);
    const { service, shards: shardIds = null, reason, graceMs } = parsed.data;
    return answer(c.var.scope, service, { order: { shardIds, reason, graceMs } });
  })
  .delete(DRAIN_PATH, async (c) => {
    const parsed = cancelSchema.safeParse(await readJson(c.req.raw, BODY_BYTES_MAX));
    if (!parsed.success) return answerRefusal(c.var.scope, MALFORMED);
    return answer(c.var.scope, parsed.data.service, { cancel: parsed.data.shards ?? null });
  });

const MALFORMED = refuse(
  "bad-request",
  `The body is not {"service", "shards"?, "reason"?, "graceMs"?}: expected a word of a-z as reason, and a grace of at most ${DRAIN.graceMsMax} ms.`,
);

async function answer(scope: RequestScope, service: string, command: DrainCommand): Promise<Response> {
  const { env, isolate, startedAtMs } = scope;
  const { snapshot } = await isolate.configuration.refresh(env, startedAtMs);
  if (!Object.hasOwn(snapshot.configuration.services, service))
    return answerRefusal(scope, refuse("unknown-service", `There is no service ${JSON.stringify(service.slice(0, 80))} here.`));
  const pool = env.POOL.get(env.POOL.idFromName(poolName(service)));
  const answered: DrainAnswer = await pool.drain(service, snapshot.version, command);
  if (!answered.ok) return answerRefusal(scope, answered);
  return Response.json({ service, shards: answered.shards }, { headers: { "cache-control": "no-store" } });
}
