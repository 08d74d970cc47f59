// What becomes of the gateway's side of one session of `tidegate.v1`, input by input: pure. Its shell (the Shard object) keeps three rules,
// on which the promises rest (docs/design/sockets.md):
//   1. What a step changed is on disk before any of its effects leaves.
//   2. `deliver` is answered with `delivered` when the message is the endpoint's: after its answer (`http`: at least once),
//      or before it is sent (`websocket`: at most once).
//   3. `random` is never used twice.
import { NORMAL, POLICY, PROTOCOL_ERROR } from "../protocol/close-codes.ts";
import { RESUME } from "./bounds.ts";
import {
  payloadBytes,
  type DeviceFrame,
  type End,
  type EndReason,
  type FrameFault,
  type GatewayFrame,
  type Hello,
  type Message,
  type Payload,
  type Terms,
} from "./frames.ts";
import { canPush, expiresAtMs, isTokenOld, type GatewaySession } from "./gateway-session.ts";
import { acknowledge, append } from "./outbound.ts";
import { formatResumeToken, parseResumeToken, useToken } from "./resume-token.ts";

export type GatewayInput =
  /** On a connection that is not the session's yet, with the token's secret from its upgrade. */
  | { readonly kind: "hello"; readonly secret: string; readonly hello: Hello; readonly random: string; readonly terms?: Terms }
  /** `random`: empty where no new token is due. */
  | { readonly kind: "frame"; readonly attempt: number; readonly frame: DeviceFrame | FrameFault; readonly random: string }
  /** `isFinal`: the device ended the session by closing with 1000. */
  | { readonly kind: "dropped"; readonly attempt: number; readonly isFinal: boolean }
  | { readonly kind: "delivered"; readonly upTo: number }
  /** A message for the device; the shell asked `canPush`. */
  | { readonly kind: "push"; readonly payload: Payload }
  | { readonly kind: "close"; readonly code: number; readonly reason: string }
  | { readonly kind: "fail"; readonly why: EndReason; readonly code: number; readonly reason: string }
  | { readonly kind: "drain"; readonly reason: string; readonly graceMs: number }
  /** The process started anew and its connections are gone. */
  | { readonly kind: "restarted" }
  | { readonly kind: "tick" };

export type GatewayEffect =
  | { readonly kind: "transmit"; readonly attempt: number; readonly frame: GatewayFrame }
  | { readonly kind: "disconnect"; readonly attempt: number; readonly code: number; readonly reason: string }
  /** To the connection that brought the input, which does not become the session's. */
  | { readonly kind: "reject"; readonly frame: GatewayFrame | null; readonly code: number; readonly reason: string }
  | { readonly kind: "deliver"; readonly message: Message }
  /** The session is over: the endpoint is told, the slot goes back. */
  | { readonly kind: "over"; readonly end: End };

export interface GatewayStep {
  readonly state: GatewaySession;
  readonly effects: readonly GatewayEffect[];
}

const NO_MEMORY = { code: 1013, reason: "memory" };

/** What a hello with a token is told that opens nothing. */
export const UNKNOWN_END: End = {
  type: "end",
  why: "unknown",
  received: null,
  sent: null,
  code: POLICY,
  reason: "no such session",
};

/** One input. Never throws, whatever the device sends. */
export function stepGateway(state: GatewaySession, input: GatewayInput, nowMs: number): GatewayStep {
  if (input.kind === "hello") return onHello(state, input, nowMs);
  if (state.end !== null) return step(state);
  switch (input.kind) {
    case "frame":
      return input.attempt === state.attempt && state.detachedAtMs === null ? onFrame(state, input, nowMs) : step(state);
    case "dropped":
      if (input.attempt !== state.attempt || state.detachedAtMs !== null) return step(state);
      if (input.isFinal) return finish(detach(state, nowMs), { why: "closed", code: NORMAL, reason: "" });
      return step(detach(state, nowMs));
    case "delivered":
      return onDelivered(state, input.upTo);
    case "push":
      return onPush(state, input.payload);
    case "close":
      return finishClosing({ ...state, closing: { code: input.code, reason: input.reason } });
    case "fail":
      return finish(state, input);
    case "drain": {
      const { reason, graceMs } = input;
      return step(state, state.detachedAtMs === null ? [transmit(state, { type: "drain", reason, graceMs })] : []);
    }
    case "restarted":
      // What was on its way to the endpoint is sent again by the device, which was never told otherwise.
      return step({ ...(state.detachedAtMs === null ? detach(state, nowMs) : state), pending: [] });
    case "tick":
      if (nowMs < (expiresAtMs(state) ?? Infinity)) return step(state);
      return finish(state, { why: "expired", code: POLICY, reason: "session expired" });
  }
}

