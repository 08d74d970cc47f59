// A real gateway on workerd before real backends, all on free ports of this machine: one per test file.
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, vi } from "vitest";
import { applyConfiguration } from "#cli/commands/apply.ts";
import { openState, type State } from "#cli/state.ts";
import { resolveStateKeys } from "#cli/configuration-folder.ts";
import { startDemoBackend, type DemoBackend } from "#scripts/demo-backend/demo-backend.ts";
import { startGatewayProcess, type GatewayProcess } from "#scripts/local/gateway-process.ts";
import type { ConfigurationDocument } from "#shared/config/read-documents.ts";
import { mintToken, type MintRequest } from "#shared/identifier/token.ts";

export interface TestGateway {
  readonly url: string;
  readonly port: number;
  readonly operatorKey: string;
  readonly process: GatewayProcess;
  readonly backend: DemoBackend;
  readonly state: State;
  /** Every line that the gateway has logged, parsed where it is JSON. */
  readonly logs: LogLine[];
  token(claims?: Partial<Omit<MintRequest, "signer">> & { tenant?: string }): Promise<string>;
  fetch(path: string, init?: RequestInit & { token?: string }): Promise<Response>;
  apply(documents: readonly ConfigurationDocument[]): ReturnType<typeof applyConfiguration>;
  /** The default configuration, with another quota of one tenant and class at echo. */
  applyQuota(tenant: string, className: string, quota: Readonly<Record<string, unknown>>): ReturnType<typeof applyConfiguration>;
  /** The default configuration, with what a tenant may use over all services. */
  applyTotal(tenant: string, total: Readonly<Record<string, unknown>>): ReturnType<typeof applyConfiguration>;
  metrics(): Promise<string>;
  slotsInUse(): Promise<number>;
  /** Waits for every slot to be back: what each test of a fault ends with. */
  expectNoSlotInUse(): Promise<void>;
  stop(): Promise<void>;
}

export interface LogLine {
  readonly outcome?: string;
  readonly detail?: string;
  readonly path?: string;
  readonly text: string;
}

export interface TestGatewayOptions {
  readonly capacity?: number;
  /** Replaces or adds to the service `echo`'s document. */
  readonly echo?: Readonly<Record<string, unknown>>;
  /** More services: name → endpoint URL, or that and what its document has beside it. */
  readonly more?: Readonly<Record<string, string | ({ readonly url: string } & Readonly<Record<string, unknown>>)>>;
  /** Front processes before it; 0 by default. */
  readonly frontCount?: number;
  /** How often Shard objects ask what holds. */
  readonly limitsAskMs?: number;
}

/** A session that was cut off keeps its slot for 15 s where its device had not confirmed it. */
const SLOTS_BACK_MS_MAX = 25_000;
const CLASSES = { gold: { weight: 8, urgencyMin: 0 }, silver: { weight: 3, urgencyMin: 2 }, bronze: { weight: 1, urgencyMin: 4 } };

