import { Hono } from "hono";
import * as z from "zod";
import { refuse } from "#shared/errors/refusal.ts";
import { NAME_PATTERN } from "#shared/limits.ts";
import { HISTORY, type HistoryAnswer } from "#shared/protocol/demand-history.ts";
import { poolName } from "#shared/protocol/pool-rpc.ts";
import type { AppEnv } from "../app-env.ts";
import { operatorOnly } from "../middleware/operator-only.ts";
import { answerRefusal } from "../problem.ts";
import { readJson } from "../read-json.ts";

export const HISTORY_PATH = "/v1/history";

const BODY_BYTES_MAX = 64 * 1_024;

const values = z.array(z.number().min(0).max(HISTORY.valueMax)).min(1).max(HISTORY.binCountMax);
const historySchema = z.strictObject({
  service: z.string().regex(NAME_PATTERN),
  startMs: z.int().min(0),
  slots: values,
  arrivalsPerSecond: values,
});

const MALFORMED = refuse(
  "bad-request",
  `The body is not {"service", "startMs", "slots", "arrivalsPerSecond"}: expected at most ${HISTORY.binCountMax} numbers of at most ${HISTORY.valueMax} in each list.`,
);

/** `POST /v1/history`: what was wanted of a service before the gateway saw it. In order, and before its first request. */
export const history = new Hono<AppEnv>().use(HISTORY_PATH, operatorOnly).post(HISTORY_PATH, async (c) => {
  const { scope } = c.var;
  const parsed = historySchema.safeParse(await readJson(c.req.raw, BODY_BYTES_MAX));
  if (!parsed.success) return answerRefusal(scope, MALFORMED);
  const { service, ...told } = parsed.data;
  const { snapshot } = await scope.isolate.configuration.refresh(c.env, scope.startedAtMs);
  if (!Object.hasOwn(snapshot.configuration.services, service))
    return answerRefusal(scope, refuse("unknown-service", `There is no service ${JSON.stringify(service)} here.`));
  const pool = c.env.POOL.get(c.env.POOL.idFromName(poolName(service)));
  const answered: HistoryAnswer = await pool.learn(service, snapshot.version, told);
  return answered.ok ? c.json({ service, knownUntilMs: answered.knownUntilMs }) : answerRefusal(scope, answered);
});
