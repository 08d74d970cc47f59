import { LIMITS } from "#shared/limits.ts";
import { isAbnormal, translateClose, type Leg } from "./close-codes.ts";

const TOO_BIG = 1009;
const INTERNAL = 1011;

/** How a relayed socket ended. */
export interface RelayEnd {
  readonly endedBy: Leg;
  readonly isAbnormal: boolean;
}

/**
 * Joins a device's socket and its endpoint's: text and binary both ways, one close for the other. Calls `onEnd`
 * exactly once, on whichever way the pair ends. Accepts both sockets.
 */
export function relay({ device, endpoint, onEnd }: { device: WebSocket; endpoint: WebSocket; onEnd: (end: RelayEnd) => void }): void {
  let hasEnded = false;
  const end = (endedBy: Leg, abnormal: boolean): void => {
    if (hasEnded) return;
    hasEnded = true;
    onEnd({ endedBy, isAbnormal: abnormal });
  };
  const join = (from: WebSocket, to: WebSocket, leg: Leg): void => {
    from.addEventListener("message", (event) => {
      // With `binaryType` set below there is no third kind.
      const data = event.data as string | ArrayBuffer;
      const size = typeof data === "string" ? data.length : data.byteLength;
      if (size > LIMITS.socketMessageBytesMax) {
        closeQuietly(from, TOO_BIG, `message of more than ${LIMITS.socketMessageBytesMax} bytes`);
        closeQuietly(to, TOO_BIG, "peer sent too big a message");
        end(leg, true);
        return;
      }
      try {
        to.send(data);
      } catch {
        // The other leg is closing: its own close event says why.
      }
    });
    from.addEventListener("close", ({ code, reason }) => {
      const translated = translateClose(leg, { code, reason });
      closeQuietly(to, translated.code, translated.reason);
      // A close from the peer is answered; workerd leaves that to us.
      closeQuietly(from, isAbnormal(code) || code === 1005 ? undefined : code, "");
      end(leg, isAbnormal(code));
    });
    from.addEventListener("error", () => {
      closeQuietly(to, leg === "device" ? 1001 : INTERNAL, `${leg} failed`);
      end(leg, true);
    });
  };
  join(device, endpoint, "device");
  join(endpoint, device, "endpoint");
  for (const socket of [device, endpoint]) {
    socket.binaryType = "arraybuffer";
    socket.accept();
  }
}

function closeQuietly(socket: WebSocket, code: number | undefined, reason: string): void {
  try {
    if (code === undefined) socket.close();
    else socket.close(code, reason);
  } catch {
    // Closed already.
  }
}