export async function startTestGateway({
  capacity = 20,
  echo = {},
  more = {},
  frontCount = 0,
  limitsAskMs,
}: TestGatewayOptions = {}): Promise<TestGateway> {
  const folder = await mkdtemp(join(tmpdir(), "tidegate-test-"));
  const state = openState(folder);
  const operatorKey = randomBytes(32).toString("base64url");
  const backend = await startDemoBackend({ service: "echo", host: "127.0.0.1", port: 0, capacity, delayMs: 0 });
  const logs: LogLine[] = [];
  const gateway = await startGatewayProcess({
    stateFolder: folder,
    port: 0,
    frontCount,
    ...(limitsAskMs !== undefined && { limitsAskMs }),
    operatorKey,
    explainKeys: await state.ensureExplainKeys(),
    onLog: (text) => logs.push(parseLog(text)),
  });
  const apply = async (documents: readonly ConfigurationDocument[]) =>
    applyConfiguration({ url: gateway.url, operatorKey, documents: await resolveStateKeys(documents, state) });
  const applied = await apply(documentsOf({ url: backend.url, capacity, echo, more }));
  if (!applied.ok) throw new Error(JSON.stringify(applied.errors));
  const metrics = async (): Promise<string> => (await fetch(`${gateway.url}/metrics`)).text();
  const slotsInUse = async (): Promise<number> => sumOf(await metrics(), "tidegate_slots_in_use");
  return {
    url: gateway.url,
    port: Number(new URL(gateway.url).port),
    operatorKey,
    process: gateway,
    backend,
    state,
    logs,
    apply,
    applyQuota: async (tenant, className, quota) =>
      apply(withQuota(documentsOf({ url: backend.url, capacity, echo, more }), { tenant, className, quota })),
    applyTotal: async (tenant, total) =>
      apply(
        documentsOf({ url: backend.url, capacity, echo, more }).map(({ file, document }) =>
          file === `tenants/${tenant}.yaml` ? { file, document: { ...(document as object), total } } : { file, document },
        ),
      ),
    metrics,
    slotsInUse,
    token: async (claims = {}) => mint(state, claims),
    async fetch(path, { token, headers, ...init } = {}) {
      const all = new Headers(headers);
      if (!all.has("authorization")) all.set("authorization", `Bearer ${token ?? (await mint(state, {}))}`);
      return fetch(`${gateway.url}${path}`, { redirect: "manual", ...init, headers: all });
    },
    // Unlike `expect.poll` also in hooks, and while other tests of the file run.
    expectNoSlotInUse: async () => vi.waitFor(async () => expect(await slotsInUse()).toBe(0), { timeout: SLOTS_BACK_MS_MAX, interval: 30 }),
    async stop() {
      await Promise.all([gateway.stop(), backend.close()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export function documentsOf({
  url,
  capacity,
  echo,
  more,
}: Required<Omit<TestGatewayOptions, "frontCount" | "limitsAskMs">> & { url: string }): ConfigurationDocument[] {
  const others = Object.entries(more).map(([service, endpoint]) => {
    const { url: endpointUrl, ...rest } = typeof endpoint === "string" ? { url: endpoint } : endpoint;
    return { service, endpoints: [{ url: endpointUrl, capacity }], deadlineMs: 1_000, ...rest };
  });
  const services = [{ service: "echo", endpoints: [{ url, capacity }], deadlineMs: 2_000, ...echo }, ...others];
  const quotas = { gold: {}, silver: {}, bronze: {} };
  const tenant = (name: string, names: string[]) => ({
    file: `tenants/${name}.yaml`,
    document: { tenant: name, keys: { state: true }, services: Object.fromEntries(names.map((service) => [service, quotas])) },
  });
  return [
    { file: "classes.yaml", document: { classes: CLASSES } },
    ...services.map((document) => ({ file: `services/${document.service}.yaml`, document })),
    tenant(
      "acme",
      services.map(({ service }) => service),
    ),
    tenant("globex", ["echo"]),
  ];
}

function withQuota(
  documents: readonly ConfigurationDocument[],
  { tenant, className, quota }: { tenant: string; className: string; quota: Readonly<Record<string, unknown>> },
): ConfigurationDocument[] {
  return documents.map(({ file, document }) => {
    if (file !== `tenants/${tenant}.yaml`) return { file, document };
    const { services, ...rest } = document as { services: Record<string, Record<string, unknown>> };
    return { file, document: { ...rest, services: { ...services, echo: { ...services["echo"], [className]: quota } } } };
  });
}

/** Sum of a metric's samples over all labels. */
export function sumOf(text: string, metric: string): number {
  return text
    .split("\n")
    .filter((line) => line.startsWith(`${metric}{`) || line.startsWith(`${metric} `))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
}

async function mint(state: State, claims: Partial<Omit<MintRequest, "signer">>): Promise<string> {
  const tenant = claims.tenant ?? "acme";
  const { signers } = await state.ensureTenantKeys(tenant);
  return mintToken({
    device: "d-1",
    services: ["echo"],
    className: "gold",
    urgencyFirst: 0,
    audience: "tidegate",
    nowMs: Date.now(),
    lifetimeMs: 600_000,
    ...claims,
    tenant,
    signer: signers.EdDSA,
  });
}

function parseLog(text: string): LogLine {
  try {
    return { ...(JSON.parse(text) as object), text };
  } catch {
    return { text };
  }
}
