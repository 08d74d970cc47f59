// A device that comes back to its session: verified and entitled like any other, but not admitted anew, because the session has
// its slot still.
import { isRefusalOutcome } from "#shared/errors/outcomes.ts";
import { refuse, type Refusal } from "#shared/errors/refusal.ts";
import {
  SESSION_HOPS_MAX,
  shardObjectName,
  SOCKET_ELSEWHERE_HEADER,
  SOCKET_REFUSAL_HEADER,
  SOCKET_RESUMPTION_HEADER,
  type ConnectionTerms,
  type FlowPace,
  type MovedFrom,
  type SocketElsewhere,
  type SocketResumption,
} from "#shared/protocol/shard-rpc.ts";
import { parseResumeToken } from "#shared/resume/resume-token.ts";
import { answerRefusal } from "../problem.ts";
import type { RequestScope } from "../request-scope.ts";
import type { HeaderRecord } from "../upstream/header-record.ts";
import { outboundHeaders, type OutboundInput } from "../upstream/outbound-headers.ts";

/**
 * The token says which Shard object has the session; that object says whether the token opens it. A MovedFrom: the session is
 * to move to another shard, for which the device is admitted first. `isStaying`: it is not, because there is none.
 */
export async function resumeSocket(
  input: OutboundInput,
  given: { readonly text: string; readonly terms: ConnectionTerms; readonly pace: FlowPace; readonly isStaying?: boolean },
): Promise<Response | MovedFrom> {
  const { scope, identifier } = input;
  const { text, terms, pace, isStaying = false } = given;
  const { service, tenant, device } = identifier;
  const token = parseResumeToken(text);
  // A shard's name begins with its service's: no token leads to an object of another service.
  if (token === null || !token.shardId.startsWith(`${service}-`)) {
    const detail = "The resume token is none of this service: expected the last one that its session sent.";
    return answerRefusal(scope, refuse("bad-identifier", detail));
  }
  const { sessionId, secret } = token;
  // A copy: where the device is admitted anew, its headers are used again.
  const headers = { ...outboundHeaders(input) };
  let resumption: SocketResumption = { service, tenant, device, sessionId, secret, isStaying, terms, pace };
  let { shardId } = token;
  for (let hop = 0; hop < SESSION_HOPS_MAX; hop += 1) {
    headers[SOCKET_RESUMPTION_HEADER] = JSON.stringify(resumption);
    const answer = await upgradeInShard(scope, shardObjectName(service, shardId), headers);
    if (answer instanceof Response) return answer;
    if ("ok" in answer) return answerRefusal(scope, answer);
    if (answer.shardId === null) return { shardId, slotId: answer.slotId, sessionId, secret };
    resumption = { ...resumption, sentFrom: { shardId, moveId: answer.moveId } };
    shardId = answer.shardId;
  }
  return answerRefusal(scope, refuse("rejected-capacity", "The session is on the move.", { retryAfterMs: 1_000, decidedBy: "shard" }));
}

/** Asks a Shard object for a socket. */
export async function upgradeInShard(
  { env }: RequestScope,
  objectName: string,
  headers: HeaderRecord,
): Promise<Response | Refusal | SocketElsewhere> {
  headers["upgrade"] = "websocket";
  const response = await env.SHARD.get(env.SHARD.idFromName(objectName)).fetch("https://shard/", { headers });
  if (response.status === 101) return response;
  await response.body?.cancel();
  const elsewhere = JSON.parse(response.headers.get(SOCKET_ELSEWHERE_HEADER) ?? "null") as SocketElsewhere | null;
  if (elsewhere !== null) return elsewhere;
  const refusal = JSON.parse(response.headers.get(SOCKET_REFUSAL_HEADER) ?? "null") as Refusal | null;
  if (refusal === null || !isRefusalOutcome(refusal.outcome))
    return refuse("internal", "The Shard object did not say what became of the socket.");
  return refusal;
}
