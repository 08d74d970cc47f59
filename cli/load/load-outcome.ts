// What became of one arrival, as its sender can tell.
import { isRefusalOutcome, type Outcome } from "#shared/errors/outcomes.ts";

/** What no gateway can say of itself. */
export type ClientOutcome =
  /** No connection at all. */
  | "unreachable"
  /** The connection was lost before the answer was whole. */
  | "answer-broken"
  /** No whole answer within the sender's patience. */
  | "answer-timeout"
  /** The upgrade was refused; a WebSocket does not see why. */
  | "socket-refused"
  /** Opened, but a message stayed unanswered or the close was not the expected one. */
  | "socket-broken";

export type LoadOutcome = Outcome | ClientOutcome;

export interface HttpAnswer {
  readonly contentType: string;
  readonly serverTiming: string;
  /** The beginning of it, at least where it is a problem. */
  readonly body: string;
}

/** The gateway's refusals name themselves by their problem type; everything else was admitted. */
export function outcomeOfAnswer({ contentType, serverTiming, body }: HttpAnswer): LoadOutcome {
  const refusal = isProblem(contentType) ? refusalIn(body) : null;
  return refusal ?? (hasQueueEntry(serverTiming) ? "admitted-queued" : "admitted-local");
}

export function isAdmitted(outcome: LoadOutcome): boolean {
  return outcome === "admitted-local" || outcome === "admitted-queued";
}

export function isProblem(contentType: string): boolean {
  return contentType.startsWith("application/problem+json");
}

function refusalIn(body: string): LoadOutcome | null {
  try {
    const { type } = JSON.parse(body) as { type?: unknown };
    const name = typeof type === "string" ? /\/problems\/([a-z-]+)$/.exec(type)?.[1] : undefined;
    return name !== undefined && isRefusalOutcome(name) ? name : null; // An endpoint may send problems of its own.
  } catch {
    return null;
  }
}

function hasQueueEntry(serverTiming: string): boolean {
  const withoutTexts = serverTiming.replace(/"(?:[^"\\]|\\.)*"/g, "");
  return withoutTexts.split(",").some((entry) => entry.split(";", 1)[0]?.trim() === "queue");
}
