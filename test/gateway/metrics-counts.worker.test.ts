import { Hono } from "hono";
import { expect, it } from "vitest";
import type { AppEnv } from "#gateway/app-env.ts";
import { Isolate } from "#gateway/isolate.ts";
import type { RequestScope } from "#gateway/request-scope.ts";
import { metrics } from "#gateway/routes/metrics.ts";
import type { Telemetry } from "#shared/protocol/telemetry.ts";

/** A gateway with two services, of which the named one's pool does not answer, that has refused something at the edge; and what a pool was told. */
function scraped(away: "first" | "second") {
  const isolate = new Isolate("h");
  isolate.countEdge("unauthorized");
  isolate.countEdge("unauthorized");
  const configuration = { services: { first: {}, second: {} }, tenants: {} };
  Object.assign(isolate.configuration, { refresh: async () => Promise.resolve({ snapshot: { version: 1, configuration } }) });
  const told: unknown[] = [];
  const stats = async (service: string, _version: number, telemetry?: Telemetry): Promise<never> => {
    if (telemetry !== undefined && service !== away) told.push(telemetry.edge);
    return service === away ? Promise.reject(new Error("The pool is away.")) : Promise.resolve({} as never);
  };
  const env = { IS_LOOPBACK: "true", POOL: { idFromName: (name: string) => name, get: () => ({ stats }) } };
  const app = new Hono<AppEnv>()
    .use(async (c, next) => {
      c.set("scope", { isolate, startedAtMs: 0, env: c.env } as unknown as RequestScope);
      await next();
    })
    .route("/", metrics)
    .onError((_, c) => c.text("", 500));
  const scrape = async (): Promise<number> => (await app.request("/metrics", {}, env)).status;
  return { isolate, told, scrape };
}

it.for([
  { away: "second", counted: [{ unauthorized: 2 }], left: {} },
  { away: "first", counted: [], left: { unauthorized: 2 } },
] as const)("what an isolate refused is told once, whichever pool does not answer: the $away", async ({ away, counted, left }) => {
  const { isolate, told, scrape } = scraped(away);
  for (const _ of [1, 2, 3]) expect(await scrape()).toBe(500);
  expect(told.filter((edge) => Object.keys(edge as object).length > 0)).toEqual(counted);
  expect(isolate.takeEdgeCounts()).toEqual(left);
});
