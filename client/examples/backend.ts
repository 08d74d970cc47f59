// A backend behind `sockets: { mode: http }` that handles every message once, though some arrive twice.
import { handleOnce, NOTHING_HANDLED, type DedupeState } from "../message-dedupe.ts";

const states = new Map<string, DedupeState>();

/** `messages` of one request, in order; what it returns goes to the device. */
export function answer(headers: Headers, messages: readonly string[]) {
  const session = headers.get("tidegate-session") ?? "";
  const first = Number(headers.get("tidegate-sequence"));
  const confirmed = Number(headers.get("tidegate-confirmed"));
  const answered = handleOnce(states.get(session) ?? NOTHING_HANDLED, { first, confirmed, messages }, (message) => [
    `handled ${String(message)}`,
  ]);
  states.set(session, answered.state);
  return answered.messages;
}
