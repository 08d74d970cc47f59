import { NO_STATUS, POLICY, RESTART } from "#shared/protocol/close-codes.ts";
import type { ConnectionTerms } from "#shared/protocol/shard-rpc.ts";
import { encodeFrame, type GatewayFrame } from "#shared/resume/frames.ts";
import { UNKNOWN_END } from "#shared/resume/step-gateway.ts";
import { truncateReason } from "./close-codes.ts";

const SECRET_BYTES = 24;
/** For a connection whose session has gone to another shard. */
export const MOVED = { code: RESTART, reason: "moved" } as const;

/** What a device's socket carries through hibernation. */
export interface SocketAttachment {
  readonly sessionId: string;
  /** Of the token at its upgrade. */
  readonly secret: string;
  /** Null: it has not said hello yet. */
  readonly attempt: number | null;
  readonly acceptedAtMs: number;
  readonly terms?: ConnectionTerms | undefined;
  /** A plain socket over HTTP, which has no session. */
  readonly plainId?: string;
  /** Of a plain socket: when its device last said something. */
  readonly activeAtMs?: number;
  /** It was told that its time is nearly up. */
  readonly isWarned?: boolean;
  /** Its device has reported on this connection. */
  readonly hasReported?: boolean;
  /** Messages either way, as counted when they were last looked at, and since when they are so many. */
  readonly idle?: { readonly count: number; readonly sinceMs: number };
}

/** What `attach` gave it. */
export function attachmentOf(socket: WebSocket): SocketAttachment {
  return socket.deserializeAttachment() as SocketAttachment;
}

/** From here on the socket carries this. */
export function attach(socket: WebSocket, attachment: SocketAttachment): void {
  socket.serializeAttachment(attachment);
}

export function isPlain(socket: WebSocket): boolean {
  return attachmentOf(socket).plainId !== undefined;
}

/** The open socket that carries a session, by the session's tag. */
export function socketOf(ctx: DurableObjectState, sessionId: string, attempt: number): WebSocket | undefined {
  return ctx.getWebSockets(sessionId).find((socket) => attachmentOf(socket).attempt === attempt && socket.readyState === WebSocket.OPEN);
}

/** Closes sockets that have not said hello in time. When the next one is to be; null: none waits. */
export function closeUnheard(sockets: readonly WebSocket[], { nowMs, helloMsMax }: { nowMs: number; helloMsMax: number }): number | null {
  let nextAtMs: number | null = null;
  for (const socket of sockets) {
    const { attempt, acceptedAtMs } = attachmentOf(socket);
    if (attempt !== null) continue;
    const untilMs = acceptedAtMs + helloMsMax;
    if (nowMs >= untilMs) closeQuietly(socket, { code: POLICY, reason: "no hello" });
    else nextAtMs = Math.min(nextAtMs ?? Infinity, untilMs);
  }
  return nextAtMs;
}

/** Fit for a token: 192 random bits as base64url. */
export function randomText(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_");
}

/** To a socket that may be closing, or gone. */
export function sendFrame(socket: WebSocket | undefined, frame: GatewayFrame): void {
  try {
    socket?.send(encodeFrame(frame));
  } catch {
    // It is closing: its close event follows, and everything is sent again.
  }
}

/** A connection that does not become its session's. */
export function reject(socket: WebSocket | undefined, effect: Close & { readonly frame: GatewayFrame | null }): void {
  if (effect.frame !== null) sendFrame(socket, effect.frame);
  closeQuietly(socket, effect);
}

/** A connection without a session. One that has moved is not over: its device is sent on when it comes back. */
export function turnAway(socket: WebSocket, hasMoved: boolean): void {
  if (!hasMoved) sendFrame(socket, UNKNOWN_END);
  closeQuietly(socket, hasMoved ? MOVED : UNKNOWN_END);
}

/** With a code that may be sent; 1005: without one. */
export interface Close {
  readonly code: number;
  readonly reason: string;
}

/** Closes a device's socket. */
export function closeQuietly(socket: WebSocket | undefined, { code, reason }: Close): void {
  try {
    if (code === NO_STATUS) socket?.close();
    else socket?.close(code, truncateReason(reason));
  } catch {
    // Closed already.
  }
}
