// One admitted request to its endpoint and back: streaming both ways, never followed elsewhere, ended by its
// deadline, and its slot given back at the last body byte, a reset or an abort.
import type { ServiceConfig } from "#shared/config/schema.ts";
import { refuse, type Refusal } from "#shared/errors/refusal.ts";
import type { AppliedIdentifier } from "#shared/identifier/entitlement.ts";
import { KIB_BYTES } from "#shared/units.ts";
import { identifierHeaders } from "../identity/identifier-headers.ts";
import type { Admitted } from "../lease/admitted.ts";
import { answerRefusal } from "../problem.ts";
import { logOutcome, type RequestScope } from "../request-scope.ts";
import { formatServerTiming, type Timing } from "../server-timing.ts";
import { Cutoff } from "./cutoff.ts";
import type { InboundHeaders } from "./inbound-headers.ts";
import { outboundHeaders } from "./outbound-headers.ts";
import { pace } from "./pace.ts";
import { openRequestBody, type RequestBody } from "./request-body.ts";
import { changeResponseHeaders, readResponseHeaders } from "./response-headers.ts";
import { isRepeatable } from "./retry.ts";

export interface ForwardInput {
  readonly scope: RequestScope;
  readonly identifier: AppliedIdentifier;
  readonly inbound: InboundHeaders;
  readonly service: ServiceConfig;
  readonly admitted: Admitted;
  /** Path below the service, with its query. */
  readonly target: string;
}

const NO_BODY: RequestBody = { ok: true, stream: null };
/** Statuses whose responses have no body (RFC 9110 §6.4.1). */
const BODYLESS = new Set([204, 205, 304]);
/** What a response can be given on with: no Response has another, and no final status is another (RFC 9110 §15). */
const STATUS_MIN = 200;
const STATUS_MAX = 599;
/** A response that declares no more is read whole, which costs a sixth of a stream (docs/decisions/0022-small-bodies-are-read-whole.md). */
const WHOLE_BODY_BYTES_MAX = 16 * KIB_BYTES;

/** Answers in any case: the endpoint's response, or why there is none. */
export async function forward(input: ForwardInput): Promise<Response> {
  const { scope, service, admitted } = input;
  const cutoff = new Cutoff(scope, service, admitted);
  const body = bodyOf(input, cutoff);
  if (!body.ok) return end(input, cutoff, body);
  const init: RequestInit = {
    method: scope.method,
    headers: outboundHeaders(input),
    body: body.stream,
    redirect: "manual",
    // A cache goes by the address; whose answer it is stands in the headers alone (docs/decisions/0150-an-answer-is-kept-in-no-cache.md).
    cache: "no-store",
    // A cut ends the connection before its slot is another's: what the context's end would do comes too late for that.
    // One with a body may still be sending it when its answer is through.
    signal: body.stream === null ? cutoff.signalOfFetch : cutoff.signal,
    encodeResponseBody: "manual",
  };
  for (let attempt = 1; ; attempt += 1) {
    try {
      // A cut aborts it, so it ends by itself.
      const response = await fetch(joinUrl(admitted.endpointUrl, input.target), init);
      // Awaited here: a small body that breaks off is a failure of the endpoint, as its headers would have been.
      return await answer(input, response, cutoff);
    } catch {
      const isRefused = cutoff.isUnanswered && !(await admitted.listens());
      const mayRepeat = cutoff.isUnanswered && attempt < service.retry.attemptsMax && isRepeatable(repeatOf(input, body));
      const isRepeated = mayRepeat && (isRefused ? await admitted.beginElsewhere() : admitted.beginRetry());
      // Its time may have ended while it waited for another slot.
      if (!isRepeated || !cutoff.isUnanswered) return end(input, cutoff, cutoff.reason ?? explainFailure(isRefused));
    }
  }
}

/** A GET or HEAD that has a body does not come so far: routes/forward.ts. */
function bodyOf({ scope, inbound, service, admitted }: ForwardInput, cutoff: Cutoff): RequestBody | Refusal {
  if (scope.method === "GET" || scope.method === "HEAD") return NO_BODY;
  return openRequestBody(scope.request, {
    contentLength: inbound.contentLength,
    bytesMax: service.bodyBytesMax,
    pace: admitted.paceOf(cutoff),
    onFault: (fault) => cutoff.cut(fault),
  });
}

function repeatOf({ scope, inbound }: ForwardInput, body: RequestBody) {
  return { method: scope.method, hasBody: body.stream !== null, hasIdempotencyKey: "idempotency-key" in inbound.forwarded };
}

