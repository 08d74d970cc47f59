import { Hono } from "hono";
import { REFUSALS } from "#shared/errors/outcomes.ts";
import { nameOf, type Account } from "#shared/explain/account.ts";
import { policyNameOf } from "#shared/protocol/quota-state.ts";
import type { Snapshot } from "#shared/protocol/registry-rpc.ts";
import type { AppEnv } from "../app-env.ts";
import { EXPLAIN_PATH, openInstance } from "../explain/explain.ts";
import { operatorOnly } from "../middleware/operator-only.ts";
import { answerRefusal } from "../problem.ts";

/**
 * `GET /v1/explain?id=…`: the account that a problem's `instance` carries. Nothing is looked up but the names that the id had
 * no room for. The id may stand in the query: whoever has it learns nothing from it without the operator's credential.
 */
export const explain = new Hono<AppEnv>().use(EXPLAIN_PATH, operatorOnly).get(EXPLAIN_PATH, async (c) => {
  const { scope } = c.var;
  const opened = await openInstance(scope, c.req.query("id") ?? "");
  if (!opened.ok) return answerRefusal(scope, opened);
  // Only for the names: what was decided is told though the Registry does not answer.
  const active = await scope.isolate.configuration.refresh(c.env, scope.startedAtMs).catch(() => null);
  return c.json(tell(opened.account, active?.snapshot ?? null), 200, { "cache-control": "no-store" });
});

function tell({ identifier, violated, atMs, ...account }: Account, snapshot: Snapshot | null) {
  const { status, title } = REFUSALS[account.outcome];
  const { classes = {}, services = {}, tenants = {} } = snapshot?.configuration ?? {};
  const whole =
    identifier === undefined
      ? undefined
      : {
          service: nameOf(identifier.service, Object.keys(services)),
          tenant: nameOf(identifier.tenant, Object.keys(tenants)),
          className: nameOf(identifier.className, Object.keys(classes)),
          device: nameOf(identifier.device, []),
          urgency: identifier.urgency,
        };
  return {
    ...account,
    at: new Date(atMs).toISOString(),
    status,
    title,
    ...(whole === undefined ? {} : { identifier: whole }),
    violated: violated.map((state) => ({ ...(whole === undefined ? {} : { policy: policyNameOf(state.kind, whole) }), ...state })),
    configurationVersionNow: snapshot?.version ?? null,
  };
}
