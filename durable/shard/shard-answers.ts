// How a Shard object answers the edge.
import { refuse, type Refusal } from "#shared/errors/refusal.ts";
import { GOING_AWAY } from "#shared/protocol/close-codes.ts";
import { SOCKET_ELSEWHERE_HEADER, SOCKET_REFUSAL_HEADER, type SocketElsewhere } from "#shared/protocol/shard-rpc.ts";

export const FULL = refused("The shard holds as many connections as it can.");
export const DRAINING = refused("The shard is being drained.", { retryAfterMs: 1_000 });
export const MOVING = refused("The session could not be moved to another shard.", { retryAfterMs: 1_000 });
export const NO_SLOT = refused("The slot was gone before the endpoint had answered the upgrade.");

/** The pool had said yes. */
function refused(detail: string, more: Pick<Refusal, "retryAfterMs"> = {}): Refusal {
  return refuse("rejected-capacity", detail, { ...more, decidedBy: "shard" });
}

/** The upgrade, with what was applied, as on every answer, and the subprotocol that was chosen. */
export function upgraded(request: Request, webSocket: WebSocket, protocol: string | null): Response {
  const headers = new Headers();
  for (const name of ["connection-identifier", "priority"]) headers.set(name, request.headers.get(name) ?? "");
  if (protocol !== null) headers.set("sec-websocket-protocol", protocol);
  return new Response(null, { status: 101, webSocket, headers });
}

export function elsewhere(answer: SocketElsewhere): Response {
  return new Response(null, { status: 503, headers: { [SOCKET_ELSEWHERE_HEADER]: JSON.stringify(answer) } });
}

export function refusal(reason: Refusal): Response {
  return new Response(null, { status: 503, headers: { [SOCKET_REFUSAL_HEADER]: JSON.stringify(reason) } });
}

/** The endpoint has answered already. */
export function refuseOpened(endpoint: WebSocket): Response {
  endpoint.accept();
  endpoint.close(GOING_AWAY, "no slot");
  return refusal(NO_SLOT);
}
