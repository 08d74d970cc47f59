import { refuse, type Refusal } from "#shared/errors/refusal.ts";
import type { ActiveConfiguration } from "../configuration-cache.ts";
import { identify } from "../identity/identify.ts";
import { admit } from "../lease/admission.ts";
import { answerRefusal } from "../problem.ts";
import type { RequestScope } from "../request-scope.ts";
import { forward } from "../upstream/forward.ts";
import { readInboundHeaders, type InboundHeaders } from "../upstream/inbound-headers.ts";

export const FORWARD_PREFIX = "/s/";

/** fetch() cannot send these, and a proxy for single services has no use for them. */
const METHODS_REFUSED = new Set(["CONNECT", "TRACE", "TRACK"]);
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/** `/s/{service}/…`: verify, classify, admit, forward. */
export async function handleForward(scope: RequestScope, active: ActiveConfiguration, path: ServicePath): Promise<Response> {
  const inbound = readInboundHeaders(scope.request.headers);
  if (!inbound.ok) return answerRefusal(scope, inbound);
  const refused = checkForm(scope, inbound, path);
  if (refused !== null) return answerRefusal(scope, refused);
  const identifying = identify({
    inbound,
    service: path.service,
    active,
    audience: scope.env.GATEWAY_NAME,
    isolate: scope.isolate,
    nowMs: scope.startedAtMs,
  });
  if (identifying instanceof Promise) scope.hasWaited = true;
  const identified = identifying instanceof Promise ? await identifying : identifying;
  if (!identified.ok) return answerRefusal(scope, identified);
  const { identifier } = identified;
  scope.identifier = identifier;
  const service = active.snapshot.configuration.services[identifier.service];
  if (service === undefined) return answerRefusal(scope, refuse("unknown-service", `There is no service ${identifier.service} here.`));
  const admitting = admit({ scope, identifier, active, service });
  // A device that goes away ends its request's context at once, unless somebody still waits: then the slot is given back.
  if (admitting instanceof Promise) scope.ctx.waitUntil(admitting.catch(() => undefined));
  const admitted = admitting instanceof Promise ? await admitting : admitting;
  if (!admitted.ok) return answerRefusal(scope, admitted, { isCounted: admitted.decidedBy !== "edge" });
  const forwarding = forward({ scope, identifier, inbound, service, admitted, target: path.target });
  scope.ctx.waitUntil(forwarding);
  return forwarding;
}

function checkForm(
  { request, method }: RequestScope,
  { isUpgrade, contentLength }: InboundHeaders,
  { service }: ServicePath,
): Refusal | null {
  const isBodyOfGet = (method === "GET" || method === "HEAD") && contentLength !== 0 && request.body !== null;
  if (METHODS_REFUSED.has(method)) return refuse("wrong-method", `Method ${method} is not forwarded.`, { allow: METHODS });
  if (isBodyOfGet) return refuse("body-too-large", `A ${method} request may have no body here: more than 0 bytes.`);
  if (isUpgrade) return refuse("unknown-route", `Sockets are opened at /connect/${service}, not here.`);
  return null;
}

export interface ServicePath {
  readonly service: string;
  /** Path below the service and query; empty, or starting with / or ?. */
  readonly target: string;
}

/** workerd hands a request's path over as the device wrote it: what a parser would resolve is resolved before it is split. */
const UNRESOLVED = /(\.|%2e)(\.|%2e)|\\/i;

/** Splits `{prefix}{service}{target}` off a URL, without parsing the whole where that changes nothing. */
export function parseServicePath(rawUrl: string, prefix: string): ServicePath | null {
  const url = UNRESOLVED.test(rawUrl) ? new URL(rawUrl).href : rawUrl;
  const pathStart = url.indexOf("/", url.indexOf("://") + 3);
  if (pathStart === -1 || !url.startsWith(prefix, pathStart)) return null;
  const serviceStart = pathStart + prefix.length;
  const end = url.slice(serviceStart).search(/[/?#]/);
  const service = end === -1 ? url.slice(serviceStart) : url.slice(serviceStart, serviceStart + end);
  return service === "" ? null : { service, target: end === -1 ? "" : url.slice(serviceStart + end) };
}
