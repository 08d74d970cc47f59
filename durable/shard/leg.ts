// The way from a session to its endpoint: what the two kinds have in common.
import type { GripAnswer } from "#shared/protocol/grip.ts";
import type { End, Message, Payload } from "#shared/resume/frames.ts";
import type { SessionRoute } from "./session-store.ts";

/** What a leg tells its session. */
export interface LegEvents {
  /** Messages up to this one are the endpoint's. Its answers to them are part of the same commit, in the turn that comes. */
  answered(upTo: number, answer: GripAnswer): void;
  /** Messages up to this one are about to be the endpoint's. */
  delivered(upTo: number): void;
  /** A message of the endpoint's own accord. */
  push(payload: Payload): void;
  closed(close: { readonly code: number; readonly reason: string }): void;
  /** The endpoint cannot be reached any more. */
  failed(detail: string): void;
  /** Up to here the answers are on disk. */
  received(): number;
  waitUntil(promise: Promise<unknown>): void;
  /** When everything that came together with a message was taken, and before it is written. */
  atEnd(run: () => void): void;
  /** When that is written: from here on it may leave. */
  afterSave(run: () => void): void;
}

export interface LegInput {
  readonly sessionId: string;
  readonly route: SessionRoute;
  readonly events: LegEvents;
}

export interface Leg {
  /** It goes to the endpoint with all that come together with it. */
  deliver(message: Message): void;
  /** What waits for that goes now. */
  flush(): void;
  /** The device is there: an endpoint's socket that was lost is opened again. */
  wake(): void;
  /** The session is over; the endpoint is told. */
  stop(end: Pick<End, "why" | "code" | "reason">): void;
  /** Of one that has stopped, or was abandoned: when it keeps no message any more. */
  emptied(): Promise<unknown>;
  /**
   * Before the session goes on elsewhere: what waits is forgotten, because its device sends it again, and an endpoint's socket is
   * ended in good order: what was said on it still comes until this resolves. Null: there is nothing to wait for.
   */
  leave(): Promise<void> | null;
  /** The session goes on elsewhere: nothing more happens here, and the endpoint is told nothing. */
  abandon(): void;
}

/** Attempts at one request, or at one socket, before the session fails; the waits between them. */
export const RETRY_WAITS_MS = [250, 1_000, 4_000, 10_000, 20_000] as const;

export async function wait(delayMs: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, delayMs));
}
