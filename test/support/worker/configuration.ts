import { env } from "cloudflare:workers";
import type { ConfigurationDocument } from "#shared/config/read-documents.ts";
import { REGISTRY_NAME } from "#shared/protocol/registry-rpc.ts";

export interface TestService {
  readonly service: string;
  readonly capacity: number;
  readonly more?: Readonly<Record<string, unknown>>;
  /** Of the tenant's gold class there. */
  readonly quota?: Readonly<Record<string, unknown>>;
}

/** A whole configuration around some services: one tenant without a usable key, three classes. */
export function documentsOf(services: readonly TestService[]): ConfigurationDocument[] {
  const key = { kty: "OKP", crv: "Ed25519", alg: "EdDSA", kid: "k", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" };
  return [
    { file: "classes.yaml", document: { classes: { gold: { weight: 8 }, silver: { weight: 3 }, bronze: { weight: 1 } } } },
    ...services.map(({ service, capacity, more }) => ({
      file: `services/${service}.yaml`,
      document: { service, endpoints: [{ url: `https://${service}.example`, capacity }], ...more },
    })),
    {
      file: "tenants/acme.yaml",
      document: {
        tenant: "acme",
        keys: { jwks: [key] },
        services: Object.fromEntries(services.map(({ service, quota = {} }) => [service, { gold: quota }])),
      },
    },
  ];
}

/** Applies it as the next version; returns the version. */
export async function applyServices(services: readonly TestService[]): Promise<number> {
  const answer = await env.REGISTRY.get(env.REGISTRY.idFromName(REGISTRY_NAME)).apply(documentsOf(services));
  if (!answer.ok) throw new Error(JSON.stringify(answer.errors));
  return answer.version;
}
