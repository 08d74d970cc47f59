// What can become of a request, in one table: status, title, and the Proxy-Status error of RFC 9209.
// The public sentence is the title; the detail of one refusal is written where it is decided.

import type { QuotaKind } from "../protocol/quota-state.ts";

/**
 * Where a decision fell: in the isolate from the request alone; there on the pool's last word (its lease); in the pool; in
 * its queue; in the Shard object; after the request had gone to its endpoint.
 */
export const DECISION_PLACES = ["edge", "lease", "pool", "queue", "shard", "endpoint"] as const;
export type DecisionPlace = (typeof DECISION_PLACES)[number];

export interface OutcomeShape {
  readonly status: number;
  readonly title: string;
  /** RFC 9209 §2.3; absent where the proxy did nothing but serve. */
  readonly proxyError: string;
  /** Where it is decided unless the refusal says otherwise; absent: at the edge. */
  readonly decidedBy?: DecisionPlace;
  /** The limit that it ran into unless the refusal says otherwise. */
  readonly limit?: QuotaKind;
  /** The problem type that draft-ietf-httpapi-ratelimit-headers-10 registers for it. */
  readonly ianaType?: string;
}

const IANA_PROBLEM_TYPES = "https://iana.org/assignments/http-problem-types#";
const QUOTA_EXCEEDED = `${IANA_PROBLEM_TYPES}quota-exceeded`;
const REDUCED_CAPACITY = `${IANA_PROBLEM_TYPES}temporary-reduced-capacity`;

/** Served: the status is the endpoint's own. */
export const ADMITTED = ["admitted-local", "admitted-queued"] as const;

export const REFUSALS = {
  "rejected-quota": {
    status: 429,
    title: "You, your tenant or your class is over its limit",
    proxyError: "http_request_error",
    decidedBy: "pool",
    ianaType: QUOTA_EXCEEDED,
  },
  "rejected-capacity": {
    status: 503,
    title: "The service has no slot for you before your deadline",
    proxyError: "connection_limit_reached",
    decidedBy: "pool",
    limit: "capacity",
    ianaType: REDUCED_CAPACITY,
  },
  "rejected-queue-full": {
    status: 503,
    title: "The queue for your flow is full",
    proxyError: "connection_limit_reached",
    decidedBy: "queue",
    limit: "queue",
    ianaType: REDUCED_CAPACITY,
  },
  "expired-in-queue": {
    status: 503,
    title: "Your deadline passed while you waited",
    proxyError: "connection_limit_reached",
    decidedBy: "queue",
    limit: "capacity",
    ianaType: REDUCED_CAPACITY,
  },
  "no-endpoint": {
    status: 503,
    title: "Every endpoint of the service is down or drained",
    proxyError: "destination_unavailable",
    decidedBy: "pool",
  },
  unauthorized: { status: 401, title: "The credential is missing or not valid", proxyError: "http_request_denied" },
  forbidden: { status: 403, title: "The credential does not entitle to this", proxyError: "http_request_denied" },
  "bad-request": { status: 400, title: "The request is malformed", proxyError: "http_request_error" },
  "bad-identifier": { status: 400, title: "The connection identifier cannot be understood", proxyError: "http_request_error" },
  "unknown-service": { status: 404, title: "There is no such service", proxyError: "destination_not_found" },
  "unknown-route": { status: 404, title: "There is no such route", proxyError: "http_request_error" },
  "wrong-method": { status: 405, title: "The route does not take this method", proxyError: "http_request_error" },
  "upgrade-required": { status: 426, title: "The route opens a WebSocket", proxyError: "http_request_error" },
  "headers-too-large": { status: 431, title: "The request's headers are too large", proxyError: "http_request_error" },
  "body-too-large": { status: 413, title: "The request's body is too large", proxyError: "http_request_error" },
  "body-aborted": { status: 400, title: "The request's body broke off", proxyError: "http_request_error" },
  /** Nobody is left to read it; the status is nginx's convention, for the log. */
  cancelled: { status: 499, title: "The device went away", proxyError: "http_request_error" },
  "bad-instance": { status: 400, title: "The problem's instance cannot be opened", proxyError: "http_request_error" },
  "bad-configuration": { status: 422, title: "The configuration was refused; nothing changed", proxyError: "http_request_error" },
  internal: { status: 500, title: "The gateway made a mistake", proxyError: "proxy_internal_error" },
  "upstream-timeout": {
    status: 504,
    title: "The endpoint did not answer in time",
    proxyError: "http_response_timeout",
    decidedBy: "endpoint",
  },
  "upstream-failed": { status: 502, title: "The endpoint failed", proxyError: "connection_terminated", decidedBy: "endpoint" },
} as const satisfies Readonly<Record<string, OutcomeShape>>;

export type AdmittedOutcome = (typeof ADMITTED)[number];
export type RefusalOutcome = keyof typeof REFUSALS;
export type Outcome = AdmittedOutcome | RefusalOutcome;

export function isRefusalOutcome(text: string): text is RefusalOutcome {
  return Object.hasOwn(REFUSALS, text);
}
