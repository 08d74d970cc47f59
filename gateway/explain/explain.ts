// From a refusal to the id under which it can be told later, and back.
import { REFUSALS, type DecisionPlace, type OutcomeShape } from "#shared/errors/outcomes.ts";
import { refuse, type Refusal } from "#shared/errors/refusal.ts";
import type { Account } from "#shared/explain/account.ts";
import type { QuotaState } from "#shared/protocol/quota-state.ts";
import type { Isolate } from "../isolate.ts";
import type { RequestScope } from "../request-scope.ts";
import type { Timing } from "../server-timing.ts";
import { importExplainKeys, type ExplainKey } from "./explain-keys.ts";
import { openAccount, sealAccount, type Opened } from "./seal.ts";

export const EXPLAIN_PATH = "/v1/explain";

/** What is known of a refusal when it is answered. */
export function accountOf(scope: RequestScope, refusal: Refusal, { queueMs }: Timing): Account {
  const { outcome, retryAfterMs, lease } = refusal;
  const { requestId, startedAtMs, identifier, isolate } = scope;
  const queue = refusal.queue ?? (queueMs === undefined ? undefined : { position: 0, length: 0, waitMs: queueMs });
  return {
    requestId,
    atMs: startedAtMs,
    outcome,
    decidedBy: decidedBy(refusal),
    elapsedMs: Date.now() - startedAtMs,
    configurationVersion: isolate.configuration.version,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(identifier === undefined ? {} : { identifier }),
    ...(queue === undefined ? {} : { queue }),
    ...(lease === undefined ? {} : { lease }),
    violated: violatedBy(refusal),
  };
}

export function decidedBy({ outcome, decidedBy: said }: Refusal): DecisionPlace {
  const { decidedBy: byNature = "edge" }: OutcomeShape = REFUSALS[outcome];
  return said ?? byNature;
}

/** The limits a refusal ran into: those it names, else the one that its outcome stands for, without numbers. */
export function violatedBy({ outcome, violated }: Refusal): readonly QuotaState[] {
  const { limit }: OutcomeShape = REFUSALS[outcome];
  return violated ?? (limit === undefined ? [] : [{ kind: limit, quota: 0, remaining: 0 }]);
}

/**
 * The problem's `instance`. The account sealed in the operator's address for it; without keys, or where sealing fails, the
 * id under which the log has the request. Never throws: an answer is on its way.
 */
export async function instanceOf(scope: RequestScope, account: Account): Promise<string> {
  try {
    const [key] = await explainKeysOf(scope);
    if (key !== undefined) return `${EXPLAIN_PATH}?id=${await sealAccount(account, key)}`;
  } catch (error) {
    console.warn(JSON.stringify({ level: "warn", event: "seal-failed", requestId: scope.requestId, error: String(error).slice(0, 500) }));
  }
  return `/requests/${scope.requestId}`;
}

export async function openInstance(scope: RequestScope, id: string): Promise<Opened> {
  const keys = await explainKeysOf(scope);
  if (keys.length === 0) return refuse("bad-instance", "This gateway has no EXPLAIN_KEYS, so it has sealed nothing.");
  return openAccount(id, keys);
}

/** Imported once per isolate. Each request imports for itself until then: one may not wait for another's promise here. */
async function explainKeysOf({ isolate, env }: { isolate: Isolate; env: RequestScope["env"] }): Promise<readonly ExplainKey[]> {
  isolate.explainKeys ??= env.EXPLAIN_KEYS === undefined ? [] : await importExplainKeys(env.EXPLAIN_KEYS);
  return isolate.explainKeys;
}
