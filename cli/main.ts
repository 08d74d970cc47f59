// tidegate <command>: finds the command, runs it, returns its exit code.
import type { Command, Surroundings } from "./command.ts";
import { nearestName } from "./nearest-name.ts";
import { CliError, EXIT_OK, EXIT_USAGE, Output } from "./output.ts";

/** Loaded only when asked for: one command does not pay for another's libraries. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  apply: async () => (await import("./commands/apply.ts")).applyCommand,
  explain: async () => (await import("./commands/explain.ts")).explainCommand,
  status: async () => (await import("./commands/status.ts")).statusCommand,
  drain: async () => (await import("./commands/drain.ts")).drainCommand,
  token: async () => (await import("./commands/token.ts")).tokenCommand,
  socket: async () => (await import("./commands/socket.ts")).socketCommand,
  trace: async () => (await import("./commands/trace.ts")).traceCommand,
  load: async () => (await import("./commands/load.ts")).loadCommand,
  simulate: async () => (await import("./commands/simulate.ts")).simulateCommand,
  forecast: async () => (await import("./commands/forecast.ts")).forecastCommand,
  history: async () => (await import("./commands/history.ts")).historyCommand,
  agent: async () => (await import("./commands/agent.ts")).agentCommand,
};

const HELP_FLAGS = ["--help", "-h", "help"];

export async function main(argv: readonly string[], surroundings: Surroundings = surroundingsOf(process, argv)): Promise<number> {
  const [first, ...rest] = argv;
  const output = new Output({ ...surroundings, json: argv.includes("--json") });
  if (first === "help" && rest[0] !== undefined) return main([rest[0], "--help"], surroundings);
  if (first !== undefined && HELP_FLAGS.includes(first)) {
    output.print(await overview());
    return EXIT_OK;
  }
  if (first === undefined) {
    output.notice(await overview());
    return EXIT_USAGE;
  }
  const load = Object.hasOwn(COMMANDS, first) ? COMMANDS[first] : undefined;
  if (load === undefined) return output.fail(unknownCommand(first));
  const command = await load();
  return command.run(rest, surroundings);
}

async function overview(): Promise<string> {
  const commands = await Promise.all(Object.values(COMMANDS).map((load) => load()));
  const width = Math.max(...commands.map(({ name }) => name.length));
  const lines = commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`);
  return ["Usage: tidegate COMMAND [options]", "", ...lines, "", "tidegate COMMAND --help says more. Every command takes --json."].join(
    "\n",
  );
}

function unknownCommand(name: string): CliError {
  const nearest = nearestName(name, Object.keys(COMMANDS));
  const expected = nearest === null ? `one of ${Object.keys(COMMANDS).join(", ")}` : `perhaps ${nearest}`;
  return new CliError(`Cannot run tidegate ${name}: it is not a command, expected ${expected}`, { exitCode: EXIT_USAGE });
}

function surroundingsOf({ stdin, stdout, stderr, env }: NodeJS.Process, argv: readonly string[]): Surroundings {
  const output = new Output({ stdout, stderr, json: argv.includes("--json") });
  stdout.on("error", (error: NodeJS.ErrnoException) => {
    // `tidegate trace | head` closes the pipe early: the reader has what it wanted.
    if (error.code === "EPIPE") process.exit(EXIT_OK);
    const message = `Cannot write to the standard output: ${error.code ?? error.message}, expected what can be written to`;
    process.exit(output.fail(new CliError(message, { cause: error })));
  });
  return { stdin, stdout, stderr, environment: env };
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
