import { Hono } from "hono";
import * as z from "zod";
import { refuse } from "#shared/errors/refusal.ts";
import { LIMITS } from "#shared/limits.ts";
import { REGISTRY_NAME } from "#shared/protocol/registry-rpc.ts";
import type { AppEnv } from "../app-env.ts";
import { operatorOnly } from "../middleware/operator-only.ts";
import { answerRefusal } from "../problem.ts";
import { readJson } from "../read-json.ts";
import { tellPools } from "../tell-pools.ts";

const applySchema = z.strictObject({
  documents: z
    .array(z.strictObject({ file: z.string().max(256), document: z.unknown() }))
    .max(LIMITS.serviceCountMax + LIMITS.tenantCountMax + 1),
});

/** The operator's API: what is applied, and applying the next version. */
export const operator = new Hono<AppEnv>()
  .use("/v1/config", operatorOnly)
  .get("/v1/config", async (c) => c.json(await registryOf(c.env).snapshot(-1)))
  .post("/v1/config", async (c) => {
    const body = await readJson(c.req.raw, 2 * LIMITS.configurationBytesMax);
    const parsed = applySchema.safeParse(body);
    if (!parsed.success) {
      return answerRefusal(
        c.var.scope,
        refuse("bad-configuration", 'Cannot apply: the body is not {"documents":[{"file","document"}]}, or is too large.'),
      );
    }
    const registry = registryOf(c.env);
    const before = await registry.snapshot(-1);
    const applied = await registry.apply(parsed.data.documents);
    if (applied.ok && applied.changed) {
      const after = await registry.snapshot(-1);
      const configurations = [before, after].flatMap((snapshot) => snapshot?.configuration ?? []);
      c.executionCtx.waitUntil(tellPools(c.env, configurations, applied.version));
    }
    if (applied.ok) return c.json({ version: applied.version, changed: applied.changed, warnings: applied.warnings });
    const detail = `The configuration has ${applied.errors.length} faults; the version in force stays.`;
    return answerRefusal(c.var.scope, refuse("bad-configuration", detail, { errors: applied.errors }));
  });

function registryOf(env: AppEnv["Bindings"]) {
  return env.REGISTRY.get(env.REGISTRY.idFromName(REGISTRY_NAME));
}
