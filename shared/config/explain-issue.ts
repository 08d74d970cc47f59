// A schema's complaint in the project's grammar: "is <what is>, expected <what should be>".
import * as z from "zod";

type Path = readonly (string | number)[];

const SHOWN_LENGTH_MAX = 80;
/** As JSON. What is shorter is an algorithm's name, not a key. */
const SECRET_LENGTH_MIN = 16;

/** One fault per wrong key or value. `path` is from the document's root. */
export function explainIssue({
  schema,
  document,
  issue,
}: {
  schema: z.ZodType;
  document: unknown;
  issue: z.core.$ZodIssue;
}): ExplainedIssue[] {
  const path = issue.path.filter((step): step is string | number => typeof step !== "symbol");
  if (issue.code === "unrecognized_keys") {
    const known = [...new Set(keysOf(schemasAt(schema, path)))];
    return issue.keys.map((key) => ({ path: [...path, key], message: `is not a known key, expected one of ${known.join(", ")}` }));
  }
  if (issue.code === "invalid_union" && issue.errors.length > 0) {
    // The branch that got furthest says most: the one with the fewest complaints.
    const [branch = []] = issue.errors.toSorted((a, b) => a.length - b.length);
    return branch.flatMap((inner) => explainIssue({ schema, document, issue: { ...inner, path: [...path, ...inner.path] } }));
  }
  return [{ path, message: `is ${show(document, path)}, expected ${rangeOf(issue, schemasAt(schema, path)) ?? expectation(issue)}` }];
}

export interface ExplainedIssue {
  readonly path: Path;
  readonly message: string;
}

/** For a number, everything it must be at once: a value that is mended should not be wrong again. */
function rangeOf(issue: z.core.$ZodIssue, [at]: readonly unknown[]): string | null {
  if (!(at instanceof z.ZodNumber) || issue.code === "custom") return null;
  const kind = at instanceof z.ZodNumberFormat ? "an integer" : "a number";
  const [least, most] = [at.minValue, at.maxValue].map((bound) => (bound === null || Math.abs(bound) === Infinity ? null : bound));
  if (issue.code === "too_small" && issue.inclusive === false) return `${kind}, more than ${issue.minimum}`;
  if (least !== null && most !== null) return `${kind} from ${least} to ${most}`;
  return least === null ? kind : `${kind}, at least ${least}`;
}

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return withArticle(issue.expected === "record" ? "object" : issue.expected);
    case "too_small":
      return `at least ${issue.minimum}${unitOf(issue.origin)}`;
    case "too_big":
      return `at most ${issue.maximum}${unitOf(issue.origin)}`;
    case "invalid_value":
      return issue.values.length === 1 ? String(issue.values[0]) : `one of ${issue.values.map(String).join(", ")}`;
    case "invalid_key":
      return "as key a name of a-z, 0-9 and -, starting with a letter, at most 63 long";
    case "invalid_union":
      return "kty OKP or EC";
    default:
      return issue.message;
  }
}

function unitOf(origin: string): string {
  return origin === "string" ? " characters" : origin === "array" ? " entries" : "";
}

function withArticle(noun: string): string {
  return /^[aeiou]/.test(noun) ? `an ${noun}` : `a ${noun}`;
}

/** What stands there, short; what may be a secret only by its kind. */
function show(document: unknown, path: Path): string {
  const value = path.reduce<unknown>(
    (at, step) =>
      typeof at === "object" && at !== null && Object.hasOwn(at, step) ? (at as Record<string | number, unknown>)[step] : undefined,
    document,
  );
  if (value === undefined) return "missing";
  if (path[0] === "keys" && stringify(value).length > SECRET_LENGTH_MIN) return Array.isArray(value) ? "a list" : withArticle(typeof value);
  if (typeof value === "number") return String(value);
  const text = stringify(value);
  return text.length > SHOWN_LENGTH_MAX ? `${text.slice(0, SHOWN_LENGTH_MAX - 1)}…` : text;
}

/** As JSON, but never longer than a line: YAML can write what contains itself, or grows by the power of its depth. */
function stringify(value: unknown, lengthMax = SHOWN_LENGTH_MAX): string {
  // Between // and the last @ of a URL stands a password.
  if (typeof value === "string") return JSON.stringify(value.replace(/\/\/.*@/s, "//…@"));
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? typeof value;
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const parts: string[] = [];
  let length = 2;
  for (const key of Object.keys(value)) {
    const name = Array.isArray(value) ? "" : `${JSON.stringify(key)}:`;
    const left = lengthMax - length - name.length;
    const part = left > 0 ? name + stringify((value as Record<string, unknown>)[key], left) : "…";
    parts.push(part);
    length += part.length + 1;
    if (length > lengthMax) break;
  }
  return `${open}${parts.join(",")}${close}`;
}

function keysOf(schemas: readonly unknown[]): string[] {
  return schemas.flatMap((at) => (at instanceof z.ZodObject ? Object.keys(at.shape) : []));
}

/** The schemas of what `path` names, without their defaults: several where a union stands on the way. */
function schemasAt(schema: z.ZodType, path: Path): readonly unknown[] {
  return path.reduce<readonly unknown[]>((schemas, step) => schemas.flatMap((at) => branches(childOf(at, step))), branches(schema));
}

function childOf(at: unknown, step: string | number): unknown {
  if (at instanceof z.ZodObject) return at.shape[String(step)];
  if (at instanceof z.ZodRecord) return at.valueType;
  return at instanceof z.ZodArray ? at.element : undefined;
}

function branches(schema: unknown): readonly unknown[] {
  let at = schema;
  while (at instanceof z.ZodDefault || at instanceof z.ZodPrefault || at instanceof z.ZodOptional) at = at.unwrap();
  if (at instanceof z.ZodUnion || at instanceof z.ZodDiscriminatedUnion) return at.options.flatMap(branches);
  return at === undefined ? [] : [at];
}
