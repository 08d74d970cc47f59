import { Hono } from "hono";
import * as z from "zod";
import type { ConfigurationFault } from "#shared/config/faults.ts";
import { refuse } from "#shared/errors/refusal.ts";
import { LIMITS } from "#shared/limits.ts";
import { REGISTRY_NAME } from "#shared/protocol/registry-rpc.ts";
import type { AppEnv } from "../app-env.ts";
import { operatorOnly } from "../middleware/operator-only.ts";
import { answerRefusal } from "../problem.ts";
import { readJson, TOO_LARGE } from "../read-json.ts";
import type { RequestScope } from "../request-scope.ts";
import { tellPools } from "../tell-pools.ts";

/** What is kept has no notes and no spaces, and may have more for its defaults. */
const BODY_BYTES_MAX = 2 * LIMITS.configurationBytesMax;
const DOCUMENT_COUNT_MAX = LIMITS.serviceCountMax + LIMITS.tenantCountMax + 1;

const applySchema = z.strictObject({
  documents: z.array(z.strictObject({ file: z.string().max(256), document: z.unknown() })).max(DOCUMENT_COUNT_MAX),
});

/** The operator's API: what is applied, and applying the next version. */
export const operator = new Hono<AppEnv>()
  .use("/v1/config", operatorOnly)
  .get("/v1/config", async (c) => c.json(await registryOf(c.env).snapshot(-1), 200, { "cache-control": "no-store" }))
  .post("/v1/config", async (c) => {
    const body = await readJson(c.req.raw, BODY_BYTES_MAX);
    const parsed = applySchema.safeParse(body);
    if (!parsed.success) {
      const found =
        body === TOO_LARGE
          ? `has more than ${BODY_BYTES_MAX} bytes`
          : `is not {"documents":[{"file","document"}]}, of at most ${DOCUMENT_COUNT_MAX} documents`;
      return answerRefusal(c.var.scope, refuse("bad-configuration", `Cannot apply: the body ${found}.`));
    }
    const tooDeep = parsed.data.documents.filter(({ document }) => isDeeperThan(document, LIMITS.configurationDepthMax));
    if (tooDeep.length > 0) {
      const message = `is nested too deep, expected at most ${LIMITS.configurationDepthMax} levels`;
      return answerFaults(
        c.var.scope,
        tooDeep.map(({ file }) => ({ file, path: [], message })),
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
    return answerFaults(c.var.scope, applied.errors);
  });

async function answerFaults(scope: RequestScope, errors: readonly ConfigurationFault[]): Promise<Response> {
  const count = errors.length === 1 ? "1 fault" : `${errors.length} faults`;
  const detail = `The configuration has ${count}; the version in force stays.`;
  return answerRefusal(scope, refuse("bad-configuration", detail, { errors }));
}

/** Looks no deeper than that: a document may have as many levels as it has bytes, and a stack has not. */
function isDeeperThan(value: unknown, depthMax: number): boolean {
  return (
    typeof value === "object" && value !== null && (depthMax === 0 || Object.values(value).some((at) => isDeeperThan(at, depthMax - 1)))
  );
}

function registryOf(env: AppEnv["Bindings"]) {
  return env.REGISTRY.get(env.REGISTRY.idFromName(REGISTRY_NAME));
}
