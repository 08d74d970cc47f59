// What becomes of the device's side of one session of `tidegate.v1`, input by input: pure. A shell that outlives its process keeps what a
// step changed on disk before any of its effects leaves; one that does not starts a new session with the process.
import { SECOND_MS } from "../units.ts";
import { RESUME } from "./bounds.ts";
import { canSend, nextTickAtMs, type DeviceSession } from "./device-session.ts";
import {
  payloadBytes,
  type DeviceFrame,
  type EndReason,
  type FrameFault,
  type GatewayFrame,
  type Message,
  type Payload,
} from "./frames.ts";
import { acknowledge, append, firstOf } from "./outbound.ts";

export type DeviceInput =
  | { readonly kind: "connect" }
  | { readonly kind: "connected"; readonly attempt: number }
  | { readonly kind: "frame"; readonly attempt: number; readonly frame: GatewayFrame | FrameFault }
  | { readonly kind: "dropped"; readonly attempt: number }
  /** The shell asked `canSend`. */
  | { readonly kind: "send"; readonly payload: Payload }
  | { readonly kind: "restarted" }
  | { readonly kind: "tick" };

/** What became of a session that is over. */
export interface SessionEnd {
  readonly why: EndReason;
  readonly code: number;
  readonly reason: string;
  /** Messages of the application of which nobody knows whether they arrived. All before them did, exactly once. */
  readonly unacknowledged: readonly Message[];
  /** Messages that were meant for the application and will not come: first and last number; last null: not known. */
  readonly missed: { readonly first: number; readonly last: number | null } | null;
}

export type DeviceEffect =
  | { readonly kind: "transmit"; readonly attempt: number; readonly frame: DeviceFrame }
  | { readonly kind: "disconnect"; readonly attempt: number; readonly code: number; readonly reason: string }
  | { readonly kind: "deliver"; readonly message: Message }
  | { readonly kind: "attached"; readonly isResumed: boolean }
  | { readonly kind: "drain"; readonly reason: string; readonly graceMs: number }
  /** Messages were acknowledged: there is room again. */
  | { readonly kind: "room" }
  | { readonly kind: "over"; readonly end: SessionEnd };

export interface DeviceStep {
  readonly state: DeviceSession;
  readonly effects: readonly DeviceEffect[];
}

/** Codes that a browser's `close()` takes are 1000 and 3000 to 4999 (WebSockets Standard): why a device gives a connection up. */
const CLOSE_FAULT = 4002;
const CLOSE_SILENT = 4008;

/** Of the window: acknowledged so often that what comes meanwhile finds room. */
const ACKS_PER_WINDOW = 4;
/** Of the declared rate, so that no clock that is a little fast is too fast. */
const RATE_USED = 0.95;

const NOT_PACED = { paceDueAtMs: 0, paceOpensAtMs: null } as const;

/** One input. Never throws, whatever the gateway sends. */
export function stepDevice(state: DeviceSession, input: DeviceInput, nowMs: number): DeviceStep {
  if (state.phase === "over") return step(state);
  switch (input.kind) {
    case "connect":
      return step({ ...offline(state), phase: "connecting", attempt: state.attempt + 1, heardAtMs: nowMs });
    case "connected": {
      const { attempt, received } = state;
      if (input.attempt !== attempt || state.phase !== "connecting") return step(state);
      return step({ ...state, heardAtMs: nowMs }, [transmit(state, { type: "hello", attempt, received })]);
    }
    case "frame":
      if (input.attempt !== state.attempt || state.phase === "offline") return step(state);
      return onFrame({ ...state, heardAtMs: nowMs, hasPinged: false }, input.frame, nowMs);
    case "dropped":
      return step(input.attempt === state.attempt ? offline(state) : state);
    case "send":
      return onSend(state, input.payload, nowMs);
    case "restarted":
      return step(offline(state));
    case "tick":
      return onTick(state, nowMs);
  }
}

