// One pass over a device's headers: their size, what the gateway itself reads, and what the endpoint may see.
import { refuse, type Refusal } from "#shared/errors/refusal.ts";
import { LIMITS } from "#shared/limits.ts";
import { SUBPROTOCOL } from "#shared/resume/frames.ts";
import { RESUME_PROTOCOL_PREFIX } from "#shared/resume/resume-token.ts";

export interface InboundHeaders {
  readonly ok: true;
  /** What goes to the endpoint: no credential, nothing hop-by-hop, nothing that only a gateway may say. */
  readonly forwarded: Headers;
  readonly authorization: string | null;
  /** The token of `tidegate.bearer.<token>` among the offered subprotocols. */
  readonly protocolToken: string | null;
  /** `tidegate.v1` is offered: the socket is a session that can be resumed. */
  readonly isResumable: boolean;
  /** The token of `tidegate.resume.<token>` among the offered subprotocols. */
  readonly resumeToken: string | null;
  readonly connectionIdentifier: string | null;
  readonly priority: string | null;
  readonly contentLength: number | null;
  readonly isUpgrade: boolean;
}

const BEARER_PROTOCOL = "tidegate.bearer.";
const OWN_PROTOCOL = /^tidegate\.(?:v1$|bearer\.|resume\.)/;
/** `name: value\r\n` */
const SEPARATOR_BYTES = 4;
/** Version 00 ends there; a later one may say more (W3C Trace Context §3.2). ff is no version. */
const TRACEPARENT = /^(?!ff)[\da-f]{2}-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2}(?:(?<!^00.{53})-.*)?$/;

/** Hop-by-hop (RFC 9110 §7.6.1), about the sender's connection, or ours to say. */
const DROPPED = new Set([
  "authorization",
  "connection",
  "connection-identifier",
  "content-length",
  "expect",
  "forwarded",
  "host",
  "keep-alive",
  "priority",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "via",
  "x-real-ip",
  "x-request-id",
]);
const DROPPED_PREFIX = /^(cf-|x-forwarded-|tidegate-|sec-websocket-)/;

/** Reads the headers of a request once; refuses where they are too large. */
export function readInboundHeaders(headers: Headers): InboundHeaders | Refusal {
  const forwarded = new Headers();
  const connection = headers.get("connection");
  const named = connection === null ? null : namedByConnection(connection);
  let bytes = 0;
  for (const [name, value] of headers) {
    bytes += name.length + value.length + SEPARATOR_BYTES;
    if (bytes > LIMITS.headerBytesMax)
      return refuse("headers-too-large", `The request's headers are more than ${LIMITS.headerBytesMax} bytes.`);
    if (!DROPPED.has(name) && !DROPPED_PREFIX.test(name) && named?.has(name) !== true) forwarded.append(name, value);
  }
  // An invalid traceparent is not passed on, and tracestate has no meaning without it (W3C Trace Context §3.2).
  const traceparent = headers.get("traceparent");
  if (traceparent === null || !TRACEPARENT.test(traceparent)) {
    forwarded.delete("traceparent");
    forwarded.delete("tracestate");
  }
  const offered = splitList(headers.get("sec-websocket-protocol"));
  const theirs = offered.filter((protocol) => !OWN_PROTOCOL.test(protocol));
  if (theirs.length > 0) forwarded.set("sec-websocket-protocol", theirs.join(", "));
  const contentLength = headers.get("content-length");
  return {
    ok: true,
    forwarded,
    authorization: headers.get("authorization"),
    protocolToken: tokenOf(offered, BEARER_PROTOCOL),
    isResumable: offered.includes(SUBPROTOCOL),
    resumeToken: tokenOf(offered, RESUME_PROTOCOL_PREFIX),
    connectionIdentifier: headers.get("connection-identifier"),
    priority: headers.get("priority"),
    contentLength: contentLength === null ? null : Number(contentLength),
    isUpgrade: headers.get("upgrade")?.toLowerCase() === "websocket",
  };
}

function tokenOf(offered: readonly string[], prefix: string): string | null {
  return offered.find((protocol) => protocol.startsWith(prefix))?.slice(prefix.length) ?? null;
}

/** Headers that the Connection header declares hop-by-hop. */
function namedByConnection(connection: string): Set<string> {
  return new Set(splitList(connection).map((name) => name.toLowerCase()));
}

export function splitList(value: string | null): string[] {
  if (value === null) return [];
  return value
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}
