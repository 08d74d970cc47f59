// One pass over a device's headers: their size, what the gateway itself reads, and what the endpoint may see.
import { refuse, type Refusal } from "#shared/errors/refusal.ts";
import { LIMITS } from "#shared/limits.ts";
import { splitList } from "./header-lists.ts";
import { EmptyHeaders, type HeaderRecord } from "./header-record.ts";
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
const DROPPED_NAMES = new Set([
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
const NONE: readonly string[] = [];

/** What the gateway reads itself, and passes on, if at all, by a rule of its own. */
class ReadHeaders {
  authorization: string | null = null;
  "cf-connecting-ip": string | null = null;
  connection: string | null = null;
  "connection-identifier": string | null = null;
  "content-length": string | null = null;
  priority: string | null = null;
  "sec-websocket-protocol": string | null = null;
  traceparent: string | null = null;
  tracestate: string | null = null;
  upgrade: string | null = null;
}

const [READ, DROPPED, FORWARDED] = ["read", "dropped", "forwarded"] as const;
type Fate = typeof READ | typeof DROPPED | typeof FORWARDED;

/** By name, worked out once. */
const FATES = new Map<string, Fate>();
for (const name of Object.keys(new ReadHeaders())) FATES.set(name, READ);
for (const name of DROPPED_NAMES) FATES.set(name, DROPPED);
/** Names that devices have thought of, and how long they are. */
const FATES_MAX = 1_024;
const NAME_LENGTH_MAX = 64;

/**
 * A new name's. What an endpoint may take for a header that is not the device's to say is none of its either: CGI and all that came of it read
 * `connection_identifier` as they read `connection-identifier` (RFC 3875 §4.1.18), some of them any sign that is no letter.
 */
function fateOf(name: string): Fate {
  const taken = name.replaceAll(/[^a-z\d]/g, "-");
  const isOurs = DROPPED_PREFIX.test(taken) || (FATES.get(taken) ?? FORWARDED) !== FORWARDED;
  const fate = isOurs ? DROPPED : FORWARDED;
  if (FATES.size < FATES_MAX && name.length <= NAME_LENGTH_MAX) FATES.set(name, fate);
  return fate;
}

/** Reads the headers of a request once; refuses where they are too large. */
export function readInboundHeaders(headers: Headers): InboundHeaders | Refusal {
  const forwarded = new EmptyHeaders();
  const read = new ReadHeaders();
  let bytes = 0;
  // The runtime's own loop: an iterator makes an array of each header.
  headers.forEach((value, name) => {
    bytes += name.length + value.length + SEPARATOR_BYTES;
    const fate = FATES.get(name) ?? fateOf(name);
    if (fate === READ) read[name as keyof ReadHeaders] = value;
    else if (fate === FORWARDED) forwarded[name] = value;
  });
  if (bytes > LIMITS.headerBytesMax)
    return refuse("headers-too-large", `The request's headers are more than ${LIMITS.headerBytesMax} bytes.`);
  // An invalid traceparent is not passed on, and tracestate has no meaning without it (W3C Trace Context §3.2).
  const { traceparent, tracestate, connection, "sec-websocket-protocol": protocols, "content-length": length } = read;
  if (traceparent !== null && TRACEPARENT.test(traceparent)) {
    forwarded["traceparent"] = traceparent;
    if (tracestate !== null) forwarded["tracestate"] = tracestate;
  }
  if (connection !== null) for (const name of splitList(connection)) delete forwarded[name.toLowerCase()];
  const offered = protocols === null ? NONE : splitList(protocols);
  const theirs = offered.filter((protocol) => !OWN_PROTOCOL.test(protocol));
  if (theirs.length > 0) forwarded["sec-websocket-protocol"] = theirs.join(", ");
  return {
    ok: true,
    forwarded,
    authorization: read.authorization,
    protocolToken: tokenOf(offered, BEARER_PROTOCOL),
    isResumable: offered.includes(SUBPROTOCOL),
    resumeToken: tokenOf(offered, RESUME_PROTOCOL_PREFIX),
    connectionIdentifier: read["connection-identifier"],
    priority: read.priority,
    contentLength: length === null ? null : Number(length),
    isUpgrade: read.upgrade?.toLowerCase() === "websocket",
    connectingAddress: read["cf-connecting-ip"],
  };
}

function tokenOf(offered: readonly string[], prefix: string): string | null {
  return offered.find((protocol) => protocol.startsWith(prefix))?.slice(prefix.length) ?? null;
}
