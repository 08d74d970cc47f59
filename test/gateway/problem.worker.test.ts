// One decision, one reason: whatever the outcome, status, body, headers, count, log and account say the same.
import { env } from "cloudflare:workers";
import { parseDictionary, parseItem, parseList, Token } from "structured-headers";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { GatewayEnv } from "#gateway/gateway-env.ts";
import { importExplainKeys } from "#gateway/explain/explain-keys.ts";
import { openAccount } from "#gateway/explain/seal.ts";
import { Isolate } from "#gateway/isolate.ts";
import { answerError, answerRefusal } from "#gateway/problem.ts";
import type { RequestScope } from "#gateway/request-scope.ts";
import { InvariantError } from "#shared/assert.ts";
import { REFUSALS, type OutcomeShape, type RefusalOutcome } from "#shared/errors/outcomes.ts";
import { refuse, type Refusal } from "#shared/errors/refusal.ts";
import { retryAfterSeconds } from "#shared/protocol/retry-after.ts";
import { REGISTRY_NAME } from "#shared/protocol/registry-rpc.ts";
import { documentsOf } from "../support/worker/configuration.ts";

const KEYS = "1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const IDENTIFIER = { service: "echo", tenant: "acme", className: "gold", device: "d-17", urgency: 1, incremental: false };
const HOLDER = "00112233445566778899";
const OUTCOMES = (Object.keys(REFUSALS) as RefusalOutcome[]).map((outcome) => ({ outcome }));

const isolate = new Isolate(HOLDER);
const lines: Record<string, unknown>[] = [];

beforeAll(async () => {
  const documents = documentsOf([{ service: "echo", capacity: 10 }]).map(({ file, document }) =>
    file === "tenants/acme.yaml"
      ? { file, document: { ...(document as object), services: { echo: { gold: { slots: 25, ratePerSecond: 10, burst: 100 } } } } }
      : { file, document },
  );
  const applied = await env.REGISTRY.get(env.REGISTRY.idFromName(REGISTRY_NAME)).apply(documents);
  expect(applied).toMatchObject({ ok: true });
  await isolate.configuration.refresh(env, Date.now());
  vi.spyOn(console, "log").mockImplementation((line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>));
});
afterEach(() => {
  lines.length = 0;
  isolate.takeEdgeCounts();
});

function scopeOf({ isKnown = true, keys = KEYS }: { isKnown?: boolean; keys?: string | null } = {}): RequestScope {
  const request = new Request("https://gateway.example/s/echo/x?secret=1", { headers: { authorization: "Bearer x" } });
  return {
    requestId: isolate.nextRequestId(),
    startedAtMs: Date.now(),
    request,
    method: request.method,
    url: request.url,
    env: { GATEWAY_NAME: "tidegate", ...(keys === null ? {} : { EXPLAIN_KEYS: keys }) } as unknown as GatewayEnv,
    ctx: {} as ExecutionContext,
    isolate,
    hasWaited: false,
    ...(isKnown ? { identifier: IDENTIFIER } : {}),
  };
}

function tokenOf(item: unknown): string | null {
  return item instanceof Token ? item.toString() : null;
}

/** Every place where an answer says why. */
async function read(response: Response) {
  const body = await response.json<Record<string, unknown> & { instance: string }>();
  const [proxy, proxyParameters] = parseItem(response.headers.get("proxy-status") ?? "");
  const id = /^\/v1\/explain\?id=([\w-]+)$/.exec(body.instance)?.[1];
  const opened = id === undefined ? null : await openAccount(id, await importExplainKeys(KEYS));
  return {
    status: response.status,
    body,
    proxy: { name: tokenOf(proxy), error: tokenOf(proxyParameters.get("error")), details: proxyParameters.get("details") },
    account: opened?.ok === true ? opened.account : null,
    counts: isolate.takeEdgeCounts() ?? {},
    log: lines[0] ?? {},
  };
}

