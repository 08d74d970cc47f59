// The configuration of a gateway with one service, `echo`, and one tenant whose quota binds nothing; and tokens for its devices.
import { mintToken, type MintRequest } from "#shared/identifier/token.ts";
import { DAY_MS } from "#shared/units.ts";

export interface EchoService {
  readonly endpointUrl: string;
  readonly mode: "http" | "websocket";
  /** Slots of the endpoint. */
  readonly capacity: number;
  /** Slots of one shard. */
  readonly shardSize: number;
}

/** Many sockets open at once. */
const DEADLINE_MS = 60_000;

export const ECHO_TENANT = "acme";

export function echoDocuments({ endpointUrl, mode, capacity, shardSize }: EchoService) {
  const shards = { sizeMin: 1, sizeMax: shardSize, countMin: 1, countMax: Math.ceil(capacity / shardSize) };
  const endpoints = [{ url: endpointUrl, capacity }];
  return [
    { file: "classes.yaml", document: { classes: { gold: { weight: 1 } } } },
    { file: "services/echo.yaml", document: { service: "echo", endpoints, shards, deadlineMs: DEADLINE_MS, sockets: { mode } } },
    { file: "tenants/acme.yaml", document: { tenant: ECHO_TENANT, keys: { state: true }, services: { echo: { gold: {} } } } },
  ];
}

/** Good for a day. */
export async function echoToken(device: string, signer: MintRequest["signer"]): Promise<string> {
  return mintToken({
    tenant: ECHO_TENANT,
    device,
    services: ["echo"],
    className: "gold",
    urgencyFirst: 0,
    audience: "tidegate",
    nowMs: Date.now(),
    lifetimeMs: DAY_MS,
    signer,
  });
}
