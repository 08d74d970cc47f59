import { z } from "zod";
import { validateConfiguration } from "#shared/config/validate.ts";
import type { ConfigurationDocument } from "#shared/config/read-documents.ts";
import type { ConfigurationFault } from "#shared/config/faults.ts";
import type { ConfigurationWarning } from "#shared/config/warnings.ts";
import { defineCommand } from "../command.ts";
import { configurationError, readConfigurationFolder, resolveStateKeys } from "../configuration-folder.ts";
import { callGateway, findGateway, GATEWAY_OPTIONS, readActiveConfiguration, unexpectedAnswer } from "../gateway-api.ts";
import { CliError, EXIT_OK } from "../output.ts";
import { compareStateKeys } from "../state-keys.ts";

export interface ApplyRequest {
  readonly url: string;
  readonly operatorKey: string;
  /** With state keys resolved: the gateway knows no state folder. */
  readonly documents: readonly ConfigurationDocument[];
}

export interface Applied {
  readonly ok: true;
  readonly version: number;
  /** False: the active version says the same already. */
  readonly changed: boolean;
  readonly warnings: readonly ConfigurationWarning[];
}

export type ApplyResult = Applied | { readonly ok: false; readonly errors: readonly ConfigurationFault[] };

const appliedSchema = z.object({
  version: z.int(),
  changed: z.boolean(),
  warnings: z.array(z.object({ file: z.string(), message: z.string() })).default([]),
});
const refusedSchema = z.object({
  errors: z.array(z.object({ file: z.string(), path: z.array(z.union([z.string(), z.number()])), message: z.string() })).min(1),
});

const NAMES_SHOWN_MAX = 20;
const ACTION = "apply the configuration";

export const applyCommand = defineCommand({
  name: "apply",
  summary: "Check a folder of configuration and make it the gateway's, whole or not at all.",
  details: `DIR holds classes.yaml, services/*.yaml and tenants/*.yaml. Tenants with keys: { state: true } get keys in the state folder when they
are new to the gateway. One that the gateway has other keys for is a fault: every token of the tenant would be refused.`,
  positionals: ["DIR"],
  options: {
    "new-keys": {
      type: "boolean",
      description: "Replace them: such tenants get the state folder's keys, made where it has none, and their tokens are refused.",
    },
    ...GATEWAY_OPTIONS,
  },
  async run({ values, positionals, output, environment }) {
    const [folder = "."] = positionals;
    const { url, state } = await findGateway(values, environment);
    const { documents, lineOf } = await readConfigurationFolder(folder);
    const validated = validateConfiguration(documents);
    if (!validated.ok) throw configurationError(`Cannot apply configuration ${folder}`, validated.errors, lineOf);
    const operatorKey = await state.operatorKey();
    const inForce = async () => (await readActiveConfiguration({ url, operatorKey })).configuration;
    const { faults, missing: keysMade } = await compareStateKeys(documents, { state, inForce });
    if (faults.length > 0 && !values["new-keys"]) throw configurationError(`Cannot apply configuration ${folder}`, faults, lineOf);
    const resolved = await resolveStateKeys(documents, state);
    // Before the gateway is asked: they are there, whatever it answers.
    if (keysMade.length > 0) output.notice(`keys made in ${state.keysFolder}: ${listed(keysMade)}`);
    const result = await applyConfiguration({ url, operatorKey, documents: resolved });
    if (!result.ok) throw configurationError(`Cannot apply configuration ${folder}: the gateway refused it`, result.errors, lineOf);
    const { version, changed, warnings } = result;
    for (const { file, message } of warnings) output.notice(`${file}: ${message}`);
    const text = changed ? `version ${version} applied` : `nothing changed: version ${version} already says this`;
    output.result({ json: { version, changed, warnings, keysMade }, text });
    return EXIT_OK;
  },
});

/** Of thousands a person needs no more; --json has them all. */
function listed(names: readonly string[]): string {
  const shown = names.slice(0, NAMES_SHOWN_MAX).join(", ");
  return names.length > NAMES_SHOWN_MAX ? `${shown} and ${names.length - NAMES_SHOWN_MAX} more` : shown;
}

/** Sends a configuration as one transaction. Faults are a value; anything else unexpected is a CliError. */
export async function applyConfiguration({ url, operatorKey, documents }: ApplyRequest): Promise<ApplyResult> {
  const body = { documents: documents.map(({ file, document }) => ({ file, document })) };
  const answer = await callGateway({ url, path: "/v1/config", method: "POST", bearer: operatorKey, body });
  if (answer.status === 422) {
    const refused = refusedSchema.safeParse(answer.json);
    if (refused.success) return { ok: false, errors: refused.data.errors };
  }
  if (answer.status !== 200) throw unexpectedAnswer(ACTION, url, answer);
  const applied = appliedSchema.safeParse(answer.json);
  if (!applied.success) throw new CliError(`Cannot ${ACTION}: ${url} answered something else, expected version and changed`);
  return { ok: true, ...applied.data };
}
