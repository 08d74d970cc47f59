// The one place where a refusal or an error becomes a response: status, problem+json (RFC 9457), Proxy-Status
// (RFC 9209), Retry-After and WWW-Authenticate say the same thing.
import { InvariantError } from "#shared/assert.ts";
import { REFUSALS } from "#shared/errors/outcomes.ts";
import { refuse, type Refusal } from "#shared/errors/refusal.ts";
import { formatConnectionIdentifier } from "#shared/identifier/connection-identifier.ts";
import { retryAfterSeconds } from "#shared/protocol/retry-after.ts";
import { logOutcome, type RequestScope } from "./request-scope.ts";

export const PROBLEM_PATH = "/problems/";

/** Answers a refusal, with one log line. `isCounted`: a pool has counted it already. */
export function answerRefusal(scope: RequestScope, refusal: Refusal, { isCounted = false }: { isCounted?: boolean } = {}): Response {
  const { outcome, detail } = refusal;
  const { status, title } = REFUSALS[outcome];
  if (!isCounted) scope.isolate.countEdge(outcome);
  logOutcome(scope, { outcome, status, detail });
  const body = {
    type: PROBLEM_PATH + outcome,
    title,
    status,
    detail,
    instance: `/requests/${scope.requestId}`,
    ...(refusal.errors === undefined ? {} : { errors: refusal.errors }),
  };
  return new Response(JSON.stringify(body), { status, headers: headersOf(scope, refusal) });
}

/** Answers a bug of ours: the caller learns an id, the log learns why. */
export function answerError(scope: RequestScope, error: unknown): Response {
  const isBug = error instanceof InvariantError;
  logOutcome(scope, { outcome: "internal", status: 500, detail: isBug ? "a broken promise" : "an unexpected error", error });
  scope.isolate.countEdge("internal");
  const refusal = refuse("internal", "The gateway made a mistake; the instance names it in the operator's log.");
  const { status, title } = REFUSALS.internal;
  const body = { type: `${PROBLEM_PATH}internal`, title, status, detail: refusal.detail, instance: `/requests/${scope.requestId}` };
  return new Response(JSON.stringify(body), { status, headers: headersOf(scope, refusal) });
}

function headersOf(scope: RequestScope, { outcome, detail, proxyError, retryAfterMs, allow }: Refusal): Headers {
  const headers = new Headers({ "content-type": "application/problem+json", "cache-control": "no-store" });
  // Details only to callers that are known.
  const details = scope.identifier === undefined ? "" : `; details="${ascii(detail)}"`;
  headers.set("proxy-status", `${scope.env.GATEWAY_NAME}; error=${proxyError ?? REFUSALS[outcome].proxyError}${details}`);
  if (scope.identifier !== undefined) headers.set("connection-identifier", formatConnectionIdentifier(scope.identifier));
  if (outcome === "unauthorized") headers.set("www-authenticate", challenge(scope, detail));
  if (allow !== undefined) headers.set("allow", allow.join(", "));
  if (outcome === "upgrade-required") headers.set("upgrade", "websocket");
  if (retryAfterMs !== undefined)
    headers.set("retry-after", String(retryAfterSeconds(retryAfterMs, scope.identifier?.device ?? scope.requestId)));
  return headers;
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