describe.for(OUTCOMES)("$outcome", ({ outcome }) => {
  const shape: OutcomeShape = REFUSALS[outcome];
  const refusal: Refusal = refuse(outcome, `Because of ${outcome}.`, { retryAfterMs: 2_500 });

  it("is the same in status, body, Proxy-Status, Retry-After, count, log and account", async () => {
    const scope = scopeOf();
    const response = await answerRefusal(scope, refusal);
    const said = await read(response);
    expect(said).toMatchObject({
      status: shape.status,
      body: { type: `/problems/${outcome}`, title: shape.title, status: shape.status, detail: refusal.detail },
      proxy: { name: "tidegate", error: shape.proxyError, details: refusal.detail },
      account: {
        outcome,
        requestId: scope.requestId,
        retryAfterMs: 2_500,
        configurationVersion: 1,
        identifier: { service: "echo", tenant: "acme", className: "gold", device: "d-17", urgency: 1 },
      },
      counts: { [outcome]: 1 },
      log: { outcome, status: shape.status, detail: refusal.detail, requestId: scope.requestId, tenant: "acme" },
    });
    expect(said.log["decidedBy"]).toBe(said.account?.decidedBy);
    expect(Number(response.headers.get("retry-after"))).toBe(retryAfterSeconds(2_500, "d-17"));
    expect(lines).toHaveLength(1);
  });

  it("tells nobody who is not known more than that", async () => {
    const response = await answerRefusal(scopeOf({ isKnown: false }), refusal);
    for (const name of ["connection-identifier", "ratelimit", "ratelimit-policy", "server-timing"])
      expect(response.headers.get(name)).toBeNull();
    const { proxy, account, body } = await read(response);
    expect(proxy.details).toBeUndefined();
    expect(account?.identifier).toBeUndefined();
    expect(body["violated-policies"] ?? []).toEqual([]);
  });

  it("names its limit as the draft has it, where it is about one", async () => {
    const { body, account } = await read(await answerRefusal(scopeOf(), refusal));
    expect(body["iana-type"]).toBe(shape.ianaType);
    const named = shape.limit === undefined ? [] : [shape.limit === "capacity" ? "echo-capacity" : `gold-${shape.limit}`];
    expect(body["violated-policies"]).toEqual(shape.ianaType === undefined ? undefined : named);
    expect(account?.violated.map(({ kind }) => kind)).toEqual(shape.limit === undefined ? [] : [shape.limit]);
  });
});

describe("a refusal for a limit", () => {
  const refusal = refuse("rejected-quota", "Tenant acme has used its rate of gold.", {
    retryAfterMs: 400,
    decidedBy: "lease",
    violated: [{ kind: "rate", quota: 100, windowMs: 10_000, remaining: 0, resetAfterMs: 400 }],
    lease: { slots: 5, running: 2, tokens: 0, expiresInMs: 1_500 },
  });

  it("has one set of numbers in RateLimit, RateLimit-Policy, body and account", async () => {
    const response = await answerRefusal(scopeOf(), refusal);
    const [[policy, state]] = parseList(response.headers.get("ratelimit") ?? "") as unknown as [[string, Map<string, unknown>]];
    expect([policy, state.get("r"), state.get("t")]).toEqual(["gold-rate", 0, 1]);
    const policies = parseList(response.headers.get("ratelimit-policy") ?? "").map(([name, of]) => [
      name,
      of.get("q"),
      of.get("w"),
      of.get("qu"),
    ]);
    expect(policies).toEqual([
      ["gold-rate", 100, 10, undefined],
      ["gold-slots", 25, undefined, "concurrent-requests"],
    ]);
    const { body, account } = await read(response);
    expect(body).toMatchObject({
      "iana-type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
      "violated-policies": ["gold-rate"],
    });
    expect(account).toMatchObject({ decidedBy: "lease", violated: refusal.violated, lease: refusal.lease });
    expect(Number(response.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    // Nothing crossed I/O.
    expect(response.headers.get("server-timing")).toBeNull();
  });

  it("tells where its time went when it waited, the same in Server-Timing and account", async () => {
    const waited = refuse("expired-in-queue", "The deadline passed.", { queue: { position: 3, length: 12, waitMs: 250 } });
    const response = await answerRefusal(scopeOf(), waited);
    expect(response.headers.get("server-timing")).toBe('queue;dur=250;desc="gold"');
    expect((await read(response)).account).toMatchObject({ decidedBy: "queue", queue: waited.queue });
  });
});

describe("an answer", () => {
  it("of a bug has an account, and says nothing of the bug", async () => {
    const response = await answerError(scopeOf(), new InvariantError("Broken promise: a secret"));
    const said = await read(response);
    expect(JSON.stringify([said.body, ...response.headers])).not.toContain("secret");
    expect(said).toMatchObject({
      status: 500,
      account: { outcome: "internal" },
      counts: { internal: 1 },
      log: { outcome: "internal", level: "error" },
    });
  });

  it("is counted once: not here where a pool has", async () => {
    expect((await read(await answerRefusal(scopeOf(), refuse("rejected-capacity", "Full."), { isCounted: true }))).counts).toEqual({});
  });

  it.for([
    { name: "without keys", keys: null },
    { name: "with keys that are none", keys: "nonsense" },
  ])("$name still names the request", async ({ keys }) => {
    const other = new Isolate(HOLDER);
    const scope = { ...scopeOf({ keys }), isolate: other };
    const warn = vi.spyOn(console, "warn").mockReturnValue();
    const { body } = await read(await answerRefusal(scope, refuse("forbidden", "No.")));
    expect(body.instance).toBe(`/requests/${scope.requestId}`);
    expect(JSON.stringify(warn.mock.calls)).not.toContain("nonsense");
    warn.mockRestore();
  });

  it("escapes what a quoted string cannot hold", async () => {
    const response = await answerRefusal(scopeOf(), refuse("bad-identifier", 'a "quoted" \\ ü \n thing'));
    const [, parameters] = parseItem(response.headers.get("proxy-status") ?? "");
    expect(parameters.get("error")).toBeInstanceOf(Token);
    expect(parameters.get("details")).toBe("a 'quoted' ' ' ' thing");
    expect(() => parseDictionary(response.headers.get("connection-identifier") ?? "")).not.toThrow();
  });
});
