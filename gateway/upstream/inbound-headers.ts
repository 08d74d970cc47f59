// One pass over a device's headers: their size, what the gateway itself reads, and what the endpoint may see.
import { refuse, type Refusal } from "#shared/errors/refusal.ts";
import { LIMITS } from "#shared/limits.ts";
import { splitList } from "./header-lists.ts";
import { emptyHeaders, type HeaderRecord } from "./header-record.ts";
import { SUBPROTOCOL } from "#shared/resume/frames.ts";
import { RESUME_PROTOCOL_PREFIX } from "#shared/resume/resume-token.ts";

export interface InboundHeaders {
  readonly ok: true;
  /** What goes to the endpoint: no credential, nothing hop-by-hop, nothing that only a gateway may say. */
  readonly forwarded: HeaderRecord;
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
  /** What Cloudflare says of the device, and anybody elsewhere. */
  readonly connectingAddress: string | null;
}

const BEARER_PROTOCOL = "tidegate.bearer.";
const OWN_PROTOCOL = /^tidegate\.(?:v1$|bearer\.|resume\.)/;
/** `name: value\r\n` */
const SEPARATOR_BYTES = 4;
/** Version 00 ends there; a later one may say more (W3C Trace Context §3.2). ff is no version. */
const TRACEPARENT = /^(?!ff)[\da-f]{2}-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2}(?:(?<!^00.{53})-.*)?$/;

/** Hop-by-hop (RFC 9110 §7.6.1), about the sender's connection, or ours to say. */
const DROPPED = new Set([
  "expect",
  "forwarded",
  "host",
  "keep-alive",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "via",
  "x-real-ip",
  "x-request-id",
]);
const DROPPED_PREFIX = /^(cf-|x-forwarded-|tidegate-|sec-websocket-)/;
/** What the gateway reads itself, and passes on, if at all, by a rule of its own. */
const READ = new Set([
  "authorization",
  "cf-connecting-ip",
  "connection",
  "connection-identifier",
  "content-length",
  "priority",
  "sec-websocket-protocol",
  "traceparent",
  "tracestate",
  "upgrade",
]);

/** Reads the headers of a request once; refuses where they are too large. */
export function readInboundHeaders(headers: Headers): InboundHeaders | Refusal {
  const forwarded = emptyHeaders();
  const read: Partial<HeaderRecord> = emptyHeaders();
  let bytes = 0;
  for (const [name, value] of headers) {
    bytes += name.length + value.length + SEPARATOR_BYTES;
    if (bytes > LIMITS.headerBytesMax)
      return refuse("headers-too-large", `The request's headers are more than ${LIMITS.headerBytesMax} bytes.`);
    if (READ.has(name)) read[name] = value;
    else if (!DROPPED.has(name) && !DROPPED_PREFIX.test(name)) forwarded[name] = value;
  }
  // An invalid traceparent is not passed on, and tracestate has no meaning without it (W3C Trace Context §3.2).
  const { traceparent, tracestate, connection, "sec-websocket-protocol": protocols, "content-length": length } = read;
  if (traceparent !== undefined && TRACEPARENT.test(traceparent)) {
    forwarded["traceparent"] = traceparent;
    if (tracestate !== undefined) forwarded["tracestate"] = tracestate;
  }
  if (connection !== undefined) for (const name of splitList(connection)) delete forwarded[name.toLowerCase()];
  const offered = protocols === undefined ? [] : splitList(protocols);
  const theirs = offered.filter((protocol) => !OWN_PROTOCOL.test(protocol));
  if (theirs.length > 0) forwarded["sec-websocket-protocol"] = theirs.join(", ");
  return {
    ok: true,
    forwarded,
    authorization: read["authorization"] ?? null,
    protocolToken: tokenOf(offered, BEARER_PROTOCOL),
    isResumable: offered.includes(SUBPROTOCOL),
    resumeToken: tokenOf(offered, RESUME_PROTOCOL_PREFIX),
    connectionIdentifier: read["connection-identifier"] ?? null,
    priority: read["priority"] ?? null,
    contentLength: length === undefined ? null : Number(length),
    isUpgrade: read["upgrade"]?.toLowerCase() === "websocket",
    connectingAddress: read["cf-connecting-ip"] ?? null,
  };
}

function tokenOf(offered: readonly string[], prefix: string): string | null {
  return offered.find((protocol) => protocol.startsWith(prefix))?.slice(prefix.length) ?? null;
}
