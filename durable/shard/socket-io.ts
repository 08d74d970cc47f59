import { encodeFrame, type GatewayFrame } from "#shared/resume/frames.ts";
import { truncateReason } from "./close-codes.ts";

const SECRET_BYTES = 24;

/** Fit for a token: 192 random bits as base64url. */
export function randomText(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_");
}

/** To a socket that may be closing. */
export function sendFrame(socket: WebSocket, frame: GatewayFrame): void {
  try {
    socket.send(encodeFrame(frame));
  } catch {
    // It is closing: its close event follows, and everything is sent again.
  }
}

/** Closes a device's socket with a code that may be sent; 1005: without one. */
export function closeQuietly(socket: WebSocket, { code, reason }: { readonly code: number; readonly reason: string }): void {
  try {
    if (code === 1005) socket.close();
    else socket.close(code, truncateReason(reason));
  } catch {
    // Closed already.
  }
}
