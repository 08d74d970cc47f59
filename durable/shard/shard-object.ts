import { DurableObject } from "cloudflare:workers";
import type { ObjectEnv } from "#durable/lib/env.ts";
import { refuse, type Refusal } from "#shared/errors/refusal.ts";
import { poolName } from "#shared/protocol/pool-rpc.ts";
import { SOCKET_ASSIGNMENT_HEADER, SOCKET_REFUSAL_HEADER, type ShardRpc, type SocketAssignment } from "#shared/protocol/shard-rpc.ts";
import { relay } from "./relay.ts";

/** A release that does not arrive is repaired by the pool's reconciliation; trying again is only faster. */
const RELEASE_ATTEMPTS_MAX = 3;

/**
 * Holds the device sockets of one shard, each with its own socket to the endpoint, and their slots in the
 * pool's ledger: taken over when a socket opens, given back on every way it can end.
 */
export class Shard extends DurableObject<ObjectEnv> implements ShardRpc {
  /** Slots of living sockets. Lost with the instance, as the sockets are. */
  readonly #held = new Set<string>();

  /** The upgrade request of an admitted device, handed over by the edge. */
  override async fetch(request: Request): Promise<Response> {
    const assignment = JSON.parse(request.headers.get(SOCKET_ASSIGNMENT_HEADER) ?? "null") as SocketAssignment | null;
    if (assignment === null) return refusal(refuse("internal", "The Shard object was called without an assignment."));
    const opened = await openUpstream(request, assignment);
    if (!opened.ok) return refusal(opened);
    const { socket: endpoint, protocol } = opened;
    const owner = this.ctx.id.toString();
    // Known as held before the pool is told: it may ask at once which sockets live.
    this.#held.add(assignment.slotId);
    if (!(await this.#takeOver(assignment, owner))) {
      this.#held.delete(assignment.slotId);
      endpoint.accept();
      endpoint.close(1001, "no slot");
      return refusal(refuse("rejected-capacity", "The slot was gone before the endpoint had answered the upgrade."));
    }
    const { 0: client, 1: device } = new WebSocketPair();
    relay({
      device,
      endpoint,
      onEnd: ({ endedBy, isAbnormal }) => {
        this.#held.delete(assignment.slotId);
        this.ctx.waitUntil(this.#release(assignment, owner, isAbnormal && endedBy === "endpoint"));
      },
    });
    return new Response(null, { status: 101, webSocket: client, headers: answerHeaders(request, protocol) });
  }

  held(slotIds: readonly string[]): readonly string[] {
    return slotIds.filter((slotId) => this.#held.has(slotId));
  }

  /** Without an answer the slot may be ours and may not: it is given back, and the socket is refused. */
  async #takeOver(assignment: SocketAssignment, owner: string): Promise<boolean> {
    try {
      return await this.#pool(assignment).keep(assignment.slotId, assignment.holder, owner);
    } catch {
      await this.#release(assignment, owner, false);
      return false;
    }
  }

  async #release({ slotId, flow, service }: SocketAssignment, holder: string, hasFailed: boolean): Promise<void> {
    for (let attempt = 1; attempt <= RELEASE_ATTEMPTS_MAX; attempt += 1) {
      try {
        await this.#pool({ service }).release({ slotId, holder, flow, outcome: hasFailed ? "upstream-failed" : "admitted-queued" });
        return;
      } catch (error) {
        if (attempt === RELEASE_ATTEMPTS_MAX)
          console.warn(JSON.stringify({ level: "warn", event: "release-failed", slotId, error: String(error) }));
      }
    }
  }

  #pool({ service }: Pick<SocketAssignment, "service">) {
    return this.env.POOL.get(this.env.POOL.idFromName(poolName(service)));
  }
}

type Opened = { readonly ok: true; readonly socket: WebSocket; readonly protocol: string | null } | Refusal;

async function openUpstream(request: Request, { upstreamUrl, deadlineMs, startedAtMs }: SocketAssignment): Promise<Opened> {
  const headers = new Headers(request.headers);
  headers.delete(SOCKET_ASSIGNMENT_HEADER);
  const aborter = new AbortController();
  const timer = setTimeout(() => aborter.abort(), Math.max(0, startedAtMs + deadlineMs - Date.now()));
  try {
    const response = await fetch(upstreamUrl, { headers, redirect: "manual", signal: aborter.signal });
    if (response.webSocket !== null)
      return { ok: true, socket: response.webSocket, protocol: response.headers.get("sec-websocket-protocol") };
    await response.body?.cancel();
    return refuse("upstream-failed", `The endpoint answered the upgrade with status ${response.status}, expected 101.`, {
      proxyError: "http_upgrade_failed",
    });
  } catch {
    if (aborter.signal.aborted) return refuse("upstream-timeout", `The endpoint did not answer the upgrade within ${deadlineMs} ms.`);
    return refuse("upstream-failed", "The endpoint could not be reached, or broke off the upgrade.", { proxyError: "http_upgrade_failed" });
  } finally {
    clearTimeout(timer);
  }
}

/** What was applied, as on every answer, and the endpoint's choice of subprotocol. */
function answerHeaders(request: Request, protocol: string | null): Headers {
  const headers = new Headers();
  for (const name of ["connection-identifier", "priority"]) headers.set(name, request.headers.get(name) ?? "");
  if (protocol !== null) headers.set("sec-websocket-protocol", protocol);
  return headers;
}

function refusal(reason: Refusal): Response {
  return new Response(null, { status: 503, headers: { [SOCKET_REFUSAL_HEADER]: JSON.stringify(reason) } });
}
