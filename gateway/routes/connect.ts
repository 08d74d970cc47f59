import type { ServiceConfig } from "#shared/config/schema.ts";
import { socketLimitsOf } from "#shared/config/socket-limits.ts";
import { quotaOf, quotaPaceOf } from "#shared/config/quota-policies.ts";
import { refuse, type Refusal } from "#shared/errors/refusal.ts";
import { flowOf, type AppliedIdentifier } from "#shared/identifier/entitlement.ts";
import { LIMITS } from "#shared/limits.ts";
import { formatConnectionIdentifier } from "#shared/identifier/connection-identifier.ts";
import {
  shardObjectName,
  SOCKET_ASSIGNMENT_HEADER,
  type ConnectionTerms,
  type FlowPace,
  type MovedFrom,
  type SocketAssignment,
} from "#shared/protocol/shard-rpc.ts";
import type { ActiveConfiguration } from "../configuration-cache.ts";
import { identify, verifyCredential } from "../identity/identify.ts";
import { admitSocket, type AdmittedSocket } from "../lease/socket-admission.ts";
import { answerRefusal } from "../problem.ts";
import type { RequestScope } from "../request-scope.ts";
import { joinUrl } from "../upstream/forward.ts";
import { outboundHeaders, type OutboundInput } from "../upstream/outbound-headers.ts";
import { readInboundHeaders, type InboundHeaders } from "../upstream/inbound-headers.ts";
import type { ServicePath } from "./forward.ts";
import { resumeSocket, upgradeInShard } from "./resume.ts";

export const CONNECT_PREFIX = "/connect/";

/**
 * `GET /connect/{service}` opens a socket: the verdict comes before the upgrade. `POST` answers the verdict
 * alone, for browsers, which cannot see why an upgrade was refused.
 */
export async function handleConnect(scope: RequestScope, active: ActiveConfiguration, path: ServicePath): Promise<Response> {
  const inbound = readInboundHeaders(scope.request.headers);
  if (!inbound.ok) return answerRefusal(scope, inbound);
  const refused = checkForm(scope, inbound);
  if (refused !== null) return answerRefusal(scope, refused);
  const identified = await identify({
    inbound,
    service: path.service,
    active,
    audience: scope.env.GATEWAY_NAME,
    isolate: scope.isolate,
    nowMs: scope.startedAtMs,
  });
  if (!identified.ok) return answerRefusal(scope, identified);
  const { identifier } = identified;
  scope.identifier = identifier;
  const service = active.snapshot.configuration.services[identifier.service];
  if (service === undefined) return answerRefusal(scope, refuse("unknown-service", `There is no service ${identifier.service} here.`));
  const terms = await termsOf(scope, { inbound, active, identifier, service });
  const pace = paceOf(active, identifier);
  const isResuming = inbound.isResumable && inbound.resumeToken !== null && scope.request.method === "GET";
  const resumed = isResuming ? await resumeSocket({ scope, identifier, inbound }, { text: inbound.resumeToken, terms, pace }) : null;
  if (resumed instanceof Response) return resumed;
  const admitted = await admitSocket({ scope, identifier, active, service }, resumed);
  if (!admitted.ok) {
    const stayed = isResuming
      ? await resumeSocket({ scope, identifier, inbound }, { text: inbound.resumeToken, terms, pace, isStaying: true })
      : null;
    return stayed instanceof Response ? stayed : answerRefusal(scope, admitted, { isCounted: admitted.decidedBy !== "edge" });
  }
  if (scope.request.method === "POST") {
    admitted.end("admitted-queued");
    return Response.json(
      { verdict: "admitted" },
      { headers: { "cache-control": "no-store", "connection-identifier": formatConnectionIdentifier(identifier) } },
    );
  }
  const admittedAtMs = Date.now();
  const assignment = assignmentOf(scope, { inbound, identifier, service }, { path, terms, pace, admitted, movedFrom: resumed });
  const response = await openInShard({ scope, identifier, inbound }, assignment);
  if (!(response instanceof Response)) return endRefused(scope, admitted, { refusal: response, admittedAtMs });
  admitted.handOver();
  return response;
}

