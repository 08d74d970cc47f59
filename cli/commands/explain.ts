import { z } from "zod";
import { SECOND_MS } from "#shared/units.ts";
import { defineCommand } from "../command.ts";
import { callGateway, findGateway, GATEWAY_OPTIONS, unexpectedAnswer } from "../gateway-api.ts";
import { CliError, EXIT_OK } from "../output.ts";

const limitSchema = z.looseObject({
  kind: z.string(),
  policy: z.string().optional(),
  quota: z.number(),
  remaining: z.number(),
  windowMs: z.number().optional(),
  resetAfterMs: z.number().optional(),
});

const accountSchema = z.looseObject({
  outcome: z.string(),
  status: z.int(),
  title: z.string(),
  at: z.string(),
  decidedBy: z.string(),
  elapsedMs: z.number(),
  requestId: z.string(),
  configurationVersion: z.int(),
  configurationVersionNow: z.int().nullable().default(null),
  retryAfterMs: z.number().optional(),
  identifier: z
    .looseObject({ tenant: z.string(), device: z.string(), service: z.string(), className: z.string(), urgency: z.int() })
    .optional(),
  queue: z.looseObject({ position: z.int(), length: z.int(), waitMs: z.number() }).optional(),
  lease: z.looseObject({ slots: z.int(), running: z.int(), tokens: z.int(), expiresInMs: z.number() }).optional(),
  violated: z.array(limitSchema),
});

type Account = z.infer<typeof accountSchema>;

/** As DESIGN's parts are called. */
const PLACES: Readonly<Record<string, string>> = {
  edge: "at the edge, from the request alone",
  lease: "at the edge, on the pool's last word",
  pool: "by the pool",
  queue: "by the pool's queue",
  shard: "by the Shard object",
  endpoint: "after the request had gone to its endpoint",
};

/** What the numbers of a limit count, where its name does not say it. */
const UNITS: Readonly<Record<string, string>> = { bandwidth: " bytes", memory: " bytes", cpu: " ms of service time", wait: " ms" };

export const explainCommand = defineCommand({
  name: "explain",
  summary: "Tell why a request was refused, from the problem's instance.",
  details: "ID is what stands behind id= in `instance`, or the whole of it. The gateway keeps nothing: the id carries the account, sealed.",
  positionals: ["ID"],
  options: GATEWAY_OPTIONS,
  async run({ values, positionals, output, environment }) {
    const id = idIn(positionals[0] ?? "");
    const { url, state } = await findGateway(values, environment);
    const answer = await callGateway({
      url,
      path: `/v1/explain?id=${encodeURIComponent(id)}`,
      bearer: await state.operatorKey(),
    });
    if (answer.status === 400)
      throw new CliError(`Cannot explain ${shorten(id)}: ${answer.problem?.detail ?? "the gateway cannot open it"}`);
    if (answer.status !== 200) throw unexpectedAnswer("explain the id", url, answer);
    const account = accountSchema.safeParse(answer.json);
    if (!account.success) throw new CliError(`Cannot explain ${shorten(id)}: ${url} answered something else, expected an account`);
    output.result({ json: account.data, text: tell(account.data) });
    return EXIT_OK;
  },
});

/** An instance is a path with the id in its query, or what somebody copied of it. */
function idIn(text: string): string {
  return /[?&]id=([^&#]*)/.exec(text)?.[1] ?? text;
}

function tell(account: Account): string {
  const { identifier, queue, lease, configurationVersionNow: now, configurationVersion: version } = account;
  const rows: (readonly [string, string])[] = [
    ["decided", `${account.at} ${PLACES[account.decidedBy] ?? account.decidedBy}, ${account.elapsedMs} ms after the request came`],
    ["request", `${account.requestId}, configuration version ${version}${now === null || now === version ? "" : ` (now ${now})`}`],
  ];
  if (identifier !== undefined) {
    const { tenant, device, className, urgency, service } = identifier;
    rows.push(["caller", `tenant ${tenant}, device ${device}, class ${className}, urgency ${urgency}, service ${service}`]);
  }
  for (const limit of account.violated) rows.push(["limit", tellLimit(limit)]);
  if (queue !== undefined) {
    rows.push(["waited", `${queue.waitMs} ms${tellQueue(queue)}`]);
  }
  if (lease !== undefined)
    rows.push(["lease", `${lease.slots} slots, ${lease.running} running, ${lease.tokens} tokens, ${lease.expiresInMs} ms left`]);
  if (account.retryAfterMs !== undefined) rows.push(["come back", `in ${account.retryAfterMs} ms or later`]);
  const width = Math.max(...rows.map(([name]) => name.length));
  return [`${account.status} ${account.outcome}: ${account.title}`, ...rows.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`)].join(
    "\n",
  );
}

/** `length` is of its own flow, `position` a newcomer's among all; 0: it is not known. */
function tellQueue({ position, length }: { position: number; length: number }): string {
  return position <= 1 && length === 0
    ? ""
    : `; ${length} of its tenant and class still wait, at most ${position - 1} in all go before a newcomer`;
}

function tellLimit({ kind, policy = kind, quota, remaining, windowMs, resetAfterMs }: z.infer<typeof limitSchema>): string {
  if (quota === 0 && remaining === 0) return policy;
  const unit = UNITS[kind.replace("total-", "")] ?? "";
  const window = windowMs === undefined ? "" : ` in ${windowMs / SECOND_MS} s`;
  return `${policy}: ${remaining} left of ${quota}${unit}${window}${resetAfterMs === undefined ? "" : `, more in ${resetAfterMs} ms`}`;
}

function shorten(id: string): string {
  return id.length > 40 ? `${id.slice(0, 40)}…` : id;
}
