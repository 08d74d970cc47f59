import { Hono } from "hono";
import * as z from "zod";
import { refuse } from "#shared/errors/refusal.ts";
import { DEVICE_PATTERN, NAME_PATTERN } from "#shared/limits.ts";
import type { PushAnswer, PushRequest } from "#shared/protocol/shard-rpc.ts";
import { isTopic } from "#shared/protocol/topics.ts";
import { RESUME } from "#shared/resume/bounds.ts";
import { payloadBytes, type Payload } from "#shared/resume/frames.ts";
import type { AppEnv } from "../app-env.ts";
import { answerRefusal } from "../problem.ts";
import { askShards, readServiceCall } from "./service-caller.ts";

const schema = z.strictObject({
  service: z.string().regex(NAME_PATTERN),
  device: z.string().regex(DEVICE_PATTERN).optional(),
  topic: z.custom<string>(isTopic).optional(),
  /** Of this one message: whoever has it does not get it again. */
  id: z
    .string()
    .regex(/^[\x21-\x7e]{1,64}$/)
    .optional(),
  text: z.string().optional(),
  base64: z.base64().optional(),
});

/** JSON escapes a character with at most six. */
const BODY_BYTES_MAX = 6 * RESUME.messageBytesMax + 4_096;
const RETRY_AFTER_MS = 1_000;

const MALFORMED = refuse("bad-request", 'The body is not {"service", "device" or "topic"?, "text" or "base64", "id"?}.');

/** A service's own messages to the sockets of its tenant: of one device, on one topic, or all. */
export const push = new Hono<AppEnv>().post("/v1/push", async (c) => {
  const { scope } = c.var;
  const call = await readServiceCall(scope, { schema, bodyBytesMax: BODY_BYTES_MAX, malformed: MALFORMED });
  if (!call.ok) return answerRefusal(scope, call);
  const { service, device = null, topic = null, id } = call.body;
  const payload = payloadOf(call.body);
  if (payload === null || (device !== null && topic !== null)) return answerRefusal(scope, MALFORMED);
  if (payloadBytes(payload) > RESUME.messageBytesMax)
    return answerRefusal(scope, refuse("body-too-large", `A message has at most ${RESUME.messageBytesMax} bytes.`));
  const { tenant } = call;
  const pushId = id === undefined ? scope.requestId : `${tenant} ${id}`;
  const request: PushRequest = { tenant, device, topic, payload, pushId };
  const answers = await askShards(scope, { service, version: call.configurationVersion }, async (shard) => shard.push(request));
  const { had = 0, ...answer } = sumOf(answers.map((asked) => asked.answer));
  const { tooLarge } = answer;
  const isNobodys = answer.taken + answer.sent === 0;
  if (isNobodys && answer.full > 0)
    return answerRefusal(
      scope,
      refuse("rejected-capacity", "Every session's window is full.", { retryAfterMs: RETRY_AFTER_MS, decidedBy: "shard" }),
    );
  if (isNobodys && had === 0 && tooLarge !== undefined) {
    const detail = `The message has ${payloadBytes(payload)} bytes; each session that it is for may have at most ${tooLarge.bytesMax} of its tenant's memory.`;
    return answerRefusal(scope, refuse("body-too-large", detail));
  }
  return c.json(answer, 200, { "cache-control": "no-store" });
});

/** Null: not exactly one of the two. */
function payloadOf({ text, base64 }: z.infer<typeof schema>): Payload | null {
  if ((text === undefined) === (base64 === undefined)) return null;
  return text ?? Uint8Array.from(atob(base64 ?? ""), (character) => character.charCodeAt(0));
}

function sumOf(answers: readonly PushAnswer[]): PushAnswer {
  const sum = { taken: 0, full: 0, sent: 0, had: 0 };
  for (const { taken, full, sent, had = 0 } of answers) {
    sum.taken += taken;
    sum.full += full;
    sum.sent += sent;
    sum.had += had;
  }
  const tooLarge = answers.flatMap((answer) => answer.tooLarge ?? []);
  if (tooLarge.length === 0) return sum;
  const count = tooLarge.reduce((total, of) => total + of.count, 0);
  return { ...sum, tooLarge: { count, bytesMax: Math.min(...tooLarge.map(({ bytesMax }) => bytesMax)) } };
}