function onHello(state: GatewaySession, input: GatewayInput & { kind: "hello" }, nowMs: number): GatewayStep {
  const { secret, hello, random, terms } = input;
  const used = useToken(state.tokens, secret);
  if (used === null) return reject(state, UNKNOWN_END);
  if (state.end !== null) return reject(state, state.end);
  // A connection that was given up for a newer one, and arrived after it.
  if (hello.attempt <= state.attempt) return step(state, [{ kind: "reject", frame: null, code: POLICY, reason: "superseded" }]);
  const outbound = hello.received < state.outbound.acknowledged ? null : acknowledge(state.outbound, hello.received);
  if (outbound === null) return reject(state, UNKNOWN_END);
  const isFirst = state.attempt === 0;
  const attached: GatewaySession = {
    ...state,
    ...(isFirst ? {} : { tokens: { ...used, next: used.next ?? random }, rotatedAtMs: nowMs, isConfirmed: true }),
    attempt: hello.attempt,
    detachedAtMs: null,
    outbound,
  };
  const { shardId, sessionId, received, tokens, windowBytes } = attached;
  const said = { ...terms, ...(windowBytes !== undefined && { windowBytes }) };
  const token = formatResumeToken({ shardId, sessionId, secret: tokens.next ?? tokens.current });
  const replaced: GatewayEffect[] =
    state.detachedAtMs === null ? [{ kind: "disconnect", attempt: state.attempt, code: POLICY, reason: "superseded" }] : [];
  return finishClosing(attached, [
    ...replaced,
    transmit(attached, { ...(isFirst ? { type: "welcome", session: sessionId, token } : { type: "resumed", received, token }), ...said }),
    ...outbound.kept.map((message) => transmit(attached, message)),
  ]);
}

function onFrame(state: GatewaySession, input: GatewayInput & { kind: "frame" }, nowMs: number): GatewayStep {
  const { frame, random } = input;
  switch (frame.type) {
    case "message":
      return rotateIfOld(onMessage(state, frame, nowMs), { random, nowMs });
    case "ack": {
      const outbound = acknowledge(state.outbound, frame.sequence);
      if (outbound === null) return violate(state, { detail: "acknowledged what was never sent", nowMs });
      return rotateIfOld(finishClosing({ ...state, outbound }), { random, nowMs });
    }
    case "rotated":
      return onRotated(state, parseResumeToken(frame.token)?.secret);
    case "ping":
      return step(state, [transmit(state, { type: "pong" })]);
    case "pong":
    case "report":
      return step(state);
    case "hello":
      return violate(state, { detail: "a second hello on one connection", nowMs });
    case "fault":
      return violate(state, { detail: frame.detail, nowMs });
  }
}

function onMessage(state: GatewaySession, message: Message, nowMs: number): GatewayStep {
  const expected = state.received + state.pending.length + 1;
  // A duplicate, or one that comes while the session is being closed: never acknowledged, so the device knows.
  if (message.sequence < expected || state.closing !== null) return step(state);
  if (message.sequence > expected) return violate(state, { detail: `message ${message.sequence}, expected ${expected}`, nowMs });
  const bytes = payloadBytes(message.payload);
  const pendingBytes = state.pending.reduce((sum, size) => sum + size, bytes);
  if (state.pending.length >= RESUME.windowCountMax || pendingBytes > RESUME.windowBytesMax)
    return violate(state, { detail: "more unacknowledged than the window holds", nowMs });
  // A device that does not know of its window has the message still, and sends it again with its next connection.
  if (pendingBytes > (state.windowBytes ?? Infinity))
    return step(detach(state, nowMs), [{ kind: "disconnect", attempt: state.attempt, ...NO_MEMORY }]);
  return step({ ...state, pending: [...state.pending, bytes] }, [{ kind: "deliver", message }]);
}

