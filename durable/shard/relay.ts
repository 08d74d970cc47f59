import { BAD_UPSTREAM, GOING_AWAY, INTERNAL, NO_STATUS } from "#shared/protocol/close-codes.ts";
import type { ConnectionTerms, SocketAssignment } from "#shared/protocol/shard-rpc.ts";
import type { Payload } from "#shared/resume/frames.ts";
import { isAbnormal, translateClose, type Leg } from "./close-codes.ts";
import { PlainLane, type PlainPace } from "./plain-lane.ts";
import { RelayLimits } from "./relay-limits.ts";
import type { Relayed } from "./relays.ts";

/** How long an endpoint may take to answer a close before its slot is given up on. */
const CLOSE_MS_MAX = 10_000;

/** How a relayed socket ended. */
export interface RelayEnd {
  readonly endedBy: Leg;
  readonly isAbnormal: boolean;
}

/** With when nothing of its messages is kept any more; null: what is counts for nothing. */
export type RelayOver = RelayEnd & { readonly emptied: Promise<void> | null };

/**
 * Joins a device's socket and its endpoint's: text and binary both ways, one close for the other. Accepts both
 * sockets. Calls `onEnd` exactly once: when the endpoint's connection has ended, because that is what the slot stands
 * for, or when it has not answered a close in time. Returns what closes both for our own reasons, and what sends to the device.
 */
export function relay({
  device,
  endpoint,
  owner,
  terms,
  shell,
  onEnd,
}: {
  device: WebSocket;
  endpoint: WebSocket;
  owner: Pick<SocketAssignment, "service" | "tenant" | "device" | "slotId" | "flow" | "memoryBytes">;
  terms: ConnectionTerms;
  shell: PlainPace;
  onEnd: (end: RelayOver) => void;
}): Relayed {
  let first: RelayEnd | null = null;
  let timer: ReturnType<typeof setTimeout> | null = null;
  let hasEnded = false;
  const finish = (): void => {
    clearTimeout(timer);
    limits.stop();
    if (hasEnded || first === null) return;
    hasEnded = true;
    onEnd({ ...first, emptied: owner.memoryBytes === undefined ? null : emptied(Object.values(lanes)) });
  };
  const legEnded = (end: RelayEnd): void => {
    first ??= end;
    if (end.endedBy === "endpoint") finish();
    else timer ??= setTimeout(finish, CLOSE_MS_MAX);
  };
  const lanes = { device: new PlainLane(owner, "endpoint", shell), endpoint: new PlainLane(owner, "device", shell) };
  const close = (code: number, reason: string): void => {
    for (const lane of Object.values(lanes)) lane.clear();
    closeQuietly(device, code, reason);
    closeQuietly(endpoint, GOING_AWAY, reason);
    limits.stop();
    legEnded({ endedBy: "device", isAbnormal: false });
  };
  const limits = new RelayLimits(terms, ({ code, reason }) => close(code, reason));
  join({ from: device, to: endpoint, leg: "device", lanes, limits, legEnded, close });
  join({ from: endpoint, to: device, leg: "endpoint", lanes, limits, legEnded, close });
  for (const socket of [device, endpoint]) {
    socket.binaryType = "arraybuffer";
    socket.accept();
  }
  const { slotId: relayId, tenant, device: deviceName } = owner;
  return { relayId, tenant, device: deviceName, close, send: (payload) => pass(device, payload, lanes.endpoint) };
}

/** When nothing waits there any more. */
async function emptied(lanes: readonly PlainLane[]): Promise<void> {
  await Promise.all(lanes.map(async (lane) => lane.finish(() => {})));
}

interface Join {
  readonly from: WebSocket;
  readonly to: WebSocket;
  readonly leg: Leg;
  /** By the leg that it comes from. */
  readonly lanes: Readonly<Record<Leg, PlainLane>>;
  readonly limits: RelayLimits;
  readonly legEnded: (end: RelayEnd) => void;
  /** Both, for a reason of ours. */
  readonly close: (code: number, reason: string) => void;
}

function join({ from, to, leg, lanes, limits, legEnded, close }: Join): void {
  const [lane, back] = [lanes[leg], lanes[leg === "device" ? "endpoint" : "device"]];
  const forward = (data: string | ArrayBuffer): void => {
    if (lane.isFree) {
      lane.hear(data);
      sendQuietly(to, data);
      return;
    }
    // Once its receiver has closed nothing more waits for it: its slot may have gone back for what did.
    const isOpen = to.readyState === WebSocket.OPEN;
    if (isOpen && !lane.send(data, () => void sendQuietly(to, data))) close(lane.breach.code, lane.breach.reason);
  };
  /** This leg is over, and nothing that waits goes on. */
  const breakOff = (code: number, reason: string): void => {
    for (const one of [lane, back]) one.clear();
    closeQuietly(to, code, reason);
    legEnded({ endedBy: leg, isAbnormal: true });
  };
  from.addEventListener("message", (event) => {
    // With the binaryType above there is no third kind.
    const data = event.data as string | ArrayBuffer;
    const breach = limits.breachOf(leg, data);
    if (breach === null) return forward(data);
    closeQuietly(from, breach.code, breach.reason);
    limits.stop();
    // The other leg did nothing wrong; but a message of the endpoint's that is too big is the endpoint's fault, and its device is told so.
    breakOff(leg === "device" ? GOING_AWAY : BAD_UPSTREAM, breach.reason);
  });
  let isClosed = false;
  from.addEventListener("close", ({ code, reason }) => {
    isClosed = true;
    const translated = translateClose(leg, { code, reason });
    // Nobody is there any more for what waits to go back.
    back.clear();
    void lane.finish(() => closeQuietly(to, translated.code, translated.reason));
    // A close from the peer is answered; workerd leaves that to us.
    closeQuietly(from, isAbnormal(code) || code === NO_STATUS ? undefined : code, "");
    legEnded({ endedBy: leg, isAbnormal: isAbnormal(code) });
  });
  from.addEventListener("error", () => {
    // workerd may say so after a close, too, which waits for its turn.
    if (!isClosed) breakOff(leg === "device" ? GOING_AWAY : INTERNAL, `${leg} failed`);
  });
}

/** False: it is closing, or too much waits. */
function pass(to: WebSocket, payload: Payload, lane: PlainLane): boolean {
  if (to.readyState !== WebSocket.OPEN) return false;
  let isSent = true;
  return lane.send(payload, () => void (isSent = sendQuietly(to, payload))) && isSent;
}

function sendQuietly(to: WebSocket, data: Payload | ArrayBuffer): boolean {
  try {
    to.send(data);
    return true;
  } catch {
    // The other leg is closing: its own close event says why.
    return false;
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
