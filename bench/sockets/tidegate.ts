// Tidegate before the bench's endpoint: one service, as many slots and shards as are asked for, no quota that binds.
import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { applyConfiguration } from "#cli/commands/apply.ts";
import { resolveStateKeys } from "#cli/configuration-folder.ts";
import { openState } from "#cli/state.ts";
import { ECHO_TENANT, echoDocuments, echoToken, type EchoService } from "#scripts/fleet/echo-service.ts";
import { startGatewayProcess } from "#scripts/local/gateway-process.ts";
import { childOf } from "#bench/gateway/cpu-time.ts";

export interface SocketGatewayOptions extends EchoService {
  readonly folder: string;
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
  const documents = await resolveStateKeys(echoDocuments(options), state);
  const applied = await applyConfiguration({ url: gateway.url, operatorKey, documents });
  if (!applied.ok) throw new Error(`Cannot configure Tidegate: ${JSON.stringify(applied.errors)}`);
  const { signers } = await state.ensureTenantKeys(ECHO_TENANT);
  return {
    port: Number(new URL(gateway.url).port),
    url: gateway.url,
    operatorKey,
    pid: childOf(gateway.leashPid),
    token: async (device) => echoToken(device, signers.EdDSA),
    stop: () => gateway.stop(),
  };
}
