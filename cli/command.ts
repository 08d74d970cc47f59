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
  readonly options: T;
  /** Returns the exit code. */
  run(invocation: Invocation<T>): Promise<number>;
}

const COMMON_OPTIONS = {
  json: { type: "boolean", description: "Print the result as JSON." },
  help: { type: "boolean", description: "Say what the command does." },
} as const satisfies OptionTable;

export function defineCommand<const T extends OptionTable>(shape: CommandShape<T>): Command {
  const { name, summary, positionals = [], details } = shape;
  const options = { ...shape.options, ...COMMON_OPTIONS };
  const usage = `Usage: tidegate ${[name, ...positionals].join(" ")} [options]`;
  const help = [usage, summary, ...(details === undefined ? [] : [details.trim()]), `Options:\n${describeOptions(options)}`].join("\n\n");
  return {
    name,
    summary,
    help,
    async run(argv, { stdin, stdout, stderr, environment }) {
      // Known before parsing succeeds, so that a wrong command line is told in the form that was asked for.
      const output = new Output({ stdout, stderr, json: argv.includes("--json") });
      try {
        if (argv.includes("--help") || argv.includes("-h")) {
          output.print(help);
          return EXIT_OK;
        }
        const { values, positionals: places } = parseCommandLine(argv, { program: `tidegate ${name}`, options, positionals });
        return await shape.run({ values, positionals: places, output, stdin, environment });
      } catch (error) {
        return output.fail(error);
      }
    },
  };
}
