// What a device sees of an endpoint's headers, and what the gateway adds. Cloned whole by the runtime and then changed by
// name: building them anew costs several times as much, and several cookies stay several.
import { splitList } from "./header-lists.ts";

/** Not the endpoint's to say to a device: hop-by-hop, ours, or a way around the gateway. */
const DROPPED = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "alt-svc",
  "endpoint-load-metrics",
]);

export interface ResponseHeaders {
  /** Lower case. */
  readonly dropped: readonly string[];
  readonly contentLength: number | null;
  /** `endpoint-load-metrics`, unread. */
  readonly load: string | null;
}

/** One pass over an endpoint's headers: each look-up by name would cross into the runtime. */
export function readResponseHeaders(headers: Headers): ResponseHeaders {
  let dropped: string[] | null = null;
  let contentLength: number | null = null;
  let load: string | null = null;
  headers.forEach((value, name) => {
    if (name === "content-length") contentLength = Number(value);
    else if (DROPPED.has(name)) {
      dropped ??= [];
      dropped.push(name);
      if (name === "endpoint-load-metrics") load = value;
      if (name === "connection") dropped.push(...splitList(value).map((named) => named.toLowerCase()));
    }
  });
  return { dropped: dropped ?? NONE, contentLength, load };
}

const NONE: readonly string[] = [];

export interface OwnHeaders {
  readonly connectionIdentifier: string;
  /** Null: the device did not say its own. */
  readonly priority: string | null;
  /** Follows the endpoint's own, where it sends one. */
  readonly serverTiming: string;
  /** Follows the endpoint's own, whose limit it is not; null: the flow has no limit. */
  readonly rateLimit: string | null;
}

export function changeResponseHeaders(headers: Headers, dropped: readonly string[], own: OwnHeaders): void {
  for (const name of dropped) headers.delete(name);
  headers.set("connection-identifier", own.connectionIdentifier);
  if (own.priority !== null) headers.set("priority", own.priority);
  headers.append("server-timing", own.serverTiming);
  if (own.rateLimit !== null) headers.append("ratelimit", own.rateLimit);
}
