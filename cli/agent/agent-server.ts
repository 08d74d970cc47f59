// The agent's HTTP API: docs/capacity-agent.md. Whoever has no key learns nothing; every body, header and wait is bounded.
import { createHash, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { NAME_PATTERN } from "#shared/limits.ts";
import { AGENT_LIMITS, AGENT_PROBLEMS, readOrder, UNIT_ID_PATTERN } from "#shared/protocol/capacity-agent.ts";
import type { CapacityAnswer, CapacityRefusalReason } from "#shared/protocol/capacity-provider.ts";
import { KIB_BYTES, SECOND_MS } from "#shared/units.ts";
import type { ProcessAgent } from "./process-agent.ts";

type Problem =
  | { readonly ok: false; readonly reason: CapacityRefusalReason; readonly detail: string }
  | { readonly ok: false; readonly reason: keyof typeof REQUEST_PROBLEMS; readonly detail: string; readonly allow?: string };
type Answer = { readonly ok: true; readonly value: unknown } | Problem;

/** What can be wrong with a request, beside what a provider refuses. */
const REQUEST_PROBLEMS = {
  "bad-request": 400,
  "unknown-route": 404,
  "wrong-method": 405,
  "body-too-large": 413,
  internal: 500,
} as const;

const HEADER_BYTES_MAX = 8 * KIB_BYTES;
const CONNECTION_COUNT_MAX = 256;
const REQUEST_MS_MAX = 5 * SECOND_MS;

export function agentServer(agent: ProcessAgent, key: string): Server {
  const keyDigest = digestOf(key);
  const server = createServer(
    { maxHeaderSize: HEADER_BYTES_MAX, headersTimeout: REQUEST_MS_MAX, requestTimeout: REQUEST_MS_MAX, keepAliveTimeout: 60 * SECOND_MS },
    (request, response) => {
      answerOf(agent, keyDigest, request).then(
        (answer) => send(response, answer),
        () => send(response, problem("internal", "the agent made a mistake")),
      );
    },
  );
  server.maxConnections = CONNECTION_COUNT_MAX;
  return server;
}

async function answerOf(agent: ProcessAgent, keyDigest: Buffer, request: IncomingMessage): Promise<Answer> {
  const [path = "", query] = (request.url ?? "/").split("?", 2);
  if (path === "/livez") return { ok: true, value: { live: true } };
  const credential = /^bearer +(\S+) *$/i.exec(request.headers.authorization ?? "")?.[1];
  // Digests: neither length nor prefix of the key shows in the time that it takes.
  if (credential === undefined || !timingSafeEqual(digestOf(credential), keyDigest))
    return problem("unauthorized", "the credential is missing or wrong, expected Authorization: Bearer <the agent's key>");
  const [, version, resource, unitId, verb, ...rest] = path.split("/");
  if (version !== "v1" || rest.length > 0) return unknownRoute(path);
  if (resource === "offers" && unitId === undefined) return only(request, { GET: () => ({ ok: true, value: { offers: agent.offers() } }) });
  if (resource !== "units") return unknownRoute(path);
  if (unitId === undefined) return only(request, { GET: () => unitsOf(agent, new URLSearchParams(query)) });
  if (!UNIT_ID_PATTERN.test(unitId)) return problem("bad-request", "the unit's name is wrong, expected a-z, 0-9 and -, at most 100 long");
  if (verb === "start") return only(request, { POST: () => agent.start(unitId) });
  if (verb === "drain") return only(request, { POST: () => agent.drain(unitId) });
  if (verb !== undefined) return unknownRoute(path);
  return only(request, { PUT: () => reserve(agent, unitId, request), DELETE: () => agent.stop(unitId) });
}

function unitsOf(agent: ProcessAgent, query: URLSearchParams): Answer {
  const service = query.get("service");
  if (service !== null && !NAME_PATTERN.test(service))
    return problem("bad-request", "service is not a service's name, expected ?service=NAME");
  return { ok: true, value: { units: service === null ? agent.all : agent.units(service) } };
}

async function reserve(agent: ProcessAgent, unitId: string, request: IncomingMessage): Promise<Answer> {
  const body = await bodyOf(request);
  if (body === null) return problem("body-too-large", `the body is longer than ${AGENT_LIMITS.bodyBytesMax} bytes`);
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return problem("bad-request", "the body is not JSON, expected an order");
  }
  const order = readOrder(unitId, json);
  return order.ok ? agent.reserve(order.value) : problem("bad-request", `Cannot read the order: ${order.fault}`);
}

async function only(
  request: IncomingMessage,
  methods: Readonly<Record<string, () => Answer | CapacityAnswer<unknown> | Promise<Answer>>>,
): Promise<Answer> {
  const { method = "" } = request;
  const handle = Object.hasOwn(methods, method) ? methods[method] : undefined;
  if (handle !== undefined) return handle();
  const allow = Object.keys(methods).join(", ");
  return { ok: false, reason: "wrong-method", detail: `the method is ${method}, expected ${allow}`, allow };
}

/** Null: too long. Also a connection that breaks off ends it, as an error. */
async function bodyOf(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > AGENT_LIMITS.bodyBytesMax) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function send(response: ServerResponse, answer: Answer): void {
  if (answer.ok) {
    if (answer.value === null) response.writeHead(204).end();
    else response.writeHead(200, { "content-type": "application/json", "cache-control": "no-store" }).end(JSON.stringify(answer.value));
    return;
  }
  const { reason, detail } = answer;
  const status =
    reason in AGENT_PROBLEMS ? AGENT_PROBLEMS[reason as CapacityRefusalReason] : REQUEST_PROBLEMS[reason as keyof typeof REQUEST_PROBLEMS];
  response
    .writeHead(status, {
      "content-type": "application/problem+json",
      "cache-control": "no-store",
      ...(reason === "unauthorized" ? { "www-authenticate": 'Bearer realm="capacity agent"' } : {}),
      ...("allow" in answer && answer.allow !== undefined ? { allow: answer.allow } : {}),
      // The rest of what it sends is not read.
      ...(reason === "body-too-large" ? { connection: "close" } : {}),
    })
    .end(JSON.stringify({ type: `/problems/${reason}`, title: TITLES[reason], status, detail }));
}

const TITLES: Readonly<Record<Problem["reason"], string>> = {
  "unknown-offer": "That is not sold here",
  "out-of-capacity": "Nothing is left of it",
  "too-dear": "It is dearer than what would be paid",
  conflict: "The unit is not in a state for that",
  unauthorized: "The credential is missing or wrong",
  unavailable: "The agent cannot answer now",
  "bad-request": "The request is malformed",
  "unknown-route": "There is no such route",
  "wrong-method": "The route has other methods",
  "body-too-large": "The body is too long",
  internal: "The agent made a mistake",
};

function problem(reason: Problem["reason"], detail: string): Problem {
  return { ok: false, reason, detail };
}

function unknownRoute(path: string): Problem {
  return problem("unknown-route", `${path.slice(0, 100)} is no route, expected /v1/offers or /v1/units`);
}

function digestOf(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
