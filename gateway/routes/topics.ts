import { Hono } from "hono";
import * as z from "zod";
import { refuse } from "#shared/errors/refusal.ts";
import { DEVICE_PATTERN, NAME_PATTERN } from "#shared/limits.ts";
import { isTopic, TOPICS, type TopicAnswer, type TopicChange } from "#shared/protocol/topics.ts";
import type { AppEnv } from "../app-env.ts";
import { answerRefusal } from "../problem.ts";
import { askShards, readServiceCall } from "./service-caller.ts";

export const TOPICS_PATH = "/v1/topics";

const names = z.array(z.custom<string>(isTopic)).max(TOPICS.perSocketMax).default([]);
const schema = z.strictObject({
  service: z.string().regex(NAME_PATTERN),
  device: z.string().regex(DEVICE_PATTERN),
  subscribe: names,
  unsubscribe: names,
});

/** JSON escapes a character with at most six. */
const BODY_BYTES_MAX = 2 * TOPICS.perSocketMax * (6 * TOPICS.lengthMax + 8) + 4_096;
const RETRY_AFTER_MS = 1_000;

const MALFORMED = refuse(
  "bad-request",
  `The body is not {"service", "device", "subscribe"?, "unsubscribe"?}: expected at most ${TOPICS.perSocketMax} topics of 1 to ${TOPICS.lengthMax} characters in each.`,
);

/** Puts the sockets that a device has now on topics, and takes them off: for services of any kind, where GRIP is for those over HTTP. */
export const topics = new Hono<AppEnv>().post(TOPICS_PATH, async (c) => {
  const { scope } = c.var;
  const call = await readServiceCall(scope, { schema, bodyBytesMax: BODY_BYTES_MAX, malformed: MALFORMED });
  if (!call.ok) return answerRefusal(scope, call);
  const { service, device, subscribe, unsubscribe } = call.body;
  // Room is made before it is used.
  const changes: readonly TopicChange[] = [
    ...unsubscribe.map((topic) => ({ kind: "unsubscribe", topic }) as const),
    ...subscribe.map((topic) => ({ kind: "subscribe", topic }) as const),
  ];
  const request = { tenant: call.tenant, device, changes };
  const answers = await askShards(scope, { service, version: call.configurationVersion }, async (shard) => shard.subscribe(request));
  // Of a shard that was asked twice, the last: what was done is not done again.
  const answer = sumOf([...new Map(answers.map((asked) => [asked.shardId, asked.answer])).values()]);
  if (answer.sockets === 0 && answer.full > 0)
    return answerRefusal(
      scope,
      refuse("rejected-capacity", "The device's sockets, or their shards, have as many topics as they may.", {
        retryAfterMs: RETRY_AFTER_MS,
        decidedBy: "shard",
      }),
    );
  return c.json(answer, 200, { "cache-control": "no-store" });
});

function sumOf(answers: readonly TopicAnswer[]): TopicAnswer {
  return {
    sockets: answers.reduce((sum, { sockets }) => sum + sockets, 0),
    full: answers.reduce((sum, { full }) => sum + full, 0),
  };
}
