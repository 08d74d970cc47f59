// A device that comes back to its session: verified and entitled like any other, but not admitted anew, because the session has
// its slot still.
import { isRefusalOutcome } from "#shared/errors/outcomes.ts";
import { refuse, type Refusal } from "#shared/errors/refusal.ts";
import { shardObjectName, SOCKET_REFUSAL_HEADER, SOCKET_RESUMPTION_HEADER, type SocketResumption } from "#shared/protocol/shard-rpc.ts";
import { parseResumeToken } from "#shared/resume/resume-token.ts";
import { answerRefusal } from "../problem.ts";
import type { RequestScope } from "../request-scope.ts";
import type { HeaderRecord } from "../upstream/header-record.ts";
import { outboundHeaders, type OutboundInput } from "../upstream/outbound-headers.ts";

/** The token says which Shard object has the session; that object says whether the token opens it. */
export async function resumeSocket(input: OutboundInput, text: string): Promise<Response> {
  const { scope, identifier } = input;
  const { service, tenant, device } = identifier;
  const token = parseResumeToken(text);
  // A shard's name begins with its service's: no token leads to an object of another service.
  if (token === null || !token.shardId.startsWith(`${service}-`))
    return answerRefusal(
      scope,
      refuse("bad-identifier", "The resume token is none of this service: expected the last one that its session sent."),
    );
  const headers = outboundHeaders(input);
  const resumption: SocketResumption = { service, tenant, device, sessionId: token.sessionId, secret: token.secret };
  headers[SOCKET_RESUMPTION_HEADER] = JSON.stringify(resumption);
  const response = await upgradeInShard(scope, shardObjectName(service, token.shardId), headers);
  return response instanceof Response ? response : answerRefusal(scope, response);
}

/** Asks a Shard object for a socket. */
export async function upgradeInShard({ env }: RequestScope, objectName: string, headers: HeaderRecord): Promise<Response | Refusal> {
  headers["upgrade"] = "websocket";
  const response = await env.SHARD.get(env.SHARD.idFromName(objectName)).fetch("https://shard/", { headers });
  if (response.status === 101) return response;
  const refusal = JSON.parse(response.headers.get(SOCKET_REFUSAL_HEADER) ?? "null") as Refusal | null;
  await response.body?.cancel();
  if (refusal === null || !isRefusalOutcome(refusal.outcome))
    return refuse("internal", "The Shard object did not say what became of the socket.");
  return refusal;
}
