import { LIMITS } from "#shared/limits.ts";
import { isAbnormal, translateClose, type Leg } from "./close-codes.ts";

const TOO_BIG = 1009;
const INTERNAL = 1011;
/** How long an endpoint may take to answer a close before its slot is given up on. */
const CLOSE_MS_MAX = 10_000;

/** How a relayed socket ended. */
export interface RelayEnd {
  readonly endedBy: Leg;
  readonly isAbnormal: boolean;
}

/**
 * Joins a device's socket and its endpoint's: text and binary both ways, one close for the other. Accepts both
 * sockets. Calls `onEnd` exactly once: when the endpoint's connection has ended, because that is what the slot stands
 * for, or when it has not answered a close in time. Returns what closes the device's side for our own reasons.
 */
export function relay({
  device,
  endpoint,
  onEnd,
}: {
  device: WebSocket;
  endpoint: WebSocket;
  onEnd: (end: RelayEnd) => void;
}): (code: number, reason: string) => void {
  let first: RelayEnd | null = null;
  let timer: ReturnType<typeof setTimeout> | null = null;
  let hasEnded = false;
  const finish = (): void => {
    clearTimeout(timer);
    if (hasEnded || first === null) return;
    hasEnded = true;
    onEnd(first);
  };
  const legEnded = (leg: Leg, abnormal: boolean): void => {
    first ??= { endedBy: leg, isAbnormal: abnormal };
    if (leg === "endpoint") finish();
    else timer ??= setTimeout(finish, CLOSE_MS_MAX);
  };
  join({ from: device, to: endpoint, leg: "device", legEnded });
  join({ from: endpoint, to: device, leg: "endpoint", legEnded });
  for (const socket of [device, endpoint]) {
    socket.binaryType = "arraybuffer";
    socket.accept();
  }
  return (code, reason) => {
    closeQuietly(device, code, reason);
    closeQuietly(endpoint, 1001, reason);
    legEnded("device", false);
  };
}

interface Join {
  readonly from: WebSocket;
  readonly to: WebSocket;
  readonly leg: Leg;
  readonly legEnded: (leg: Leg, isAbnormal: boolean) => void;
}

function join({ from, to, leg, legEnded }: Join): void {
  from.addEventListener("message", (event) => {
    // With the binaryType above there is no third kind.
    const data = event.data as string | ArrayBuffer;
    if (isTooBig(data)) {
      closeQuietly(from, TOO_BIG, `message of more than ${LIMITS.socketMessageBytesMax} bytes`);
      closeQuietly(to, TOO_BIG, "peer sent too big a message");
      legEnded(leg, true);
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
    legEnded(leg, isAbnormal(code));
  });
  from.addEventListener("error", () => {
    closeQuietly(to, leg === "device" ? 1001 : INTERNAL, `${leg} failed`);
    legEnded(leg, true);
  });
}

/** In bytes on the wire: a character of text is one to three of them for each unit of a string's length. */
function isTooBig(data: string | ArrayBuffer): boolean {
  if (typeof data !== "string") return data.byteLength > LIMITS.socketMessageBytesMax;
  if (data.length * 3 <= LIMITS.socketMessageBytesMax) return false;
  return new TextEncoder().encode(data).length > LIMITS.socketMessageBytesMax;
}

function closeQuietly(socket: WebSocket, code: number | undefined, reason: string): void {
  try {
    if (code === undefined) socket.close();
    else socket.close(code, reason);
  } catch {
    // Closed already.
  }
}
