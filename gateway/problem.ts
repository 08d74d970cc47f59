// The one place where a refusal or an error becomes a response, a log line, a count and an account: status, problem+json
// (RFC 9457), RateLimit, Retry-After, Proxy-Status (RFC 9209), Server-Timing and WWW-Authenticate say the same thing.
import { InvariantError } from "#shared/assert.ts";
import { policiesOf, quotaOf } from "#shared/config/quota-policies.ts";
import { REFUSALS, type OutcomeShape } from "#shared/errors/outcomes.ts";
import { refuse, type Refusal } from "#shared/errors/refusal.ts";
import { formatConnectionIdentifier } from "#shared/identifier/connection-identifier.ts";
import type { AppliedIdentifier } from "#shared/identifier/entitlement.ts";
import { policyNameOf } from "#shared/protocol/quota-state.ts";
import { RATE_LIMIT } from "#shared/protocol/rate-limit.ts";
import { retryAfterSeconds } from "#shared/protocol/retry-after.ts";
import { accountOf, decidedBy, instanceOf, violatedBy } from "./explain/explain.ts";
import { logOutcome, type RequestScope } from "./request-scope.ts";
import { formatServerTiming, type Timing } from "./server-timing.ts";

export const PROBLEM_PATH = "/problems/";

export interface AnswerOptions {
  /** A pool has counted it already. */
  readonly isCounted?: boolean;
  /** Absent: what the place of the decision tells. */
  readonly timing?: Timing;
}

/** Answers a refusal, with one log line. */
export async function answerRefusal(scope: RequestScope, refusal: Refusal, options: AnswerOptions = {}): Promise<Response> {
  const { outcome, detail } = refusal;
  logOutcome(scope, { outcome, status: REFUSALS[outcome].status, detail, decidedBy: decidedBy(refusal) });
  return respond(scope, refusal, options);
}

/** Answers a bug of ours: the caller learns an id, the log learns why. */
export async function answerError(scope: RequestScope, error: unknown): Promise<Response> {
  const isBug = error instanceof InvariantError;
  logOutcome(scope, { outcome: "internal", status: 500, detail: isBug ? "a broken promise" : "an unexpected error", error });
  return respond(scope, refuse("internal", "The gateway made a mistake; the instance names it to the operator."), {});
}

async function respond(scope: RequestScope, refusal: Refusal, { isCounted = false, ...options }: AnswerOptions): Promise<Response> {
  const { outcome, detail, errors } = refusal;
  const { status, title, ianaType }: OutcomeShape = REFUSALS[outcome];
  if (!isCounted) scope.isolate.countEdge(outcome);
  const { identifier } = scope;
  const timing = options.timing ?? timingOf(scope, refusal);
  const violated = identifier === undefined ? [] : violatedBy(refusal).map(({ kind }) => policyNameOf(kind, identifier));
  const body = {
    type: PROBLEM_PATH + outcome,
    title,
    status,
    detail,
    instance: await instanceOf(scope, accountOf(scope, refusal, timing)),
    ...(ianaType === undefined ? {} : { "iana-type": ianaType, "violated-policies": violated }),
    ...(errors === undefined ? {} : { errors }),
  };
  return new Response(JSON.stringify(body), { status, headers: headersOf(scope, refusal, timing) });
}

/** A pool's verdict is a call away; the edge's own is not. */
function timingOf({ startedAtMs }: RequestScope, refusal: Refusal): Timing {
  const place = decidedBy(refusal);
  return place === "pool" || place === "queue" ? { queueMs: refusal.queue?.waitMs ?? Date.now() - startedAtMs } : {};
}

function headersOf(scope: RequestScope, refusal: Refusal, timing: Timing): Headers {
  const { outcome, detail, proxyError, retryAfterMs, allow } = refusal;
  const { identifier } = scope;
  const headers = new Headers({ "content-type": "application/problem+json", "cache-control": "no-store" });
  // Details only to callers that are known.
  const details = identifier === undefined ? "" : `; details="${ascii(detail)}"`;
  headers.set("proxy-status", `${scope.env.GATEWAY_NAME}; error=${proxyError ?? REFUSALS[outcome].proxyError}${details}`);
  if (identifier !== undefined) identified(headers, identifier, { scope, refusal, timing });
  if (outcome === "unauthorized") headers.set("www-authenticate", challenge(scope, detail));
  if (allow !== undefined) headers.set("allow", allow.join(", "));
  if (outcome === "upgrade-required") headers.set("upgrade", "websocket");
  if (retryAfterMs !== undefined)
    headers.set("retry-after", String(retryAfterSeconds(retryAfterMs, identifier?.device ?? scope.requestId)));
  return headers;
}

/** What only a caller that is known is told: as whom it was seen, its limits, and where its time went. */
function identified(
  headers: Headers,
  identifier: AppliedIdentifier,
  { scope, refusal, timing }: { scope: RequestScope; refusal: Refusal; timing: Timing },
): void {
  headers.set("connection-identifier", formatConnectionIdentifier(identifier));
  const { latest } = scope.isolate.configuration;
  const quota = latest === null ? undefined : quotaOf(latest.configuration, identifier);
  const fields = {
    "ratelimit-policy": quota === undefined ? null : RATE_LIMIT.policies(policiesOf(quota), identifier),
    ratelimit: RATE_LIMIT.states(refusal.violated ?? [], identifier),
    "server-timing": formatServerTiming(timing, identifier.className) || null,
  };
  for (const [name, value] of Object.entries(fields)) if (value !== null) headers.set(name, value);
}

/** RFC 6750 §3: without a credential no error code, only how to bring one. */
function challenge({ request }: RequestScope, detail: string): string {
  const realm = 'Bearer realm="tidegate"';
  const hasCredential =
    request.headers.has("authorization") || (request.headers.get("sec-websocket-protocol") ?? "").includes("tidegate.bearer.");
  return hasCredential ? `${realm}, error="invalid_token", error_description="${ascii(detail)}"` : realm;
}

/** What a quoted string of a header can hold. */
function ascii(text: string): string {
  return text.replaceAll(/[^ !#-[\]-~]/g, "'").slice(0, 300);
}
