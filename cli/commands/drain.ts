import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { NAME_PATTERN } from "#shared/limits.ts";
import { DRAIN, DRAIN_REASON_PATTERN } from "#shared/protocol/drain.ts";
import { SECOND_MS } from "#shared/units.ts";
import { defineCommand } from "../command.ts";
import { callGateway, findGateway, GATEWAY_OPTIONS, unexpectedAnswer, type GatewayAnswer } from "../gateway-api.ts";
import { watchInterrupt } from "../interrupt.ts";
import { readDurationMs, readPattern } from "../option-values.ts";
import { CliError, EXIT_FAILURE, EXIT_OK, EXIT_USAGE, type Output } from "../output.ts";
import { formatTable } from "../table.ts";

const leftSchema = z.looseObject({ sessions: z.int(), connections: z.int(), plainSockets: z.int() });
const statusSchema = z.looseObject({
  service: z.string(),
  shards: z.array(
    z.looseObject({
      shardId: z.string(),
      state: z.string(),
      reason: z.string(),
      startedAtMs: z.number().nullable(),
      left: leftSchema.nullable(),
    }),
  ),
});

type Status = z.infer<typeof statusSchema>;

const ALL = "all";
const POLL_MS = SECOND_MS;

export const drainCommand = defineCommand({
  name: "drain",
  summary: "Empty shards of a service: devices move to others, and notice nothing where they speak tidegate.v1.",
  details: `SHARD is one shard as in /metrics, or "all": then one after the other. New shards take their places. Waits until they are empty and
shows how far it is; Ctrl-C leaves the drain going. Plain sockets are closed with 1012 when the grace is over.`,
  positionals: ["SERVICE", "SHARD"],
  options: {
    cancel: { type: "boolean", description: "Turn back: devices that are still there stay." },
    status: { type: "boolean", description: "Only say how far it is." },
    "no-wait": { type: "boolean", description: "Begin, and do not wait for the end." },
    grace: {
      type: "string",
      placeholder: "DURATION",
      default: `${DRAIN.graceMsDefault / SECOND_MS}s`,
      description: "How long the devices of one shard have to leave by themselves.",
    },
    reason: { type: "string", placeholder: "WORD", default: "drain", description: "One word, for the devices." },
    ...GATEWAY_OPTIONS,
  },
  async run({ values, positionals, output, environment }) {
    const [service = "", shard = ""] = positionals;
    readPattern(service, { option: "SERVICE", pattern: NAME_PATTERN, expected: "a service's name" });
    const graceMs = readDurationMs(values.grace, { option: "--grace", min: 0, max: DRAIN.graceMsMax });
    const reason = readPattern(values.reason, { option: "--reason", pattern: DRAIN_REASON_PATTERN, expected: "a word of a-z" });
    if (values.cancel && values.status)
      throw new CliError("Cannot drain: --cancel and --status are given, expected one of them", { exitCode: EXIT_USAGE });
    const { url, state } = await findGateway(values, environment);
    const bearer = await state.operatorKey();
    const shards = shard === ALL ? {} : { shards: [shard] };
    const read = async () => statusOf(await callGateway({ url, path: `/v1/drain?service=${service}`, bearer }), url);
    const change = async (method: "POST" | "DELETE", more: object) =>
      statusOf(await callGateway({ url, path: "/v1/drain", method, bearer, body: { service, ...shards, ...more } }), url);
    const show = (status: Status): void => output.result({ json: status, text: describe(status) });
    if (values.status || values.cancel) {
      show(values.cancel ? await change("DELETE", {}) : onlyOf(await read(), shard));
      return EXIT_OK;
    }
    const begun = await change("POST", { reason, graceMs });
    const ended = values["no-wait"] ? begun : await waitFor(begun, { read, output });
    show(ended);
    return values["no-wait"] || isDone(ended) ? EXIT_OK : EXIT_FAILURE;
  },
});

/** The gateway tells of all that are being drained, or were with the last order. */
function onlyOf(status: Status, shard: string): Status {
  if (shard === ALL) return status;
  const shards = status.shards.filter(({ shardId }) => shardId === shard);
  if (shards.length > 0) return { ...status, shards };
  const expected = [...status.shards.map(({ shardId }) => shardId), ALL].join(", ");
  throw new CliError(`Cannot say how far the drain is: shard ${shard} is not being drained, expected one of ${expected}`);
}

/** Until nothing is left, or the one who waits has enough. */
async function waitFor(begun: Status, { read, output }: { read: () => Promise<Status>; output: Output }): Promise<Status> {
  const interrupt = watchInterrupt();
  const progress = output.progress("drain");
  let status = begun;
  try {
    while (!isDone(status) && !interrupt.signal.aborted) {
      const done = status.shards.filter((shard) => shard.state === "drained").length;
      progress.update(
        done / Math.max(1, status.shards.length),
        `${done} of ${status.shards.length} shards, ${leftIn(status)} sockets left`,
      );
      await sleep(POLL_MS, undefined, { signal: interrupt.signal }).catch(() => undefined);
      if (!interrupt.signal.aborted) status = await read();
    }
  } finally {
    progress.end();
    interrupt.stop();
  }
  if (!isDone(status)) output.notice("The drain goes on; --status says how far it is, --cancel turns it back.");
  return status;
}

function isDone({ shards }: Status): boolean {
  return shards.every(({ state }) => state === "drained");
}

function leftIn({ shards }: Status): number {
  return shards.reduce((sum, { left }) => sum + (left === null ? 0 : left.sessions + left.plainSockets), 0);
}

function describe({ service, shards }: Status): string {
  if (shards.length === 0) return `No shard of ${service} is being drained.`;
  const rows = shards.map(({ shardId, state, reason, left }) => [
    shardId,
    state,
    reason,
    left?.sessions ?? "–",
    left?.connections ?? "–",
    left?.plainSockets ?? "–",
  ]);
  return formatTable(["shard", "state", "reason", "sessions", "connections", "plain sockets"], rows);
}

function statusOf(answer: GatewayAnswer, url: string): Status {
  if (answer.status === 400 || answer.status === 404)
    throw new CliError(`Cannot drain: ${answer.problem?.detail ?? `the gateway answers ${answer.status}`}`);
  if (answer.status !== 200) throw unexpectedAnswer("drain", url, answer);
  const status = statusSchema.safeParse(answer.json);
  if (!status.success) throw new CliError(`Cannot drain: ${url} answered something else, expected the state of a drain`);
  return status.data;
}
