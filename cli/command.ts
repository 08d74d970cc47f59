// What every command has in common: a table of options, --help, --json, and a place to say things.
import type { Readable } from "node:stream";
import { describeOptions, parseCommandLine, type OptionTable, type OptionValues } from "./arguments.ts";
import { EXIT_OK, Output, type TextStream } from "./output.ts";

/** The process around a command. */
export interface Surroundings {
  readonly stdin: Readable;
  readonly stdout: TextStream;
  readonly stderr: TextStream;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface Command {
  readonly name: string;
  /** One line for `tidegate --help`. */
  readonly summary: string;
  readonly help: string;
  /** Runs to the exit code; never throws. */
  run(argv: readonly string[], surroundings: Surroundings): Promise<number>;
}

export interface Invocation<T extends OptionTable> {
  readonly values: OptionValues<T>;
  readonly positionals: readonly string[];
  /** What followed after --. */
  readonly rest: readonly string[];
  readonly output: Output;
  readonly stdin: Readable;
  readonly environment: Surroundings["environment"];
}

export interface CommandShape<T extends OptionTable> {
  readonly name: string;
  readonly summary: string;
  /** What --help says beyond the options. */
  readonly details?: string;
  readonly positionals?: readonly string[];
  /** What may follow after --, as the usage names it. */
  readonly rest?: string;
  readonly options: T;
  /** Returns the exit code. */
  run(invocation: Invocation<T>): Promise<number>;
}

const COMMON_OPTIONS = {
  json: { type: "boolean", description: "Print the result as JSON." },
  help: { type: "boolean", description: "Say what the command does." },
} as const satisfies OptionTable;

export function defineCommand<const T extends OptionTable>(shape: CommandShape<T>): Command {
  const { name, summary, positionals = [], details, rest: restName } = shape;
  const options = { ...shape.options, ...COMMON_OPTIONS };
  const usage = `Usage: tidegate ${[name, ...positionals].join(" ")} [options]${restName === undefined ? "" : ` -- ${restName}`}`;
  const help = [usage, summary, ...(details === undefined ? [] : [details.trim()]), `Options:\n${describeOptions(options)}`].join("\n\n");
  return {
    name,
    summary,
    help,
    async run(argv, { stdin, stdout, stderr, environment }) {
      // Known before parsing succeeds, so that a wrong command line is told in the form that was asked for.
      const own = restName === undefined || !argv.includes("--") ? argv : argv.slice(0, argv.indexOf("--"));
      const output = new Output({ stdout, stderr, json: own.includes("--json") });
      try {
        if (own.includes("--help") || own.includes("-h")) {
          output.print(help);
          return EXIT_OK;
        }
        const parsed = parseCommandLine(argv, { program: `tidegate ${name}`, options, positionals, rest: restName });
        return await shape.run({ ...parsed, output, stdin, environment });
      } catch (error) {
        return output.fail(error);
      }
    },
  };
}
