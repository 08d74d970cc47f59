// A request's whole way, in order. The two device routes are taken before the router: they carry the load.
import { Hono } from "hono";
import { refuse } from "#shared/errors/refusal.ts";
import type { AppEnv } from "./app-env.ts";
import type { GatewayEnv } from "./gateway-env.ts";
import { answerError, answerRefusal } from "./problem.ts";
import { openScope, pathOf, type RequestScope } from "./request-scope.ts";
import { CONNECT_PREFIX, handleConnect } from "./routes/connect.ts";
import { FORWARD_PREFIX, handleForward, parseServicePath } from "./routes/forward.ts";
import { drain, DRAIN_PATH } from "./routes/drain.ts";
import { explain } from "./routes/explain.ts";
import { health } from "./routes/health.ts";
import { history, HISTORY_PATH } from "./routes/history.ts";
import { metrics } from "./routes/metrics.ts";
import { operator } from "./routes/operator.ts";
import { problems } from "./routes/problems.ts";
import { push } from "./routes/push.ts";
import { report, REPORT_PATH } from "./routes/report.ts";
import { topics, TOPICS_PATH } from "./routes/topics.ts";

const DEVICE_ROUTES = [
  { prefix: FORWARD_PREFIX, handle: handleForward },
  { prefix: CONNECT_PREFIX, handle: handleConnect },
] as const;

const router = new Hono<AppEnv>()
  .use(async (c, next) => {
    c.set("scope", openScope({ request: c.req.raw, url: c.req.raw.url, env: c.env, ctx: c.executionCtx as ExecutionContext }));
    await next();
  })
  .route("/", health)
  .route("/", metrics)
  .route("/", operator)
  .route("/", explain)
  .route("/", drain)
  .route("/", history)
  .route("/", problems)
  .route("/", push)
  .route("/", topics)
  .route("/", report)
  .notFound((c) => answerRefusal(c.var.scope, refuseUnknown(c.req.raw)))
  .onError((error, c) => answerError(c.var.scope, error));

/** Routes of the router and their methods, for an honest `Allow`. */
const METHODS_OF: Readonly<Record<string, readonly string[]>> = {
  "/livez": ["GET", "HEAD"],
  "/readyz": ["GET", "HEAD"],
  "/metrics": ["GET", "HEAD"],
  "/v1/config": ["GET", "HEAD", "POST"],
  "/v1/explain": ["GET", "HEAD"],
  [DRAIN_PATH]: ["GET", "HEAD", "POST", "DELETE"],
  [HISTORY_PATH]: ["POST"],
  "/v1/push": ["POST"],
  [TOPICS_PATH]: ["POST"],
  [REPORT_PATH]: ["POST"],
};

export const app = {
  async fetch(request: Request, env: GatewayEnv, ctx: ExecutionContext): Promise<Response> {
    const { url } = request;
    for (const { prefix, handle } of DEVICE_ROUTES) {
      const path = parseServicePath(url, prefix);
      if (path === null) continue;
      const scope = openScope({ request, url, env, ctx });
      try {
        const active = activeConfiguration(scope);
        scope.hasWaited = active instanceof Promise;
        return await handle(scope, active instanceof Promise ? await active : active, path);
      } catch (error) {
        return answerError(scope, error);
      }
    }
    return router.fetch(request, env, ctx);
  },
};

function activeConfiguration({ isolate, startedAtMs, env, ctx }: RequestScope) {
  return isolate.configuration.current(startedAtMs, env, ctx) ?? isolate.configuration.refresh(env, startedAtMs);
}

function refuseUnknown(request: Request) {
  const path = pathOf(request.url);
  const allow = METHODS_OF[path];
  if (allow !== undefined) return refuse("wrong-method", `${path} does not take ${request.method}.`, { allow });
  return refuse(
    "unknown-route",
    "There is no such route: expected /s/{service}/…, /connect/{service}, /v1/config, /v1/explain, /v1/drain, /v1/history, /v1/push, /v1/topics, /v1/report, /metrics, /livez or /readyz.",
  );
}
