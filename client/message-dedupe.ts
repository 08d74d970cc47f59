import type { Payload } from "#shared/resume/frames.ts";

/** What a repeated message is answered with again. A backend of several processes keeps it where all of them see it. */
export interface DedupeState {
  /** The last message that was handled. */
  readonly handled: number;
  /** Answers to messages that the gateway has not confirmed yet, in order. */
  readonly answers: readonly { readonly sequence: number; readonly messages: readonly Payload[] }[];
}

export const NOTHING_HANDLED: DedupeState = { handled: 0, answers: [] };

/**
 * For a backend behind `sockets: { mode: http }`: makes "at least once" exactly once. `first` is the number of the first
 * message of a request (`Tidegate-Sequence`), `confirmed` up to where the gateway has the answers (`Tidegate-Confirmed`).
 * Returns what to answer, and the state to keep with the effects of `handle`, in one transaction where that matters.
 *
 * Where the state is older than the session, as `NOTHING_HANDLED` is after a restart without it, handling goes on at `first`: a request is
 * sent when everything before it was answered. What came before comes no more; what is in the request may have been handled.
 */
export function handleOnce(
  state: DedupeState,
  request: { readonly first: number; readonly confirmed: number; readonly messages: readonly Payload[] },
  handle: (message: Payload, sequence: number) => readonly Payload[],
): { readonly state: DedupeState; readonly messages: readonly Payload[] } {
  let { handled } = state;
  const answers = state.answers.filter(({ sequence }) => sequence > request.confirmed);
  for (const [index, message] of request.messages.entries()) {
    const sequence = request.first + index;
    if (sequence <= handled) continue;
    answers.push({ sequence, messages: handle(message, sequence) });
    handled = sequence;
  }
  const last = request.first + request.messages.length - 1;
  const messages = answers.filter(({ sequence }) => sequence >= request.first && sequence <= last).flatMap((answer) => answer.messages);
  return { state: { handled, answers }, messages };
}
