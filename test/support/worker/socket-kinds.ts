// The ways in which a Shard object has a device's socket, and an endpoint that takes every one of them and what comes over it.
import { encodeEvents, EventParser, type SocketEvent } from "#shared/protocol/websocket-events.ts";

export type SocketKind = "a session" | "a plain socket over HTTP" | "a relayed socket";
export const SOCKET_KINDS: readonly SocketKind[] = ["a session", "a plain socket over HTTP", "a relayed socket"];

const EVENTS = { headers: { "content-type": "application/websocket-events" } };

/** In place of `fetch`: the network's, not ours, as the test runner has no endpoint to offer. */
export async function takeSocket(_input: unknown, init?: RequestInit): Promise<Response> {
  if (new Headers(init?.headers).get("upgrade") === "websocket") {
    const { 0: webSocket, 1: endpoint } = new WebSocketPair();
    endpoint.accept();
    return Promise.resolve(new Response(null, { status: 101, webSocket }));
  }
  const events = new EventParser(1_000).push(init?.body as Uint8Array) as readonly SocketEvent[];
  return Promise.resolve(
    events[0]?.type === "OPEN" ? new Response(encodeEvents([{ type: "OPEN" }]), EVENTS) : new Response(null, { status: 204 }),
  );
}
