// Who calls for a service: its credential, and its shards that are asked.
import type * as z from "zod";
import { refuse, type Refusal } from "#shared/errors/refusal.ts";
import { poolName } from "#shared/protocol/pool-rpc.ts";
import { shardObjectName, type GoneTo } from "#shared/protocol/shard-rpc.ts";
import type { AppEnv } from "../app-env.ts";
import { verifyCredential } from "../identity/identify.ts";
import { readJson, TOO_LARGE } from "../read-json.ts";
import type { RequestScope } from "../request-scope.ts";
import { readInboundHeaders } from "../upstream/inbound-headers.ts";

/** Shard objects asked at the same time. */
const CONCURRENCY_MAX = 32;

export interface ServiceCall<T> {
  readonly ok: true;
  readonly body: T;
  /** Whose devices it may reach: the token's issuer's. */
  readonly tenant: string;
  readonly configurationVersion: number;
}

/** Reads a request that only a service may make, in the name of the tenant that signed its token. `malformed`: what is said of another body. */
export async function readServiceCall<T extends { readonly service: string }>(
  scope: RequestScope,
  { schema, bodyBytesMax, malformed }: { readonly schema: z.ZodType<T>; readonly bodyBytesMax: number; readonly malformed: Refusal },
): Promise<ServiceCall<T> | Refusal> {
  const { request, env, isolate, startedAtMs: nowMs } = scope;
  const inbound = readInboundHeaders(request.headers);
  if (!inbound.ok) return inbound;
  const active = await isolate.configuration.refresh(env, nowMs);
  const verified = await verifyCredential({ inbound, active, audience: env.GATEWAY_NAME, isolate, nowMs });
  if (!verified.ok) return verified;
  const body = await readJson(request, bodyBytesMax);
  if (body === TOO_LARGE) return refuse("body-too-large", `The request's body is more than ${bodyBytesMax} bytes.`);
  const parsed = schema.safeParse(body);
  if (!parsed.success) return malformed;
  const { service } = parsed.data;
  const { role, services, tenant } = verified.entitlement;
  if (role !== "service") return refuse("forbidden", "The token is a device's, expected a service's credential.");
  const { configuration, version } = active.snapshot;
  if (!Object.hasOwn(configuration.services, service)) return refuse("unknown-service", `There is no service ${service} here.`);
  if (!services.includes(service)) return refuse("forbidden", `The token does not name service ${service}.`);
  return { ok: true, body: parsed.data, tenant, configurationVersion: version };
}

type ShardStub = ReturnType<AppEnv["Bindings"]["SHARD"]["get"]>;

/**
 * Asks every shard of a service, because any may have a socket of any device: bounded load sends some elsewhere than their key says.
 * Those that are being emptied come first, and are waited for: what leaves them meanwhile is found where it goes. Where single sessions
 * have left another one those are asked again that they went to.
 */
export async function askShards<T extends GoneTo>(
  { env }: Pick<RequestScope, "env">,
  { service, version }: { readonly service: string; readonly version: number },
  ask: (shard: ShardStub) => Promise<T>,
): Promise<readonly { readonly shardId: string; readonly answer: T }[]> {
  const { shards } = await env.POOL.get(env.POOL.idFromName(poolName(service))).stats(service, version);
  const leaving = shards.filter(({ state }) => state !== "active");
  const staying = shards.filter(({ state }) => state === "active");
  const answers: { readonly shardId: string; readonly answer: T }[] = [];
  const askOne = async (shardId: string): Promise<T> => ask(env.SHARD.get(env.SHARD.idFromName(shardObjectName(service, shardId))));
  const askAll = async (shardIds: readonly string[]): Promise<void> => {
    for (let start = 0; start < shardIds.length; start += CONCURRENCY_MAX) {
      const asked = shardIds.slice(start, start + CONCURRENCY_MAX);
      answers.push(...(await Promise.all(asked.map(async (shardId) => ({ shardId, answer: await askOne(shardId) })))));
    }
  };
  await askAll(leaving.map(({ shardId }) => shardId));
  await askAll(staying.map(({ shardId }) => shardId));
  await askAll([...new Set(answers.flatMap(({ answer }) => answer.goneTo ?? []))]);
  return answers;
}