function onFrame(state: DeviceSession, frame: GatewayFrame | FrameFault, nowMs: number): DeviceStep {
  switch (frame.type) {
    case "welcome":
      if (state.phase !== "connecting" || state.token !== null) return giveUp(state, "a welcome that was not asked for");
      return attach({ ...state, session: frame.session, token: frame.token, terms: frame }, { isResumed: false });
    case "resumed": {
      const outbound = acknowledge(state.outbound, frame.received);
      if (state.phase !== "connecting" || state.token === null || outbound === null) return giveUp(state, "a resumption that does not fit");
      return attach({ ...state, token: frame.token, outbound, terms: frame }, { isResumed: true });
    }
    case "rotate":
      return step({ ...state, token: frame.token }, [transmit(state, { type: "rotated", token: frame.token })]);
    case "message":
      return onMessage(state, frame, nowMs);
    case "ack": {
      const outbound = acknowledge(state.outbound, frame.sequence);
      if (outbound === null) return giveUp(state, "acknowledged what was never sent");
      const flushed = flush({ ...state, outbound });
      return step(flushed.state, [...flushed.effects, { kind: "room" }]);
    }
    case "drain":
      return step(state, [{ kind: "drain", reason: frame.reason, graceMs: frame.graceMs }]);
    case "end":
      return step({ ...offline(state), phase: "over" }, [{ kind: "over", end: endOf(state, frame) }]);
    case "ping":
      return step(state, [transmit(state, { type: "pong" })]);
    case "pong":
      return step(state);
    case "fault":
      return giveUp(state, frame.detail);
  }
}

/** The token is confirmed first, so that the older one is worth nothing as soon as anything else was heard. */
function attach({ terms, ...state }: DeviceSession, { isResumed }: { readonly isResumed: boolean }): DeviceStep {
  const { rate, reportMs, windowBytes = RESUME.windowBytesMax } = terms;
  // What the hello said it has is acknowledged with it.
  const attached: DeviceSession = {
    ...state,
    terms: { ...(rate === undefined ? {} : { rate }), ...(reportMs === undefined ? {} : { reportMs }) },
    phase: "attached",
    windowBytes,
    transmitted: state.outbound.acknowledged,
    ...(isResumed ? noAckDue(state.received) : {}),
  };
  const flushed = flush(attached);
  return step(flushed.state, [
    ...(state.token === null ? [] : [transmit(attached, { type: "rotated", token: state.token })]),
    ...flushed.effects,
    { kind: "attached", isResumed },
    { kind: "room" },
  ]);
}

/** What was taken while less was known of the window waits for room in it; one that never fits goes alone, to be refused. */
function flush(state: DeviceSession): DeviceStep {
  const { transmitted, windowBytes, outbound } = state;
  if (transmitted >= outbound.sent) return step(state);
  const fits = firstOf(outbound, windowBytes);
  const next = { ...state, transmitted: Math.max(transmitted, fits.at(-1)?.sequence ?? 0) };
  const effects = fits.filter(({ sequence }) => sequence > transmitted).map((message) => transmit(next, message));
  return step(next, effects);
}

function onMessage(state: DeviceSession, message: Message, nowMs: number): DeviceStep {
  if (state.phase !== "attached") return giveUp(state, "a message before the session was attached");
  if (message.sequence <= state.received) return step(state);
  if (message.sequence > state.received + 1) return giveUp(state, `message ${message.sequence}, expected ${state.received + 1}`);
  const next: DeviceSession = {
    ...state,
    received: message.sequence,
    unacknowledgedBytes: state.unacknowledgedBytes + payloadBytes(message.payload),
    ackDueAtMs: state.ackDueAtMs ?? nowMs + RESUME.ackDelayMs,
  };
  const ackBytes = Math.min(RESUME.ackBytesMax, state.windowBytes / ACKS_PER_WINDOW);
  const isDue = next.received - next.acknowledged >= RESUME.ackCountMax || next.unacknowledgedBytes >= ackBytes;
  const acked = isDue ? sendAck(next) : step(next);
  return step(acked.state, [{ kind: "deliver", message }, ...acked.effects]);
}

