import type { SessionEnd } from "#shared/resume/step-device.ts";
import type { Payload } from "#shared/resume/frames.ts";

/** Why a socket ended for good. */
export type SocketEnd =
  /** Closed by this side, by its signal, or by the endpoint with its code. */
  | ({ readonly kind: "closed"; readonly code: number; readonly reason: string } & Pick<SessionEnd, "unacknowledged" | "missed">)
  /** The gateway says no, and coming back does not help: `status` 4xx; or 0: no connection can be tried with this address or token. */
  | { readonly kind: "refused"; readonly status: number; readonly detail: string };

export interface SocketOptions {
  readonly onMessage: (payload: Payload) => void;
  /** The connection is there, or not: messages can be sent all the same. */
  readonly onOnline?: (isOnline: boolean) => void;
  /** There is room again after `send` said no. */
  readonly onRoom?: () => void;
  /** The session could not be resumed; a new one begins. Says which messages of either side may be missing; all others arrived. */
  readonly onLost?: (end: SessionEnd) => void;
  readonly onEnd?: (end: SocketEnd) => void;
  /** Ends the socket at once. */
  readonly signal?: AbortSignal;
}