function onDelivered(state: GatewaySession, upTo: number): GatewayStep {
  const count = Math.min(upTo - state.received, state.pending.length);
  if (count <= 0) return step(state);
  const next = { ...state, received: state.received + count, pending: state.pending.slice(count) };
  return step(next, next.detachedAtMs === null ? [transmit(next, { type: "ack", sequence: next.received })] : []);
}

function onPush(state: GatewaySession, payload: Payload): GatewayStep {
  if (!canPush(state, payloadBytes(payload))) return step(state);
  const next = { ...state, outbound: append(state.outbound, payload) };
  const message = next.outbound.kept.at(-1);
  return step(next, message === undefined || next.detachedAtMs !== null ? [] : [transmit(next, message)]);
}

function onRotated(state: GatewaySession, secret: string | undefined): GatewayStep {
  const tokens = secret === undefined ? null : useToken(state.tokens, secret);
  return step(tokens === null ? state : { ...state, isConfirmed: true, tokens });
}

/** A token lives an hour of use; replacing it is an answer, so an idle session is not woken for it. */
function rotateIfOld({ state, effects }: GatewayStep, { random, nowMs }: { random: string; nowMs: number }): GatewayStep {
  const { shardId, sessionId, tokens, detachedAtMs, end } = state;
  if (random === "" || !isTokenOld(state, nowMs) || detachedAtMs !== null || end !== null) return { state, effects };
  const secret = tokens.next ?? random;
  const next = { ...state, rotatedAtMs: nowMs, tokens: { ...tokens, next: secret } };
  return step(next, [...effects, transmit(next, { type: "rotate", token: formatResumeToken({ shardId, sessionId, secret }) })]);
}

/** An endpoint's close reaches the device after everything it sent before. */
function finishClosing(state: GatewaySession, effects: readonly GatewayEffect[] = []): GatewayStep {
  const { closing, outbound } = state;
  if (closing === null || outbound.kept.length > 0) return step(state, effects);
  const finished = finish(state, { why: "closed", ...closing });
  return step(finished.state, [...effects, ...finished.effects]);
}

function finish(state: GatewaySession, { why, code, reason }: { why: EndReason; code: number; reason: string }): GatewayStep {
  const end: End = { type: "end", why, received: state.received, sent: state.outbound.sent, code, reason };
  const told: GatewayEffect[] =
    state.detachedAtMs === null ? [transmit(state, end), { kind: "disconnect", attempt: state.attempt, code, reason }] : [];
  return step({ ...state, outbound: { ...state.outbound, kept: [], keptBytes: 0 }, pending: [], closing: null, end }, [
    ...told,
    { kind: "over", end },
  ]);
}

/** The connection ends; the session can be resumed on a better one. */
function violate(state: GatewaySession, { detail, nowMs }: { detail: string; nowMs: number }): GatewayStep {
  return step(detach(state, nowMs), [{ kind: "disconnect", attempt: state.attempt, code: PROTOCOL_ERROR, reason: detail }]);
}

function reject(state: GatewaySession, end: End): GatewayStep {
  return step(state, [{ kind: "reject", frame: end, code: end.code, reason: end.reason }]);
}

function detach(state: GatewaySession, nowMs: number): GatewaySession {
  return { ...state, detachedAtMs: nowMs };
}

function transmit({ attempt }: GatewaySession, frame: GatewayFrame): GatewayEffect {
  return { kind: "transmit", attempt, frame };
}

function step(state: GatewaySession, effects: readonly GatewayEffect[] = []): GatewayStep {
  return { state, effects };
}
