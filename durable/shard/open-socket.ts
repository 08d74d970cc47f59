// New sockets of admitted devices: the endpoint agrees first, then the slot becomes the socket's own, and only then its device hears of it.
import type { SocketAssignment } from "#shared/protocol/shard-rpc.ts";
import { SUBPROTOCOL } from "#shared/resume/frames.ts";
import type { RetryBudget } from "#shared/retry-budget.ts";
import { NO_TERMS } from "./breach.ts";
import type { HostShell } from "./host-shell.ts";
import { postOnce } from "./http-leg.ts";
import type { Legs } from "./legs.ts";
import { endpointHeaders, openEndpoint, openPlain, routeOf } from "./open-endpoint.ts";
import type { PlainHost } from "./plain-host.ts";
import { relay } from "./relay.ts";
import type { Relayed, Relays } from "./relays.ts";
import type { SessionHost } from "./session-host.ts";
import type { SessionMoves } from "./session-moves.ts";
import { FULL, NO_SLOT, refusal, refuseOpened, upgraded } from "./shard-answers.ts";
import type { SlotKeeper } from "./slot-keeper.ts";
import { randomText } from "./socket-io.ts";
import type { SocketRoom } from "./socket-room.ts";
import { openUpstream } from "./upstream.ts";

export interface OpeningShard {
  readonly shell: HostShell;
  readonly slots: SlotKeeper;
  readonly room: SocketRoom;
  readonly legs: Legs;
  readonly host: SessionHost;
  readonly moves: Pick<SessionMoves, "reroute">;
  readonly plainHost: PlainHost;
  readonly relays: Relays;
  /** Of openings that endpoints did not answer. */
  readonly retries: RetryBudget;
}

/** A session for a device that speaks `tidegate.v1`; else a plain socket, as its service's endpoint speaks. */
export async function openSocket(shard: OpeningShard, request: Request, assignment: SocketAssignment): Promise<Response> {
  if (assignment.isResumable) return openSession(shard, request, assignment);
  return assignment.mode === "http" ? openPlainSocket(shard, request, assignment) : openRelay(shard, request, assignment);
}

async function openSession(shard: OpeningShard, request: Request, assignment: SocketAssignment): Promise<Response> {
  const { shell, slots, room, legs, host, moves, retries } = shard;
  if (room.isFull()) return refusal(FULL);
  const sessionId = randomText();
  const asked = routeOf(request, assignment);
  const opened = await openEndpoint(sessionId, asked, { ...assignment, budget: retries, spend: shell.pace().spend });
  if (!opened.ok) return refusal(opened);
  const route = { ...asked, messagePrefix: opened.messagePrefix };
  if (opened.socket !== null) legs.expect(sessionId, opened.socket);
  // On disk first: should this instance die here, its alarm ends the session that nobody was told of, and gives the slot back.
  const attachment = host.begin({ sessionId, route, greeting: opened.greeting });
  if (!(await slots.takeOver(assignment, { isOnDisk: true }))) {
    host.takeBack(sessionId);
    return refusal(NO_SLOT);
  }
  if (route.region !== undefined) moves.reroute(sessionId, { ...route, region: undefined });
  slots.settle(assignment.slotId);
  const live = host.load(sessionId);
  // Its device hears of that when it says hello.
  if (opened.end !== null && live !== undefined) host.step(live, [opened.end]);
  return upgraded(request, host.device.accept({ ...attachment, terms: assignment.terms }), SUBPROTOCOL);
}

/** Of a service whose endpoint speaks WebSocket-over-HTTP: each message at most once, and the object may sleep. */
async function openPlainSocket(shard: OpeningShard, request: Request, assignment: SocketAssignment): Promise<Response> {
  const { shell, slots, room, plainHost, retries } = shard;
  if (room.isFull()) return refusal(FULL);
  const { spend } = shell.pace();
  const plainId = randomText();
  const asked = routeOf(request, assignment);
  const opened = await openPlain(plainId, asked, { ...assignment, budget: retries, spend });
  if (!opened.ok) return refusal(opened);
  const route = { ...asked, messagePrefix: opened.messagePrefix };
  plainHost.reserve(plainId, route);
  if (!(await slots.takeOver(assignment, { isOnDisk: true }))) {
    plainHost.forget(plainId);
    shell.ctx.waitUntil(postOnce(route, plainId, { events: [{ type: "DISCONNECT" }], spend }));
    return refusal(NO_SLOT);
  }
  const { 0: client, 1: device } = new WebSocketPair();
  const attachment = { sessionId: "", secret: "", attempt: 0, acceptedAtMs: Date.now(), terms: assignment.terms, plainId };
  plainHost.begin(device, attachment, { route: { ...route, region: undefined }, greeting: opened.greeting });
  slots.settle(assignment.slotId);
  return upgraded(request, client, opened.protocol);
}

/** Of a service whose endpoint speaks WebSocket: joined to a socket of the endpoint's. */
async function openRelay(shard: OpeningShard, request: Request, assignment: SocketAssignment): Promise<Response> {
  const { shell, slots, relays } = shard;
  const headers = endpointHeaders(request);
  const opened = await openUpstream({ ...assignment, headers, untilMs: assignment.startedAtMs + assignment.deadlineMs });
  if (!opened.ok) return refusal(opened);
  if (!(await slots.takeOver(assignment))) return refuseOpened(opened.socket);
  const { 0: client, 1: device } = new WebSocketPair();
  const relayed: Relayed = relay({
    device,
    endpoint: opened.socket,
    owner: assignment,
    terms: assignment.terms ?? NO_TERMS,
    shell,
    onEnd: ({ endedBy, isAbnormal, emptied: after }) => {
      relays.drop(relayed);
      shell.releaseSlot({ ...assignment, region: undefined }, { hasFailed: isAbnormal && endedBy === "endpoint", after });
    },
  });
  relays.add(relayed);
  return upgraded(request, client, opened.protocol);
}
