// A session as rows: one for its counts and tokens, beside those of the messages that wait for the device's acknowledgement.
import { payloadBytes, type Message, type Payload } from "#shared/resume/frames.ts";
import type { GatewaySession } from "#shared/resume/gateway-session.ts";

export interface SessionChanges {
  /** The session's row; null: it is on disk as it is. */
  readonly facts: string | null;
  readonly appended: readonly Message[];
  /** Messages up to this one need not be kept; null: none became so. */
  readonly trimmedTo: number | null;
}

/**
 * What of a session is kept beside its messages. `pending` is not: the device sends again what was not acknowledged. `sent` may be
 * older than the last message that is kept, which is as good.
 */
type SessionFacts = Omit<GatewaySession, "outbound" | "pending"> & { readonly sent: number; readonly acknowledged: number };

/** What to write for `after` where `before` is on disk. */
export function changesOf(before: GatewaySession | null, after: GatewaySession): SessionChanges {
  const { acknowledged, sent, kept } = after.outbound;
  const sentBefore = before?.outbound.sent ?? 0;
  // An ended session keeps no messages.
  const trimmed = kept.length === 0 ? sent : acknowledged;
  const trimmedBefore = before === null ? 0 : before.outbound.kept.length === 0 ? sentBefore : before.outbound.acknowledged;
  return {
    facts: before !== null && hasSameFacts(before, after) ? null : factsOf(after),
    appended: sent === sentBefore ? [] : kept.slice(Math.max(0, kept.length - (sent - sentBefore))),
    trimmedTo: trimmed > trimmedBefore ? trimmed : null,
  };
}

/** `messages` in order; those that the facts say are acknowledged are left out. */
export function sessionFromRows(facts: string, messages: readonly { sequence: number; payload: Payload }[]): GatewaySession {
  const { sent, acknowledged, ...rest } = JSON.parse(facts) as SessionFacts;
  const kept = messages.filter(({ sequence }) => sequence > acknowledged).map((message): Message => ({ type: "message", ...message }));
  const keptBytes = kept.reduce((bytes, { payload }) => bytes + payloadBytes(payload), 0);
  return { ...rest, pending: [], outbound: { sent: Math.max(sent, kept.at(-1)?.sequence ?? 0), acknowledged, kept, keptBytes } };
}

/** By identity: a step copies what it does not change. Only `sent` may differ, which the messages say. */
function hasSameFacts(before: GatewaySession, after: GatewaySession): boolean {
  if (before.outbound.acknowledged !== after.outbound.acknowledged) return false;
  const keys = Object.keys(after) as (keyof GatewaySession)[];
  return keys.every((key) => key === "outbound" || key === "pending" || before[key] === after[key]);
}

function factsOf(session: GatewaySession): string {
  const { sent, acknowledged } = session.outbound;
  const facts: SessionFacts & { outbound?: unknown; pending?: unknown } = { ...session, sent, acknowledged };
  delete facts.outbound;
  delete facts.pending;
  return JSON.stringify(facts);
}
