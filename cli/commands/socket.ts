import { LIMITS, NAME_PATTERN } from "#shared/limits.ts";
import { MINUTE_MS, SECOND_MS } from "#shared/units.ts";
import { defineCommand } from "../command.ts";
import { callGateway, findGateway, GATEWAY_OPTIONS } from "../gateway-api.ts";
import { readDurationMs, readPattern } from "../option-values.ts";
import { boundedLines } from "../lines.ts";
import { CliError, EXIT_OK, EXIT_USAGE } from "../output.ts";
import { holdConversation } from "../socket-conversation.ts";

/** A character has at least one byte. */
const LINE_BOUNDS = { charactersMax: LIMITS.socketMessageBytesMax, tooLong: messageTooLong };

export const socketCommand = defineCommand({
  name: "socket",
  summary: "Open a WebSocket to a service, send messages, print what arrives.",
  details: `Sends each --message, else each line of standard input; prints one line per message that arrives (binary ones in base64);
closes once every message was answered. With --json each line is { "data": … } or { "base64": … }.`,
  options: {
    service: { type: "string", required: true, placeholder: "NAME", description: "Where to connect." },
    token: {
      type: "string",
      placeholder: "TOKEN",
      description: "The device's; else TIDEGATE_TOKEN, which other users of the machine cannot see.",
    },
    message: { type: "string", multiple: true, placeholder: "TEXT", description: "A message to send." },
    timeout: {
      type: "string",
      default: "5s",
      placeholder: "DURATION",
      description: "How long to wait for the socket, and for what is still unanswered.",
    },
    ...GATEWAY_OPTIONS,
  },
  async run({ values, output, stdin, environment }) {
    const service = readPattern(values.service, { option: "--service", pattern: NAME_PATTERN, expected: "a service's name" });
    const timeoutMs = readDurationMs(values.timeout, { option: "--timeout", min: 1, max: 10 * MINUTE_MS });
    const token = values.token ?? environment["TIDEGATE_TOKEN"];
    if (token === undefined || !/^[A-Za-z0-9_.-]+$/.test(token)) {
      throw new CliError("Cannot open a socket: the token is missing or malformed, expected --token TOKEN or TIDEGATE_TOKEN", {
        exitCode: EXIT_USAGE,
      });
    }
    const { url } = await findGateway(values, environment);
    const ending = await holdConversation({
      url,
      service,
      token,
      messages: values.message.length > 0 ? checkSizes(values.message) : checkSizes(boundedLines(stdin, LINE_BOUNDS)),
      timeoutMs,
      print: (data) => output.print(output.json ? jsonLine(data) : textLine(data)),
    }).finally(() => stdin.destroy()); // A terminal's input would keep the process.
    switch (ending.kind) {
      case "done":
        return EXIT_OK;
      case "not-opened":
        throw new CliError(`Cannot open a socket to ${service}: ${await askWhy({ url, service, token })}`);
      case "closed":
        throw new CliError(
          `Cannot finish the conversation with ${service}: it was closed with ${ending.code}${ending.reason === "" ? "" : ` (${ending.reason})`}, expected an answer to every message`,
        );
      case "unanswered":
        throw new CliError(
          `Cannot finish the conversation with ${service}: ${ending.count} messages are unanswered after ${timeoutMs / SECOND_MS} s, expected an answer to each`,
        );
    }
  },
});

async function* checkSizes(messages: Iterable<string> | AsyncIterable<string>): AsyncGenerator<string> {
  for await (const message of messages) {
    if (Buffer.byteLength(message) > LIMITS.socketMessageBytesMax) throw messageTooLong();
    yield message;
  }
}

function messageTooLong(): CliError {
  return new CliError(`Cannot send a message: it has more than ${LIMITS.socketMessageBytesMax} bytes, expected at most that`);
}

/** A refused upgrade looks like any failure to a WebSocket; the same route answers the same verdict to a POST. */
async function askWhy({ url, service, token }: { url: string; service: string; token: string }): Promise<string> {
  const { status, problem } = await callGateway({ url, path: `/connect/${service}`, method: "POST", bearer: token });
  const said = problem?.detail ?? problem?.title;
  if (said !== undefined) return `${said} (status ${status})`;
  return `the upgrade failed, and asked why, the gateway answers ${status}, expected a socket`;
}

function jsonLine(data: string | ArrayBuffer): string {
  return JSON.stringify(typeof data === "string" ? { data } : { base64: base64Of(data) });
}

function textLine(data: string | ArrayBuffer): string {
  return typeof data === "string" ? data : base64Of(data);
}

function base64Of(data: ArrayBuffer): string {
  return Buffer.from(data).toString("base64");
}
