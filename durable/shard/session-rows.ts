// A session as rows: one for its counts and tokens, one for each message that waits for the device's acknowledgement.
import { payloadBytes, type Message, type Payload } from "#shared/resume/frames.ts";
import type { GatewaySession } from "#shared/resume/gateway-session.ts";

export interface SessionChanges {
  /** The session's row; null: it is on disk as it is. */
  readonly facts: string | null;
  readonly appended: readonly Message[];
  /** Messages up to this one need not be kept; null: none became so. */
  readonly trimmedTo: number | null;
}

/** What of a session is kept beside its messages. `pending` is not: the device sends again what was not acknowledged. */
type SessionFacts = Omit<GatewaySession, "outbound" | "pending"> & { readonly sent: number; readonly acknowledged: number };

/** What to write for `after` where `before` is on disk. */
export function changesOf(before: GatewaySession | null, after: GatewaySession): SessionChanges {
  const facts = factsOf(after);
  const { acknowledged, sent, kept } = after.outbound;
  const sentBefore = before?.outbound.sent ?? 0;
  // An ended session keeps no messages.
  const trimmed = kept.length === 0 ? sent : acknowledged;
  const trimmedBefore = before === null ? 0 : before.outbound.kept.length === 0 ? sentBefore : before.outbound.acknowledged;
  return {
    facts: before !== null && facts === factsOf(before) ? null : facts,
    appended: kept.filter(({ sequence }) => sequence > sentBefore),
    trimmedTo: trimmed > trimmedBefore ? trimmed : null,
  };
}

/** `messages` in order; those that the facts say are acknowledged are left out. */
export function sessionFromRows(facts: string, messages: readonly { sequence: number; payload: Payload }[]): GatewaySession {
  const { sent, acknowledged, ...rest } = JSON.parse(facts) as SessionFacts;
  const kept = messages.filter(({ sequence }) => sequence > acknowledged).map((message): Message => ({ type: "message", ...message }));
  const keptBytes = kept.reduce((bytes, { payload }) => bytes + payloadBytes(payload), 0);
  return { ...rest, pending: [], outbound: { sent, acknowledged, kept, keptBytes } };
}

function factsOf(session: GatewaySession): string {
  const { sent, acknowledged } = session.outbound;
  const facts: SessionFacts & { outbound?: unknown; pending?: unknown } = { ...session, sent, acknowledged };
  delete facts.outbound;
  delete facts.pending;
  return JSON.stringify(facts);
}
