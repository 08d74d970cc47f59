import { Hono } from "hono";
import type { AppEnv } from "../app-env.ts";
import { thisIsolate } from "../isolate.ts";

/** `/livez`: the process answers. `/readyz`: it has a configuration to serve by. */
export const health = new Hono<AppEnv>()
  .get("/livez", (c) => c.text("ok\n", 200, { "cache-control": "no-store" }))
  .get("/readyz", async (c) => {
    const nowMs = Date.now();
    const version = await thisIsolate()
      .configuration.refresh(c.env, nowMs)
      .then(
        ({ snapshot }) => snapshot.version,
        () => null,
      );
    if (version === null) return c.text("not ready: the Registry does not answer\n", 503, { "cache-control": "no-store" });
    if (version === 0)
      return c.text("not ready: no configuration was applied yet (tidegate apply DIR)\n", 503, { "cache-control": "no-store" });
    return c.text("ok\n", 200, { "cache-control": "no-store" });
  });
