import type { DecisionPlace, Outcome } from "#shared/errors/outcomes.ts";
import type { AppliedIdentifier } from "#shared/identifier/entitlement.ts";
import type { GatewayEnv } from "./gateway-env.ts";
import { thisIsolate, type Isolate } from "./isolate.ts";

/** What belongs to one request and ends with it. */
export interface RequestScope {
  readonly requestId: string;
  readonly startedAtMs: number;
  readonly request: Request;
  /** The request's own, read once: each reading crosses into the runtime. */
  readonly method: string;
  readonly url: string;
  readonly env: GatewayEnv;
  readonly ctx: ExecutionContext;
  readonly isolate: Isolate;
  /** It has waited for something: its `startedAtMs` is no longer now. */
  hasWaited: boolean;
  /** Known from classification on. */
  identifier?: AppliedIdentifier;
}

/** `url`: the request's own. */
export function openScope({ request, url, env, ctx }: Pick<RequestScope, "request" | "url" | "env" | "ctx">): RequestScope {
  const isolate = thisIsolate();
  const startedAtMs = Date.now();
  return { requestId: isolate.nextRequestId(), startedAtMs, request, method: request.method, url, env, ctx, isolate, hasWaited: false };
}

export interface LogEntry {
  readonly outcome: Outcome;
  readonly status: number;
  readonly detail: string;
  readonly decidedBy?: DecisionPlace;
  readonly error?: unknown;
}

/**
 * One line for each refusal and failure; served requests are counted, not logged. No header, no query and no
 * token ever gets here.
 */
export function logOutcome(scope: RequestScope, entry: LogEntry): void {
  const { identifier, requestId, startedAtMs, method, url } = scope;
  const line = {
    time: new Date(startedAtMs).toISOString(),
    level: entry.status >= 500 ? "error" : "info",
    requestId,
    outcome: entry.outcome,
    status: entry.status,
    ...(entry.decidedBy === undefined ? {} : { decidedBy: entry.decidedBy }),
    method,
    path: pathOf(url).slice(0, 200),
    ...(identifier === undefined
      ? {}
      : { service: identifier.service, tenant: identifier.tenant, device: identifier.device, class: identifier.className }),
    detail: entry.detail,
    ...(entry.error instanceof Error ? { error: `${entry.error.name}: ${entry.error.message}`.slice(0, 500) } : {}),
  };
  console.log(JSON.stringify(line));
}

/** Path without query, from the first slash after the authority. */
export function pathOf(url: string): string {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  const query = url.indexOf("?", start);
  return query === -1 ? url.slice(start) : url.slice(start, query);
}
