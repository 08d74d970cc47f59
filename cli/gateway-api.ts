// The gateway's HTTP API as the commands speak it: bounded answers, and errors that name the address.
import { z } from "zod";
import { MIB_BYTES, SECOND_MS } from "#shared/units.ts";
import { CliError } from "./output.ts";
import { badValue } from "./option-values.ts";
import { stateFolderOf, type State, openState } from "./state.ts";

export interface GatewayCall {
  readonly url: string;
  readonly path: string;
  readonly method?: "GET" | "POST" | "DELETE";
  /** The operator's key, or a device's token. */
  readonly bearer?: string;
  readonly body?: unknown;
}

export interface GatewayAnswer {
  readonly status: number;
  readonly text: string;
  /** Undefined where the body is not JSON. */
  readonly json: unknown;
  /** Set where the answer is application/problem+json. */
  readonly problem: Problem | null;
}

export type Problem = z.infer<typeof problemSchema>;

const TIMEOUT_MS = 30 * SECOND_MS;
const ANSWER_BYTES_MAX = 16 * MIB_BYTES;

const problemSchema = z.looseObject({
  type: z.string().default("about:blank"),
  title: z.string().optional(),
  detail: z.string().optional(),
});

const tenantSchema = z.looseObject({
  services: z.record(z.string(), z.record(z.string(), z.unknown())),
  keys: z.looseObject({ jwks: z.array(z.looseObject({ kid: z.string() })) }).optional(),
});

const configurationAnswerSchema = z.looseObject({
  version: z.int(),
  digest: z.string().optional(),
  configuration: z.looseObject({
    classes: z.record(z.string(), z.unknown()),
    services: z.record(z.string(), z.unknown()),
    tenants: z.record(z.string(), tenantSchema),
  }),
});

/** What `GET /v1/config` answers, as far as the commands read it. */
export type ActiveConfiguration = z.infer<typeof configurationAnswerSchema>;

/** The options that find the gateway and its keys; the same for every command that needs them. */
export const GATEWAY_OPTIONS = {
  url: {
    type: "string",
    placeholder: "URL",
    description: "The gateway; else the one that npm start wrote into the state folder, else http://127.0.0.1:8787.",
  },
  state: { type: "string", placeholder: "DIR", description: "The state folder; else TIDEGATE_STATE, else .tidegate." },
} as const;

export async function findGateway(
  values: { readonly url: string | undefined; readonly state: string | undefined },
  environment: Readonly<Record<string, string | undefined>>,
): Promise<{ url: string; state: State }> {
  const state = openState(stateFolderOf(values.state, environment));
  return { url: checkGatewayUrl(values.url ?? (await state.gatewayUrl())), state };
}

/** Without the slash at its end, so that a path can follow. */
function checkGatewayUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (
    url === null ||
    !/^https?:$/.test(url.protocol) ||
    url.search !== "" ||
    url.hash !== "" ||
    url.username !== "" ||
    url.password !== ""
  ) {
    throw badValue("--url", text, "an http:// or https:// address without credentials, query and fragment");
  }
  return url.href.replace(/\/+$/, "");
}

/** Calls the gateway. Any status is an answer; only no answer is an error. */
export async function callGateway({ url, path, method = "GET", bearer, body }: GatewayCall): Promise<GatewayAnswer> {
  const address = `${url}${path}`;
  try {
    const response = await fetch(address, {
      method,
      headers: {
        ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      redirect: "error", // A credential goes to the address that was named and to no other.
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const text = await readBounded(response, address);
    const json = parseJson(text);
    const isProblem = response.headers.get("content-type")?.startsWith("application/problem+json") === true;
    return { status: response.status, text, json, problem: isProblem ? (problemSchema.safeParse(json).data ?? null) : null };
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(`Cannot reach the gateway: ${address} ${reasonOf(error)}, expected a gateway there (npm start runs one)`, {
      cause: error,
    });
  }
}

/** The active configuration, as the operator sees it. */
export async function readActiveConfiguration({ url, operatorKey }: { url: string; operatorKey: string }): Promise<ActiveConfiguration> {
  const answer = await callGateway({ url, path: "/v1/config", bearer: operatorKey });
  if (answer.status !== 200) throw unexpectedAnswer("read the configuration", url, answer);
  const parsed = configurationAnswerSchema.safeParse(answer.json);
  if (!parsed.success)
    throw new CliError(`Cannot read the configuration: ${url} answered something else, expected version and configuration`);
  return parsed.data;
}

export function unexpectedAnswer(verb: string, url: string, { status, problem, text }: GatewayAnswer): CliError {
  const said = problem?.detail ?? problem?.title ?? text.slice(0, 200).trim();
  return new CliError(`Cannot ${verb}: ${url} answered ${status}${said === "" ? "" : ` (${said})`}, expected 200`, { details: { status } });
}

async function readBounded(response: Response, address: string): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > ANSWER_BYTES_MAX)
      throw new CliError(`Cannot read the answer of ${address}: it has more than ${ANSWER_BYTES_MAX} bytes, expected at most that`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "TimeoutError") return `did not answer within ${TIMEOUT_MS} ms`;
  const cause: unknown = error.cause;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : null;
  return `cannot be connected to (${code ?? (cause instanceof Error ? cause.message : error.message)})`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
