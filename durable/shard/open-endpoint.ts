// The endpoint's side of a socket that is about to open.
import { refuse, type Refusal } from "#shared/errors/refusal.ts";
import { SOCKET_ASSIGNMENT_HEADER, type SocketAssignment } from "#shared/protocol/shard-rpc.ts";
import type { SocketEvent } from "#shared/protocol/websocket-events.ts";
import { gripPrefixOf, readGrip, type GripAnswer } from "#shared/protocol/grip.ts";
import { openOverHttp, type Opening } from "./open-over-http.ts";
import type { PostAnswer } from "./event-post.ts";
import { readEnd, type AnswerEnd } from "./http-leg.ts";
import type { SessionRoute } from "./session-store.ts";
import { openUpstream } from "./upstream.ts";

interface Opened {
  readonly ok: true;
  /** The endpoint's, where it speaks GRIP. */
  readonly messagePrefix: string | null;
}

/** `end`: an endpoint may take a session and end it with the same answer, which is how one that wants to name a code says no. */
export type OpenedEndpoint =
  | (Opened & { readonly socket: WebSocket | null; readonly greeting: GripAnswer; readonly end: AnswerEnd })
  | Refusal;

type OpenedPlain = (Opened & { readonly greeting: readonly SocketEvent[]; readonly protocol: string | null }) | Refusal;

/** For a plain socket of a service in `http` mode. */
export async function openPlain(socketId: string, route: SessionRoute, opening: Opening): Promise<OpenedPlain> {
  const answer = await openOverHttp(socketId, route, { ...opening, isPlain: true });
  if (!answer.ok) return refuseEndpoint(answer, route);
  const { events, protocol, extensions } = answer;
  return { ok: true, greeting: events.slice(1), protocol, messagePrefix: gripPrefixOf(extensions) };
}

export async function openEndpoint(sessionId: string, route: SessionRoute, opening: Opening): Promise<OpenedEndpoint> {
  if (route.mode === "http") {
    const answer = await openOverHttp(sessionId, route, opening);
    if (!answer.ok) return refuseEndpoint(answer, route);
    const messagePrefix = gripPrefixOf(answer.extensions);
    const { said, end } = readEnd(answer.events);
    return { ok: true, socket: null, greeting: readGrip(said, messagePrefix), end, messagePrefix };
  }
  const { upstreamUrl, deadlineMs } = route;
  const headers = new Headers(route.headers.map(([name, value]): [string, string] => [name, value]));
  const opened = await openUpstream({ upstreamUrl, headers, untilMs: opening.startedAtMs + deadlineMs, deadlineMs });
  return opened.ok ? { ok: true, socket: opened.socket, greeting: NOTHING_SAID, end: null, messagePrefix: null } : opened;
}

const NOTHING_SAID: GripAnswer = { payloads: [], changes: [], faults: [] };

function refuseEndpoint({ detail, silence }: PostAnswer & { ok: false }, { deadlineMs }: SessionRoute): Refusal {
  if (silence === "late") return refuse("upstream-timeout", `The endpoint did not take the socket within ${deadlineMs} ms.`);
  return refuse("upstream-failed", `The endpoint did not take the socket: ${detail}.`, { proxyError: "http_upgrade_failed" });
}

export function routeOf(request: Request, assignment: SocketAssignment): SessionRoute {
  const { service, tenant, device, shardId, slotId, region, flow, mode, upstreamUrl, deadlineMs, memoryBytes } = assignment;
  const headers = [...endpointHeaders(request)];
  return { service, tenant, device, shardId, slotId, region, flow, mode, upstreamUrl, deadlineMs, memoryBytes, headers };
}

/** Those that the endpoint may see. */
export function endpointHeaders(request: Request): Headers {
  const headers = new Headers(request.headers);
  headers.delete(SOCKET_ASSIGNMENT_HEADER);
  return headers;
}
