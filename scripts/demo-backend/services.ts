// The two services: what each answers to a request and to a socket's message.
import type { IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { KIB_BYTES, MIB_BYTES } from "#shared/units.ts";
import type { Directives } from "./directives.ts";
import { generatedBody } from "./generated-body.ts";

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly directives: Directives;
  /** Aborted when the caller is gone. */
  readonly signal: AbortSignal;
}

export interface DemoService {
  answer(exchange: Exchange): Promise<void>;
  /** What to send back for a socket's message. */
  reply(message: Buffer, isBinary: boolean): Buffer | string;
}

const ECHO_WHOLE_BYTES_MAX = 64 * KIB_BYTES;
const TELEMETRY_BYTES_MAX = 10 * MIB_BYTES;

/** Gives back what it gets: bodies as they stream in, else a description of the request. */
export function echoService(): DemoService {
  return {
    async answer({ request, response, url, directives, signal }) {
      if (directives.bytes !== undefined) {
        response.writeHead(directives.status, { "content-type": "application/octet-stream" });
        return pipeline(generatedBody(directives, signal), response);
      }
      if (hasBody(request)) return echoBody(request, response, directives.status);
      const { method, headers } = request;
      sendJson(response, directives.status, {
        service: "echo",
        method,
        path: url.pathname,
        query: Object.fromEntries(url.searchParams),
        identifier: headers["connection-identifier"] ?? null,
        headers,
      });
    },
    reply: (message, isBinary) => (isBinary ? message : message.toString("utf8")),
  };
}

/** Takes measurements and counts them: an array counts each of its items. */
export function telemetryService(): DemoService {
  const counts = { accepted: 0, messages: 0, bytes: 0 };
  const accept = (message: Buffer): number => {
    const accepted = recordCount(message);
    counts.accepted += accepted;
    counts.messages++;
    counts.bytes += message.length;
    return accepted;
  };
  return {
    async answer({ request, response, directives, signal }) {
      if (request.method !== "POST") return sendJson(response, directives.status, { service: "telemetry", ...counts });
      const body = await readBody(request, signal);
      if (body === null) return sendJson(response, 413, { error: `body over ${TELEMETRY_BYTES_MAX} bytes` });
      sendJson(response, directives.status === 200 ? 202 : directives.status, { accepted: accept(body) });
    },
    reply: (message) => JSON.stringify({ accepted: accept(message) }),
  };
}

/** A small body is answered once it is whole, so that one which breaks off is not answered at all; a large one streams. */
async function echoBody(request: IncomingMessage, response: ServerResponse, status: number): Promise<void> {
  const type = { "content-type": request.headers["content-type"] ?? "application/octet-stream" };
  const chunks: Buffer[] = [];
  let bytes = 0;
  const rest = request[Symbol.asyncIterator]() as AsyncIterableIterator<Buffer, undefined>;
  while (bytes <= ECHO_WHOLE_BYTES_MAX) {
    const { done, value } = await rest.next();
    if (done === true) {
      response.writeHead(status, { ...type, "content-length": bytes });
      response.end(Buffer.concat(chunks));
      return;
    }
    chunks.push(value);
    bytes += value.length;
  }
  response.writeHead(status, type);
  await pipeline(async function* () {
    yield* chunks;
    yield* rest;
  }, response);
}

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  const text = `${JSON.stringify(body)}\n`; // A terminal's prompt begins on a line of its own.
  response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) });
  response.end(text);
}

/** RFC 9112 §6: a request has a body where it says how long or how it is framed. */
function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

function recordCount(message: Buffer): number {
  try {
    const parsed: unknown = JSON.parse(message.toString("utf8"));
    return Array.isArray(parsed) ? parsed.length : 1;
  } catch {
    return 1; // Not JSON is welcome too.
  }
}

async function readBody(request: IncomingMessage, signal: AbortSignal): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    signal.throwIfAborted();
    bytes += chunk.length;
    if (bytes > TELEMETRY_BYTES_MAX) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