async function answer(input: ForwardInput, response: Response, cutoff: Cutoff): Promise<Response> {
  const { scope, admitted } = input;
  let nowMs = Date.now();
  const latencyMs = nowMs - scope.startedAtMs;
  const { status } = response;
  if (status < STATUS_MIN || status > STATUS_MAX) {
    // Its body may never end: cut, so that its connection ends before its slot is another's.
    cutoff.cut(refuse("upstream-failed", `The endpoint answered with status ${status}.`, { proxyError: "http_protocol_error" }));
    throw new RangeError(`status ${status}`);
  }
  const { dropped, contentLength, load } = readResponseHeaders(response.headers);
  admitted.answered(status, load);
  cutoff.extend();
  // Asked for only where it is needed: even to look whether there is a stream makes one.
  const hasBody = scope.method !== "HEAD" && !BODYLESS.has(status);
  const isSmall = contentLength !== null && contentLength <= WHOLE_BODY_BYTES_MAX && !admitted.isPaced;
  if (hasBody && !isSmall && response.body !== null) {
    const content = stream({ scope, admitted, cutoff, status, latencyMs }, response.body, contentLength);
    return respond(input, response, { content, dropped, latencyMs, nowMs });
  }
  let content: ArrayBuffer | null = null;
  if (hasBody && isSmall) {
    content = await cutoff.race(response.arrayBuffer());
    nowMs = Date.now();
  }
  const answered = respond(input, response, { content, dropped, latencyMs, nowMs });
  cutoff.stop();
  admitted.end(admitted.outcome, { latencyMs, nowMs });
  return answered;
}

interface Answer {
  readonly content: ReadableStream | ArrayBuffer | null;
  readonly dropped: readonly string[];
  readonly latencyMs: number;
  /** Of the last that came from the endpoint: time stands still between. */
  readonly nowMs: number;
}

function respond(
  { identifier, inbound, admitted }: ForwardInput,
  response: Response,
  { content, dropped, latencyMs, nowMs }: Answer,
): Response {
  // As a whole: status, headers, and that its bytes are encoded already.
  const answered = new Response(content, response);
  const { connectionIdentifier, priority } = identifierHeaders(identifier);
  changeResponseHeaders(answered.headers, dropped, {
    connectionIdentifier,
    // Unasked it would tell a cache before us how to send it (RFC 9218 §5).
    priority: inbound.priority === null ? null : priority,
    serverTiming: formatServerTiming(timingOf(admitted, latencyMs), identifier.className),
    rateLimit: admitted.rateLimitAt(nowMs),
  });
  return answered;
}

interface Streaming extends Pick<ForwardInput, "scope" | "admitted"> {
  readonly cutoff: Cutoff;
  readonly status: number;
  readonly latencyMs: number;
}

/** The body on its way to the device; at its end, however it ends, the slot is back. */
function stream({ scope, admitted, cutoff, status, latencyMs }: Streaming, body: ReadableStream, length: number | null): ReadableStream {
  const { readable, writable } = length === null ? new IdentityTransformStream() : new FixedLengthStream(length);
  const paced = admitted.paceOf(cutoff);
  const moved = paced === null ? body.pipeTo(writable, { signal: cutoff.signal }) : pace(body, writable, paced);
  const done = moved.then(
    () => admitted.end(admitted.outcome, { latencyMs, nowMs: Date.now() }),
    (error: unknown) => {
      const { outcome, detail } = cutoff.reason ?? refuse("upstream-failed", "The response's body broke off.");
      logOutcome(scope, { outcome, status, detail, error });
      admitted.end(outcome, { latencyMs, nowMs: Date.now() });
    },
  );
  // The slot ends with the last byte, and its context not before.
  scope.ctx.waitUntil(done.finally(() => cutoff.stop()));
  return readable;
}

function explainFailure(isRefused: boolean): Refusal {
  return refuse(
    "upstream-failed",
    isRefused ? "The endpoint refuses connections." : "The endpoint broke the connection off, or answered something that is not HTTP.",
    {
      proxyError: isRefused ? "connection_refused" : "connection_terminated",
    },
  );
}

function end({ scope, admitted }: ForwardInput, cutoff: Cutoff, refusal: Refusal): Promise<Response> {
  cutoff.stop();
  const nowMs = Date.now();
  admitted.end(refusal.outcome, { nowMs });
  return answerRefusal(scope, refusal, { isCounted: true, timing: timingOf(admitted, nowMs - scope.startedAtMs) });
}

/** What was decided here crossed no I/O. */
function timingOf({ outcome, waitMs }: Admitted, elapsedMs: number): Timing {
  const upstreamMs = elapsedMs - waitMs;
  return outcome === "admitted-queued" ? { upstreamMs, queueMs: waitMs } : { upstreamMs };
}

/** The endpoint's base path, then what the device asked for below the service. */
export function joinUrl(base: string, target: string): string {
  return (base.endsWith("/") ? base.slice(0, -1) : base) + (target.startsWith("/") ? target : `/${target}`);
}
