// GRIP on WebSocket-over-HTTP, as Pushpin and Fanout speak it (https://pushpin.org/docs/protocols/grip/). An endpoint that answers OPEN
// with `Sec-WebSocket-Extensions: grip` marks each of its messages: `c:` and a JSON object is for the gateway, the prefix and a text for
// the device, and what has neither is for nobody.
import type { Payload } from "../resume/frames.ts";
import { isTopic, type TopicChange } from "./topics.ts";
import type { SocketEvent } from "./websocket-events.ts";

/** What an endpoint said that is none of GRIP, or nothing that is done here. */
export const GRIP_FAULTS = ["malformed", "unsupported", "bad-channel", "unmarked", "too-many-topics"] as const;
export type GripFault = (typeof GRIP_FAULTS)[number];

export interface GripAnswer {
  readonly payloads: readonly Payload[];
  readonly changes: readonly TopicChange[];
  readonly faults: readonly GripFault[];
}

const CONTROL_PREFIX = "c:";
const MESSAGE_PREFIX_DEFAULT = "m:";
const PREFIX_LENGTH_MAX = 64;
/** Characters of a control message. */
const CONTROL_LENGTH_MAX = 4_096;
/** Of one answer; what follows is dropped like the others, and not counted. */
const FAULTS_MAX = 1_024;

/** What stands before messages for the device. Null: the endpoint does not speak GRIP, all of its messages are the device's. */
export function gripPrefixOf(extensions: string | null): string | null {
  for (const extension of (extensions ?? "").split(",")) {
    const [name = "", ...parameters] = extension.split(";").map((part) => part.trim());
    if (name.toLowerCase() !== "grip") continue;
    const given = parameters
      .map((parameter) => /^message-prefix=(?:"([^"\\]*)"|([^\s"]*))$/i.exec(parameter))
      .find((match) => match !== null);
    const prefix = given === undefined ? MESSAGE_PREFIX_DEFAULT : (given[1] ?? given[2] ?? "");
    // One that long is none that an endpoint means.
    return prefix.length > PREFIX_LENGTH_MAX ? MESSAGE_PREFIX_DEFAULT : prefix;
  }
  return null;
}

/** What the endpoint said, apart; `prefix` as of `gripPrefixOf`. Never throws. */
export function readGrip(events: readonly SocketEvent[], prefix: string | null): GripAnswer {
  const payloads: Payload[] = [];
  const changes: TopicChange[] = [];
  const faults: GripFault[] = [];
  const marked = new TextEncoder().encode(prefix ?? "");
  for (const event of events) {
    if (event.type !== "TEXT" && event.type !== "BINARY") continue;
    const payload = event.type === "TEXT" ? event.text : event.content;
    const said = prefix === null ? { payload } : readMessage(payload, prefix, marked);
    if ("payload" in said) payloads.push(said.payload);
    else if ("change" in said) changes.push(said.change);
    else if (faults.length < FAULTS_MAX) faults.push(said.fault);
  }
  return { payloads, changes, faults };
}

/** For the device, for the gateway, or for nobody. */
type GripMessage = { readonly payload: Payload } | { readonly change: TopicChange } | { readonly fault: GripFault };

function readMessage(payload: Payload, prefix: string, marked: Uint8Array): GripMessage {
  if (typeof payload === "string" && payload.startsWith(CONTROL_PREFIX)) {
    const control = readControl(payload.slice(CONTROL_PREFIX.length));
    return typeof control === "string" ? { fault: control } : { change: control };
  }
  const own = withoutPrefix(payload, prefix, marked);
  return own === null ? { fault: "unmarked" } : { payload: own };
}

function readControl(text: string): TopicChange | GripFault {
  if (text.length > CONTROL_LENGTH_MAX) return "malformed";
  let control: unknown;
  try {
    control = JSON.parse(text);
  } catch {
    return "malformed";
  }
  if (typeof control !== "object" || control === null || !("type" in control)) return "malformed";
  const { type, channel, filters } = control as { type: unknown; channel?: unknown; filters?: unknown };
  if (type !== "subscribe" && type !== "unsubscribe") return typeof type === "string" ? "unsupported" : "malformed";
  // Without its filters a subscription would be another one.
  if (filters !== undefined && !(Array.isArray(filters) && filters.length === 0)) return "unsupported";
  return isTopic(channel) ? { kind: type, topic: channel } : "bad-channel";
}

function withoutPrefix(payload: Payload, prefix: string, marked: Uint8Array): Payload | null {
  if (typeof payload === "string") return payload.startsWith(prefix) ? payload.slice(prefix.length) : null;
  return marked.every((byte, index) => payload[index] === byte) ? payload.subarray(marked.length) : null;
}
