// A command's options from one table: parsed, typed, explained in --help, and forgiving only in what they say.
import { parseArgs } from "node:util";
import { nearestName } from "./nearest-name.ts";
import { CliError, EXIT_USAGE } from "./output.ts";

export interface OptionShape {
  readonly type: "string" | "boolean";
  readonly description: string;
  /** What stands for the value in --help. */
  readonly placeholder?: string;
  readonly required?: boolean;
  readonly multiple?: boolean;
  readonly default?: string;
}

export type OptionTable = Readonly<Record<string, OptionShape>>;

export type OptionValues<T extends OptionTable> = { readonly [Name in keyof T]: ValueOf<T[Name]> };

type ValueOf<S extends OptionShape> = S extends { type: "boolean" }
  ? boolean
  : S extends { multiple: true }
    ? readonly string[]
    : S extends { default: string } | { required: true }
      ? string
      : string | undefined;

export interface ParseRequest<T extends OptionTable> {
  /** For the messages: "tidegate token". */
  readonly program: string;
  readonly options: T;
  /** Names of the positional arguments; all are required. */
  readonly positionals: readonly string[];
  /** What may follow after --; absent: nothing. */
  readonly rest?: string | undefined;
}

/** Repeating an option beyond this is a mistake in a script. */
const VALUE_COUNT_MAX = 1_000;

/** Parses a command line against its table. Throws a CliError (exit 2) that names the option and what was expected. */
export function parseCommandLine<const T extends OptionTable>(
  argv: readonly string[],
  { program, options, positionals, rest: restName }: ParseRequest<T>,
): { values: OptionValues<T>; positionals: readonly string[]; rest: readonly string[] } {
  const end = restName === undefined ? -1 : argv.indexOf("--");
  const rest = end === -1 ? [] : argv.slice(end + 1);
  const { tokens } = parseArgs({
    args: end === -1 ? [...argv] : argv.slice(0, end),
    options: Object.fromEntries(Object.entries(options).map(([name, { type }]) => [name, { type, multiple: true }])),
    allowPositionals: true,
    strict: false, // Its own messages name neither the nearest option nor the grammar of ours.
    tokens: true,
  });
  const given = new Map<string, string[]>();
  const places: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") places.push(token.value);
    if (token.kind === "option") given.set(token.name, readAgain(program, { token, options, before: given.get(token.name) ?? [] }));
  }
  checkPlaces(program, places, positionals);
  return { values: valuesOf(program, options, given), positionals: places, rest };
}

/** All values of an option so far, this one among them. */
function readAgain(
  program: string,
  { token, options, before }: { token: Token; options: OptionTable; before: readonly string[] },
): string[] {
  const { name, rawName } = token;
  const shape = Object.hasOwn(options, name) ? options[name] : undefined;
  if (!shape) throw unknownOption({ program, rawName, name, known: Object.keys(options) });
  const isRepeatable = shape.multiple === true;
  if (before.length >= (isRepeatable ? VALUE_COUNT_MAX : 1))
    throw usageError(program, `--${name} is given again`, `at most ${isRepeatable ? VALUE_COUNT_MAX : "one"}`);
  return [...before, readToken(program, { ...token, type: shape.type, placeholder: shape.placeholder })];
}

function checkPlaces(program: string, places: readonly string[], positionals: readonly string[]): void {
  if (places.length === positionals.length) return;
  const found = places.length === 0 ? `${positionals[0]} is missing` : `the arguments are ${JSON.stringify(places)}`;
  throw usageError(program, found, positionals.length === 0 ? "options only" : positionals.join(" "));
}

function usageError(program: string, found: string, expected: string): CliError {
  return new CliError(`Cannot run ${program}: ${found}, expected ${expected} (see ${program} --help)`, {
    exitCode: EXIT_USAGE,
  });
}

/** The options as --help shows them. */
export function describeOptions(options: OptionTable): string {
  const rows = Object.entries(options).map(([name, shape]) => {
    const left = shape.type === "boolean" ? `--${name}` : `--${name} ${shape.placeholder ?? "TEXT"}`;
    const notes = [
      shape.required === true ? "required" : "",
      shape.multiple === true ? "repeatable" : "",
      shape.default === undefined ? "" : `default ${shape.default}`,
    ];
    const suffix = notes.filter((note) => note !== "").join(", ");
    return { left, right: suffix === "" ? shape.description : `${shape.description} (${suffix})` };
  });
  const width = Math.max(...rows.map(({ left }) => left.length));
  return rows.map(({ left, right }) => `  ${left.padEnd(width)}  ${right}`).join("\n");
}

/** An option as it was written. */
interface Token {
  readonly name: string;
  readonly rawName: string;
  readonly value?: string | undefined;
  readonly inlineValue?: boolean | undefined;
}

interface ReadableToken extends Token {
  readonly type: OptionShape["type"];
  readonly placeholder: string | undefined;
}

function readToken(program: string, { name, value, inlineValue, type, placeholder = "TEXT" }: ReadableToken): string {
  if (type === "boolean") {
    if (value === undefined) return "true";
    throw usageError(program, `--${name} has the value ${JSON.stringify(value)}`, `--${name} alone`);
  }
  // "--tenant --device d-1" forgot a value; one that does begin with two dashes can be joined with =.
  if (value === undefined || (inlineValue !== true && value.startsWith("--")))
    throw usageError(program, `--${name} has no value`, `--${name} ${placeholder}`);
  return value;
}

function unknownOption({
  program,
  rawName,
  name,
  known,
}: {
  program: string;
  rawName: string;
  name: string;
  known: readonly string[];
}): CliError {
  const nearest = nearestName(name, known);
  return usageError(
    program,
    `${rawName} is not an option`,
    nearest === null ? `one of ${known.map((option) => `--${option}`).join(", ")}` : `perhaps --${nearest}`,
  );
}

function valuesOf<T extends OptionTable>(program: string, options: T, given: ReadonlyMap<string, readonly string[]>): OptionValues<T> {
  const values = Object.entries(options).map(([name, shape]) => {
    const texts = given.get(name) ?? (shape.default === undefined ? [] : [shape.default]);
    if (shape.required === true && texts.length === 0)
      throw usageError(program, `--${name} is missing`, `--${name} ${shape.placeholder ?? "TEXT"}`);
    return [name, shape.type === "boolean" ? texts.length > 0 : shape.multiple === true ? texts : texts[0]];
  });
  return Object.fromEntries(values) as OptionValues<T>; // The table says for each name which of the three it is.
}
