// Tidegate before the bench's endpoint: one service, as many slots and shards as are asked for, no quota that binds.
import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { applyConfiguration } from "#cli/commands/apply.ts";
import { resolveStateKeys } from "#cli/configuration-folder.ts";
import { openState } from "#cli/state.ts";
import { startGatewayProcess } from "#scripts/local/gateway-process.ts";
import { mintToken } from "#shared/identifier/token.ts";
import { DAY_MS } from "#shared/units.ts";
import { childOf } from "#bench/gateway/cpu-time.ts";

export interface SocketGatewayOptions {
  readonly folder: string;
  readonly endpointUrl: string;
  readonly mode: "http" | "websocket";
  /** Slots of the endpoint. */
  readonly capacity: number;
  /** Slots of one shard. */
  readonly shardSize: number;
  readonly bundleFile?: string;
}

export interface SocketGateway {
  readonly port: number;
  readonly url: string;
  readonly operatorKey: string;
  /** Of workerd. */
  readonly pid: number;
  token(device: string): Promise<string>;
  stop(): Promise<void>;
}

const DEADLINE_MS = 60_000;

export async function startSocketGateway(options: SocketGatewayOptions): Promise<SocketGateway> {
  const { folder, bundleFile } = options;
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
  const documents = await resolveStateKeys(documentsOf(options), state);
  const applied = await applyConfiguration({ url: gateway.url, operatorKey, documents });
  if (!applied.ok) throw new Error(`Cannot configure Tidegate: ${JSON.stringify(applied.errors)}`);
  const { signers } = await state.ensureTenantKeys("acme");
  return {
    port: Number(new URL(gateway.url).port),
    url: gateway.url,
    operatorKey,
    pid: childOf(gateway.leashPid),
    token: (device) =>
      mintToken({
        tenant: "acme",
        device,
        services: ["echo"],
        className: "gold",
        urgencyFirst: 0,
        audience: "tidegate",
        nowMs: Date.now(),
        lifetimeMs: DAY_MS,
        signer: signers.EdDSA,
      }),
    stop: () => gateway.stop(),
  };
}

function documentsOf({ endpointUrl, mode, capacity, shardSize }: SocketGatewayOptions) {
  const shards = { sizeMin: 1, sizeMax: shardSize, countMin: 1, countMax: Math.ceil(capacity / shardSize) };
  const service = {
    service: "echo",
    endpoints: [{ url: endpointUrl, capacity }],
    shards,
    deadlineMs: DEADLINE_MS,
    sockets: { mode },
  };
  return [
    { file: "classes.yaml", document: { classes: { gold: { weight: 1 } } } },
    { file: "services/echo.yaml", document: service },
    { file: "tenants/acme.yaml", document: { tenant: "acme", keys: { state: true }, services: { echo: { gold: {} } } } },
  ];
}
