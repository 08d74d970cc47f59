// Tidegate with the embedded default (config/), whose endpoint is the bench's backend.
import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { applyConfiguration } from "#cli/commands/apply.ts";
import { readConfigurationFolder, resolveStateKeys } from "#cli/configuration-folder.ts";
import { openState, type State } from "#cli/state.ts";
import { startGatewayProcess } from "#scripts/local/gateway-process.ts";
import { ROOT } from "#scripts/root.ts";
import type { ConfigurationDocument } from "#shared/config/read-documents.ts";
import { mintToken } from "#shared/identifier/token.ts";
import { HOUR_MS } from "#shared/units.ts";
import { childOf } from "../cpu-time.ts";
import type { Contender } from "./contender.ts";

export interface TidegateOptions {
  readonly name?: string;
  readonly folder: string;
  readonly backendPort: number;
  /** Slots of the endpoint; the default's own where absent. */
  readonly capacity?: number;
  readonly deadlineMs?: number;
  readonly bundleFile?: string;
}

export interface Caller {
  readonly tenant: string;
  readonly className: string;
  readonly device: string;
}

export interface Tidegate extends Contender {
  token(caller: Caller): Promise<string>;
}

/** What the default's quotas are multiplied by: a bench offers more than a demonstration should allow. */
export const RATE_FACTOR = 1_000;

export async function startTidegate(options: TidegateOptions): Promise<Tidegate> {
  const { name = "Tidegate", folder, bundleFile } = options;
  await mkdir(folder, { recursive: true });
  const state = openState(folder);
  const operatorKey = randomBytes(32).toString("base64url");
  const gateway = await startGatewayProcess({
    stateFolder: folder,
    port: 0,
    operatorKey,
    ...(bundleFile === undefined ? {} : { bundleFile }),
    onLog: () => undefined,
  });
  const { documents } = await readConfigurationFolder(join(ROOT, "config"));
  const applied = await applyConfiguration({
    url: gateway.url,
    operatorKey,
    documents: await resolveStateKeys(documents.map(adapt(options)), state),
  });
  if (!applied.ok) throw new Error(`Cannot configure Tidegate: ${JSON.stringify(applied.errors)}`);
  return {
    name,
    port: Number(new URL(gateway.url).port),
    pid: childOf(gateway.leashPid),
    token: (caller) => mint(state, caller),
    stop: () => gateway.stop(),
  };
}

interface ServiceDocument {
  readonly service: string;
  readonly endpoints: readonly { readonly capacity: number }[];
}

interface TenantDocument {
  readonly services: Readonly<Record<string, Readonly<Record<string, { readonly ratePerSecond: number; readonly burst: number }>>>>;
}

function adapt({ backendPort, capacity, deadlineMs }: TidegateOptions): (from: ConfigurationDocument) => ConfigurationDocument {
  return ({ file, document }) => {
    if (file === "services/echo.yaml") {
      const service = document as ServiceDocument;
      const endpoints = service.endpoints.map((endpoint) => ({
        ...endpoint,
        url: `http://127.0.0.1:${backendPort}/s/echo`,
        capacity: capacity ?? endpoint.capacity,
      }));
      return { file, document: { ...service, endpoints, ...(deadlineMs === undefined ? {} : { deadlineMs }) } };
    }
    if (!file.startsWith("tenants/")) return { file, document };
    const tenant = document as TenantDocument;
    const services = mapValues(tenant.services, (classes) =>
      mapValues(classes, (quota) => ({
        ...quota,
        ratePerSecond: quota.ratePerSecond * RATE_FACTOR,
        burst: quota.burst * RATE_FACTOR,
      })),
    );
    return { file, document: { ...tenant, services } };
  };
}

async function mint(state: State, { tenant, className, device }: Caller): Promise<string> {
  const { signers } = await state.ensureTenantKeys(tenant);
  return mintToken({
    tenant,
    device,
    services: ["echo"],
    className,
    urgencyFirst: 0,
    audience: "tidegate",
    nowMs: Date.now(),
    lifetimeMs: HOUR_MS,
    signer: signers.EdDSA,
  });
}

function mapValues<A, B>(record: Readonly<Record<string, A>>, map: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}
