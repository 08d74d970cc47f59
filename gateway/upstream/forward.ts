// One admitted request to its endpoint and back: streaming both ways, never followed elsewhere, ended by its
// deadline, and its slot given back at the last body byte, a reset or an abort.
import type { ServiceConfig } from "#shared/config/schema.ts";
import { refuse, type Refusal } from "#shared/errors/refusal.ts";
import { formatConnectionIdentifier, formatPriority } from "#shared/identifier/connection-identifier.ts";
import type { AppliedIdentifier } from "#shared/identifier/entitlement.ts";
import type { Admitted } from "../lease/admission.ts";
import { logOutcome, type RequestScope } from "../request-scope.ts";
import { formatServerTiming } from "../server-timing.ts";
import { splitList, type InboundHeaders } from "./inbound-headers.ts";
import { outboundHeaders } from "./outbound-headers.ts";
import { openRequestBody, type RequestBody } from "./request-body.ts";
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

/** Statuses whose responses have no body (RFC 9110 §6.4.1). */
const BODYLESS = new Set([204, 205, 304]);

/** Not the endpoint's to say to a device: hop-by-hop, ours, or a way around the gateway. */
const DROPPED_FROM_RESPONSE = [
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "alt-svc",
  "endpoint-load-metrics",
];

export async function forward(input: ForwardInput): Promise<Response | Refusal> {
  const { scope, service, admitted, inbound } = input;
  const cutoff = startCutoff(scope, service, admitted);
  const body = openRequestBody(scope.request, {
    contentLength: inbound.contentLength,
    bytesMax: service.bodyBytesMax,
    onFault: cutoff.cut,
  });
  if (!body.ok) return end(admitted, cutoff, body);
  const init: RequestInit = {
    method: scope.request.method,
    headers: outboundHeaders(input),
    body: body.stream,
    redirect: "manual",
    signal: cutoff.signal,
    encodeResponseBody: "manual",
  };
  for (let attempt = 1; ; attempt += 1) {
    try {
      return answer(input, await fetch(joinUrl(admitted.endpointUrl, input.target), init), cutoff);
    } catch (error) {
      const mayRepeat = cutoff.reason === null && attempt < service.retry.attemptsMax && isRepeatable(repeatOf(input, body));
      if (!mayRepeat || !admitted.beginRetry()) return end(admitted, cutoff, cutoff.reason ?? explainFailure(error));
    }
  }
}

function repeatOf({ scope: { request } }: ForwardInput, { stream }: RequestBody) {
  return { method: request.method, hasBody: stream !== null, hasIdempotencyKey: request.headers.has("idempotency-key") };
}

function answer({ scope, identifier, admitted }: ForwardInput, response: Response, cutoff: Cutoff): Response {
  const latencyMs = Date.now() - scope.startedAtMs;
  const headers = new Headers(response.headers);
  for (const name of [...DROPPED_FROM_RESPONSE, ...splitList(headers.get("connection"))]) headers.delete(name);
  headers.set("connection-identifier", formatConnectionIdentifier(identifier));
  headers.set("priority", formatPriority(identifier));
  const { waitMs, rateLimit } = admitted;
  // What was decided here crossed no I/O.
  const timing = { upstreamMs: latencyMs - waitMs, ...(admitted.outcome === "admitted-queued" ? { queueMs: waitMs } : {}) };
  headers.append("server-timing", formatServerTiming(timing, identifier.className));
  if (rateLimit !== null) headers.set("ratelimit", rateLimit);
  const init: ResponseInit = { status: response.status, statusText: response.statusText, headers, encodeBody: "manual" };
  if (response.body === null || scope.request.method === "HEAD" || BODYLESS.has(response.status)) {
    cutoff.stop();
    admitted.end(admitted.outcome, latencyMs);
    return new Response(null, init);
  }
  cutoff.extend();
  const length = response.headers.get("content-length");
  const { readable, writable } = length === null ? new IdentityTransformStream() : new FixedLengthStream(Number(length));
  const done = response.body.pipeTo(writable, { signal: cutoff.signal }).then(
    () => admitted.end(admitted.outcome, latencyMs),
    (error: unknown) => {
      const { outcome, detail } = cutoff.reason ?? refuse("upstream-failed", "The response's body broke off.");
      logOutcome(scope, { outcome, status: response.status, detail, error });
      admitted.end(outcome, latencyMs);
    },
  );
  // The slot ends with the last byte, and its context not before.
  scope.ctx.waitUntil(done.finally(cutoff.stop));
  return new Response(readable, init);
}

function explainFailure(error: unknown): Refusal {
  const isRefused = /refused/i.test(String(error));
  return refuse(
    "upstream-failed",
    isRefused ? "The endpoint refused the connection." : "The endpoint broke the connection off, or answered something that is not HTTP.",
    {
      proxyError: isRefused ? "connection_refused" : "connection_terminated",
    },
  );
}

function end(admitted: Admitted, cutoff: Cutoff, refusal: Refusal): Refusal {
  cutoff.stop();
  admitted.end(refusal.outcome);
  return refusal;
}

/** What ends an exchange early: its time is up, its device is gone, or its body broke off. The first reason counts. */
interface Cutoff {
  readonly signal: AbortSignal;
  readonly reason: Refusal | null;
  cut(reason: Refusal): void;
  /** From the deadline for the headers to the limit for the whole. */
  extend(): void;
  stop(): void;
}

function startCutoff(
  { request, startedAtMs }: RequestScope,
  { deadlineMs, requestDurationMsMax }: ServiceConfig,
  admitted: Pick<Admitted, "lookAgainInMs">,
): Cutoff {
  const aborter = new AbortController();
  let reason: Refusal | null = null;
  let timer: ReturnType<typeof setTimeout> | null = null;
  let [limitMs, what] = [deadlineMs, "answer"];
  const cut = (why: Refusal): void => {
    reason ??= why;
    aborter.abort();
  };
  // One timer for both: the limit, and the slot of a request that outlives the renewal that was due when it began.
  const look = (): void => {
    const nowMs = Date.now();
    const leftMs = startedAtMs + limitMs - nowMs;
    const lookAgainInMs = admitted.lookAgainInMs(nowMs);
    if (leftMs <= 0) cut(refuse("upstream-timeout", `The endpoint did not ${what} within ${limitMs} ms.`));
    else if (lookAgainInMs <= 0) cut(refuse("internal", "The slot was lost: no renewal reached the pool in time."));
    else timer = setTimeout(look, Math.min(leftMs, lookAgainInMs));
  };
  look();
  request.signal.addEventListener("abort", () => cut(refuse("cancelled", "The device went away.")));
  return {
    signal: aborter.signal,
    get reason() {
      return reason;
    },
    cut,
    extend() {
      clearTimeout(timer);
      [limitMs, what] = [requestDurationMsMax, "finish"];
      look();
    },
    stop: () => clearTimeout(timer),
  };
}

/** The endpoint's base path, then what the device asked for below the service. */
export function joinUrl(base: string, target: string): string {
  return (base.endsWith("/") ? base.slice(0, -1) : base) + (target.startsWith("/") ? target : `/${target}`);
}