function onSend(state: DeviceSession, payload: Payload, nowMs: number): DeviceStep {
  if (!canSend(state, payloadBytes(payload), nowMs)) return step(state);
  const outbound = append(state.outbound, payload);
  const next = { ...state, ...paced(state, nowMs), outbound, transmitted: outbound.sent };
  const message = next.outbound.kept.at(-1);
  return step(next, message === undefined || next.phase !== "attached" ? [] : [transmit(next, message)]);
}

/** One message more. What waits for a connection is the window's, which the gateway takes over and above the rate. */
function paced(
  { phase, terms: { rate }, paceDueAtMs }: DeviceSession,
  nowMs: number,
): Pick<DeviceSession, "paceDueAtMs" | "paceOpensAtMs"> {
  if (phase !== "attached" || rate === undefined) return NOT_PACED;
  const intervalMs = SECOND_MS / (rate.perSecond * RATE_USED);
  const dueAtMs = Math.max(paceDueAtMs, nowMs) + intervalMs;
  const opensAtMs = Math.ceil(dueAtMs - (rate.burst - 1) * intervalMs);
  return { paceDueAtMs: dueAtMs, paceOpensAtMs: opensAtMs > nowMs ? opensAtMs : null };
}

function onTick(state: DeviceSession, nowMs: number): DeviceStep {
  const dueAtMs = nextTickAtMs(state);
  if (dueAtMs === null || nowMs < dueAtMs) return step(state);
  const { paceOpensAtMs } = state;
  if (paceOpensAtMs === null || nowMs < paceOpensAtMs) return onTime(state, nowMs);
  const next = onTime({ ...state, paceOpensAtMs: null }, nowMs);
  return step(next.state, [...next.effects, { kind: "room" }]);
}

function onTime(state: DeviceSession, nowMs: number): DeviceStep {
  if (nowMs >= state.heardAtMs + 2 * RESUME.silenceMsMax) return giveUp(state, "nothing was heard", CLOSE_SILENT);
  const acked = state.ackDueAtMs !== null && nowMs >= state.ackDueAtMs ? sendAck(state) : step(state);
  const isSilent = nowMs >= state.heardAtMs + RESUME.silenceMsMax && !state.hasPinged && state.phase === "attached";
  if (!isSilent) return acked;
  return step({ ...acked.state, hasPinged: true }, [...acked.effects, transmit(state, { type: "ping" })]);
}

function sendAck(state: DeviceSession): DeviceStep {
  return step({ ...state, ...noAckDue(state.received) }, [transmit(state, { type: "ack", sequence: state.received })]);
}

function noAckDue(received: number): Pick<DeviceSession, "acknowledged" | "unacknowledgedBytes" | "ackDueAtMs"> {
  return { acknowledged: received, unacknowledgedBytes: 0, ackDueAtMs: null };
}

function giveUp(state: DeviceSession, reason: string, code: number = CLOSE_FAULT): DeviceStep {
  return step(offline(state), [{ kind: "disconnect", attempt: state.attempt, code, reason }]);
}

function offline(state: DeviceSession): DeviceSession {
  return { ...state, phase: "offline", ackDueAtMs: null, hasPinged: false, terms: {}, ...NOT_PACED };
}

function endOf({ received, outbound }: DeviceSession, frame: GatewayFrame & { type: "end" }): SessionEnd {
  const { why, code, reason } = frame;
  const first = received + 1;
  return {
    why,
    code,
    reason,
    unacknowledged: outbound.kept.filter(({ sequence }) => sequence > (frame.received ?? 0)),
    missed: frame.sent !== null && frame.sent < first ? null : { first, last: frame.sent },
  };
}

function transmit({ attempt }: DeviceSession, frame: DeviceFrame): DeviceEffect {
  return { kind: "transmit", attempt, frame };
}

function step(state: DeviceSession, effects: readonly DeviceEffect[] = []): DeviceStep {
  return { state, effects };
}
