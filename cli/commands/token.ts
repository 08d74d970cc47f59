import { decodeJwt } from "jose";
import { ALGORITHMS, mintToken } from "#shared/identifier/token.ts";
import { DEVICE_PATTERN, LIMITS, NAME_PATTERN, URGENCY_FIRST, URGENCY_LAST } from "#shared/limits.ts";
import { DAY_MS, SECOND_MS } from "#shared/units.ts";
import { defineCommand } from "../command.ts";
import { readChoice, readDurationMs, readInteger, readPattern } from "../option-values.ts";
import { CliError, EXIT_OK } from "../output.ts";
import { openState, stateFolderOf, type State } from "../state.ts";
import type { TenantKeys } from "../tenant-keys.ts";

const LIFETIME_MS_MAX = 366 * DAY_MS;
const NAME_EXPECTED = "a name of a-z, 0-9 and -, starting with a letter, at most 63 long";
const DEVICE_EXPECTED = "1 to 128 of A-Z, a-z, 0-9 and . _ : @ -, starting with a letter or digit";

export const tokenCommand = defineCommand({
  name: "token",
  summary: "Sign a token for a device of a tenant whose keys are in the state folder.",
  details: `Prints only the token, so that it can stand in a command:
  curl -H "Authorization: Bearer $(tidegate token --tenant acme --device d-1 --service echo --class gold)" …`,
  options: {
    tenant: { type: "string", required: true, placeholder: "NAME", description: "Who signs: the token's iss." },
    device: { type: "string", required: true, placeholder: "ID", description: "Whose token it is: its sub." },
    service: { type: "string", required: true, multiple: true, placeholder: "NAME", description: "What it may reach." },
    class: { type: "string", required: true, placeholder: "NAME", description: "Its highest class." },
    urgency: { type: "string", default: String(URGENCY_FIRST), placeholder: "0-7", description: "Its most urgent value; 0 is first." },
    ttl: { type: "string", default: "1h", placeholder: "DURATION", description: "How long it is valid." },
    alg: { type: "string", default: "EdDSA", placeholder: ALGORITHMS.join("|"), description: "Which of the tenant's two keys signs." },
    audience: { type: "string", default: "tidegate", placeholder: "NAME", description: "The gateway's name." },
    role: {
      type: "string",
      default: "device",
      placeholder: "device|service",
      description: "service: a service's credential, for /v1/push.",
    },
    state: { type: "string", placeholder: "DIR", description: "The state folder; else TIDEGATE_STATE, else .tidegate." },
  },
  async run({ values, output, environment }) {
    const tenant = readPattern(values.tenant, { option: "--tenant", pattern: NAME_PATTERN, expected: NAME_EXPECTED });
    if (values.service.length > LIMITS.tokenServiceCountMax) {
      throw new CliError(
        `Cannot sign a token: it names ${values.service.length} services, expected at most ${LIMITS.tokenServiceCountMax}`,
      );
    }
    const { signers } = await keysOf(tenant, openState(stateFolderOf(values.state, environment)));
    const token = await mintToken({
      tenant,
      device: readPattern(values.device, { option: "--device", pattern: DEVICE_PATTERN, expected: DEVICE_EXPECTED }),
      services: values.service.map((service) =>
        readPattern(service, { option: "--service", pattern: NAME_PATTERN, expected: NAME_EXPECTED }),
      ),
      className: readPattern(values.class, { option: "--class", pattern: NAME_PATTERN, expected: NAME_EXPECTED }),
      urgencyFirst: readInteger(values.urgency, { option: "--urgency", min: URGENCY_FIRST, max: URGENCY_LAST }),
      audience: values.audience,
      nowMs: Date.now(),
      lifetimeMs: readDurationMs(values.ttl, { option: "--ttl", min: SECOND_MS, max: LIFETIME_MS_MAX }),
      role: readChoice(values.role, { option: "--role", choices: ["device", "service"] }),
      signer: signers[readChoice(values.alg, { option: "--alg", choices: ALGORITHMS })],
    });
    if (token.length > LIMITS.tokenBytesMax)
      throw new CliError(
        `Cannot sign a token: it has ${token.length} bytes, expected at most ${LIMITS.tokenBytesMax}: name fewer services`,
      );
    const claims = decodeJwt(token);
    output.result({ json: { token, claims, expiresAt: new Date((claims.exp ?? 0) * SECOND_MS).toISOString() }, text: token });
    return EXIT_OK;
  },
});

async function keysOf(tenant: string, state: State): Promise<TenantKeys> {
  const keys = await state.tenantKeys(tenant);
  if (keys !== null) return keys;
  const known = await state.tenantsWithKeys();
  const expected = known.length > 0 ? `one of ${known.join(", ")}` : "npm start or tidegate apply to have generated some";
  throw new CliError(`Cannot sign for tenant ${tenant}: ${state.folder} holds no keys of it, expected ${expected}`);
}