/** What holds for the connection that is about to open: as the configuration has it now, and as long as this token is good. */
async function termsOf(
  { env, isolate, startedAtMs: nowMs }: RequestScope,
  { inbound, active, identifier, service }: Known,
): Promise<ConnectionTerms> {
  const { perDeviceMax: _device, perTenantMax: _tenant, ...limits } = socketLimitsOf(service.sockets, identifier.className);
  // Remembered since a moment ago.
  const verified = await verifyCredential({ inbound, active, audience: env.GATEWAY_NAME, isolate, nowMs });
  const isBound = service.sockets.closeOnTokenExpiry && verified.ok;
  return { limits, tokenUntilMs: isBound ? verified.entitlement.expiresAtMs + LIMITS.clockSkewMsMax : null };
}

/** What the flow's sockets are held to together. Also where it is nothing: their Shard object may know of a limit that has been lifted. */
function paceOf({ snapshot: { configuration, version } }: ActiveConfiguration, identifier: AppliedIdentifier): FlowPace {
  return { flow: flowOf(identifier), version, ...quotaPaceOf(quotaOf(configuration, identifier)) };
}

function assignmentOf(
  { isolate, startedAtMs }: RequestScope,
  { inbound, identifier, service }: Omit<Known, "active">,
  given: {
    readonly path: ServicePath;
    readonly terms: ConnectionTerms;
    readonly pace: FlowPace;
    readonly admitted: Pick<AdmittedSocket, "slot" | "region">;
    readonly movedFrom: MovedFrom | null;
  },
): SocketAssignment {
  const { path, terms, pace, admitted, movedFrom } = given;
  const { slot, region } = admitted;
  return {
    service: identifier.service,
    tenant: identifier.tenant,
    device: identifier.device,
    isResumable: inbound.isResumable,
    mode: service.sockets.mode,
    slotId: slot.slotId,
    ...(slot.memoryBytes !== undefined && { memoryBytes: slot.memoryBytes }),
    holder: isolate.holder,
    ...(region !== null && { region }),
    flow: flowOf(identifier),
    shardId: slot.shardId,
    upstreamUrl: joinUrl(slot.endpointUrl, path.target),
    deadlineMs: service.deadlineMs,
    startedAtMs,
    retry: service.retry,
    terms,
    pace,
    ...(movedFrom === null ? {} : { movedFrom }),
  };
}

interface Known {
  readonly inbound: InboundHeaders;
  readonly active: ActiveConfiguration;
  readonly identifier: AppliedIdentifier;
  readonly service: ServiceConfig;
}

function checkForm({ request }: RequestScope, { isUpgrade, isResumable, protocolToken, forwarded }: InboundHeaders): Refusal | null {
  if (request.method === "POST") return null;
  if (request.method !== "GET") return refuse("wrong-method", `Method ${request.method} opens no socket.`, { allow: ["GET", "POST"] });
  if (!isUpgrade)
    return refuse("upgrade-required", "This route opens a WebSocket: send Upgrade: websocket, or POST to ask for the verdict alone.");
  // A client that offers subprotocols drops a connection that selects none, and a token is never echoed.
  if (protocolToken !== null && !isResumable && forwarded["sec-websocket-protocol"] === undefined) {
    return refuse(
      "bad-identifier",
      "The only subprotocol is tidegate.bearer.<token>: expected the application's own beside it, which is the one selected.",
    );
  }
  return null;
}

/** The Shard object has the slot from the moment it answers 101; before that it is ours to end. */
async function openInShard(input: OutboundInput, assignment: SocketAssignment): Promise<Response | Refusal> {
  const headers = outboundHeaders(input);
  headers[SOCKET_ASSIGNMENT_HEADER] = JSON.stringify(assignment);
  const answer = await upgradeInShard(input.scope, shardObjectName(assignment.service, assignment.shardId), headers);
  if (answer instanceof Response || "ok" in answer) return answer;
  return refuse("internal", "The Shard object sent a new socket elsewhere.");
}

async function endRefused(
  scope: RequestScope,
  admitted: AdmittedSocket,
  { refusal, admittedAtMs }: { refusal: Refusal; admittedAtMs: number },
): Promise<Response> {
  admitted.end(refusal.outcome);
  const timing = { queueMs: admittedAtMs - scope.startedAtMs, upstreamMs: Date.now() - admittedAtMs };
  return answerRefusal(scope, refusal, { isCounted: true, timing });
}
