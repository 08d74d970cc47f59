// One request of WebSocket-over-HTTP: events to the endpoint, events back.
import { encodeEvents, EventParser, EVENTS_CONTENT_TYPE, type SocketEvent } from "#shared/protocol/websocket-events.ts";
import { RESUME } from "#shared/resume/bounds.ts";
import { KIB_BYTES } from "#shared/units.ts";

export interface EventPost {
  readonly upstreamUrl: string;
  readonly headers: Headers;
  readonly events: readonly SocketEvent[];
  readonly deadlineMs: number;
  /** Of the mark before each message that the answer has for the device, at least: a message is as large without it. */
  readonly markBytes: number;
  /** Of who sends it, and may have no use for it any more. */
  readonly aborter?: AbortController | undefined;
}

export type PostAnswer =
  /** `protocol`: the subprotocol that the endpoint selected; `extensions`: its header of that name. */
  | { readonly ok: true; readonly events: readonly SocketEvent[]; readonly protocol: string | null; readonly extensions: string | null }
  /** `isFinal`: trying again does not help. `silence`: nothing at all was answered, because the way broke off, or within the deadline. */
  | { readonly ok: false; readonly isFinal: boolean; readonly detail: string; readonly silence: "broken" | "late" | null };

/** Nothing more than that fits a session's window; the rest is for the events' lines. */
const ANSWER_BYTES_MAX = RESUME.windowBytesMax + 64 * KIB_BYTES;

/** Sends events and reads the whole answer. Never throws. */
export async function postEvents({
  upstreamUrl,
  headers,
  events,
  deadlineMs,
  markBytes,
  aborter = new AbortController(),
}: EventPost): Promise<PostAnswer> {
  const timer = setTimeout(() => aborter.abort(), deadlineMs);
  let hasAnswered = false;
  try {
    const own = new Headers(headers);
    own.set("content-type", EVENTS_CONTENT_TYPE);
    own.set("accept", EVENTS_CONTENT_TYPE);
    const response = await fetch(upstreamUrl, {
      method: "POST",
      headers: own,
      body: encodeEvents(events),
      redirect: "manual",
      signal: aborter.signal,
    });
    hasAnswered = true;
    return await readAnswer(response, RESUME.messageBytesMax + markBytes);
  } catch {
    const isLate = aborter.signal.aborted;
    const detail = isLate
      ? `the endpoint did not answer within ${deadlineMs} ms`
      : hasAnswered
        ? "the endpoint broke its answer off"
        : "the endpoint could not be reached";
    return { ok: false, isFinal: false, detail, silence: isLate ? "late" : hasAnswered ? null : "broken" };
  } finally {
    clearTimeout(timer);
  }
}

async function readAnswer(response: Response, messageBytesMax: number): Promise<PostAnswer> {
  const { status, body } = response;
  if (status === 204) return { ok: true, events: [], protocol: null, extensions: null };
  const type = (response.headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase();
  if (status !== 200 || type !== EVENTS_CONTENT_TYPE) {
    await body?.cancel();
    const isFinal = status < 500 && status !== 408 && status !== 429;
    return failed(`the endpoint answered with status ${status}, expected 200 and ${EVENTS_CONTENT_TYPE}`, isFinal);
  }
  const parser = new EventParser(messageBytesMax);
  const events: SocketEvent[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.length;
    const read =
      bytes > ANSWER_BYTES_MAX ? { detail: `the endpoint's answer has more than ${ANSWER_BYTES_MAX} bytes` } : parser.push(chunk);
    // Leaving the loop cancels the body.
    if ("detail" in read) return failed(read.detail, true);
    events.push(...read);
  }
  const fault = parser.end();
  if (fault !== null) return failed(fault.detail, false);
  const { headers } = response;
  return { ok: true, events, protocol: headers.get("sec-websocket-protocol"), extensions: headers.get("sec-websocket-extensions") };
}

/** By its answer. */
export function failed(detail: string, isFinal: boolean): PostAnswer {
  return { ok: false, isFinal, detail, silence: null };
}
