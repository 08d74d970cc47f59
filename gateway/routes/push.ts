import { Hono } from "hono";
import * as z from "zod";
import { refuse, type Refusal } from "#shared/errors/refusal.ts";
import type { Entitlement } from "#shared/identifier/entitlement.ts";
import { DEVICE_PATTERN, NAME_PATTERN } from "#shared/limits.ts";
import { poolName } from "#shared/protocol/pool-rpc.ts";
import { shardObjectName, type PushAnswer, type PushRequest } from "#shared/protocol/shard-rpc.ts";
import { RESUME } from "#shared/resume/bounds.ts";
import { payloadBytes, type Payload } from "#shared/resume/frames.ts";
import type { AppEnv } from "../app-env.ts";
import { verifyCredential } from "../identity/identify.ts";
import { answerRefusal } from "../problem.ts";
import { readJson } from "../read-json.ts";
import { readInboundHeaders } from "../upstream/inbound-headers.ts";

const pushSchema = z.strictObject({
  service: z.string().regex(NAME_PATTERN),
  device: z.string().regex(DEVICE_PATTERN).optional(),
  text: z.string().optional(),
  base64: z.base64().optional(),
});

/** JSON escapes a character with at most six. */
const BODY_BYTES_MAX = 6 * RESUME.messageBytesMax + 4_096;
/** Shard objects asked at the same time. */
const CONCURRENCY_MAX = 32;
const RETRY_AFTER_MS = 1_000;

/** A service's own messages to the sessions of its tenant's devices: to one device, or to all. */
export const push = new Hono<AppEnv>().post("/v1/push", async (c) => {
  const { scope } = c.var;
  const inbound = readInboundHeaders(c.req.raw.headers);
  if (!inbound.ok) return answerRefusal(scope, inbound);
  const active = await scope.isolate.configuration.refresh(scope.env, scope.startedAtMs);
  const verified = await verifyCredential({
    inbound,
    active,
    audience: scope.env.GATEWAY_NAME,
    isolate: scope.isolate,
    nowMs: scope.startedAtMs,
  });
  if (!verified.ok) return answerRefusal(scope, verified);
  const parsed = pushSchema.safeParse(await readJson(c.req.raw, BODY_BYTES_MAX));
  if (!parsed.success) return answerRefusal(scope, MALFORMED);
  const { service, device = null } = parsed.data;
  const payload = payloadOf(parsed.data);
  if (payload === null) return answerRefusal(scope, MALFORMED);
  if (payloadBytes(payload) > RESUME.messageBytesMax)
    return answerRefusal(scope, refuse("body-too-large", `A message has at most ${RESUME.messageBytesMax} bytes.`));
  const refused = mayPush(verified.entitlement, service, Object.hasOwn(active.snapshot.configuration.services, service));
  if (refused !== null) return answerRefusal(scope, refused);
  const { tenant } = verified.entitlement;
  const answer = await pushToShards(c.env, { service, version: active.snapshot.version }, { tenant, device, payload });
  if (answer.taken === 0 && answer.full > 0)
    return answerRefusal(scope, refuse("rejected-capacity", "Every session's window is full.", { retryAfterMs: RETRY_AFTER_MS }));
  return c.json(answer, 200, { "cache-control": "no-store" });
});

const MALFORMED = refuse("bad-request", 'The body is not {"service", "device"?, "text" or "base64"}, or is too large.');

function mayPush({ role, services }: Entitlement, service: string, isThere: boolean): Refusal | null {
  if (role !== "service") return refuse("forbidden", "The token is a device's, expected a service's credential.");
  if (!isThere) return refuse("unknown-service", `There is no service ${service} here.`);
  return services.includes(service) ? null : refuse("forbidden", `The token does not name service ${service}.`);
}

/** Null: not exactly one of the two. */
function payloadOf({ text, base64 }: z.infer<typeof pushSchema>): Payload | null {
  if ((text === undefined) === (base64 === undefined)) return null;
  return text ?? Uint8Array.from(atob(base64 ?? ""), (character) => character.charCodeAt(0));
}

/** Any shard may have a session of any device: bounded load sends some elsewhere than their key says. */
async function pushToShards(
  env: AppEnv["Bindings"],
  { service, version }: { service: string; version: number },
  request: PushRequest,
): Promise<PushAnswer> {
  const { shards } = await env.POOL.get(env.POOL.idFromName(poolName(service))).stats(service, version);
  const sum = { taken: 0, full: 0 };
  for (let start = 0; start < shards.length; start += CONCURRENCY_MAX) {
    const asked = shards.slice(start, start + CONCURRENCY_MAX);
    const answers = await Promise.all(
      asked.map(async ({ shardId }) => env.SHARD.get(env.SHARD.idFromName(shardObjectName(service, shardId))).push(request)),
    );
    for (const { taken, full } of answers) {
      sum.taken += taken;
      sum.full += full;
    }
  }
  return sum;
}
