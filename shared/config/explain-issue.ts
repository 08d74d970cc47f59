// A schema's complaint in the project's grammar: "is <what is>, expected <what should be>".
import { z } from "zod";

type Path = (string | number)[];

/** One fault per wrong key or value. `path` is from the document's root. */
export function explainIssue({
  schema,
  document,
  issue,
}: {
  schema: z.ZodType;
  document: unknown;
  issue: z.core.$ZodIssue;
}): { path: Path; message: string }[] {
  const path = issue.path.filter((step): step is string | number => typeof step !== "symbol");
  if (issue.code === "unrecognized_keys") {
    const known = keysAt(schema, path);
    return issue.keys.map((key) => ({
      path: [...path, key],
      message: `is not a known key${known.length > 0 ? `, expected one of ${known.join(", ")}` : ""}`,
    }));
  }
  if (issue.code === "invalid_union" && issue.errors.length > 0) {
    // The branch that got furthest says most: the one with the fewest complaints.
    const [branch] = issue.errors.toSorted((a, b) => a.length - b.length);
    if (branch && branch.length > 0) {
      return branch.flatMap((inner) => explainIssue({ schema, document, issue: { ...inner, path: [...path, ...inner.path] } }));
    }
  }
  return [{ path, message: `is ${show(valueAt(document, path))}, expected ${rangeAt(schema, path) ?? expectation(issue)}` }];
}

/** For a number, everything it must be at once: a value that is mended should not be wrong again. */
function rangeAt(schema: z.ZodType, path: Path): string | null {
  const at = schemaAt(schema, path);
  if (!(at instanceof z.ZodNumber)) return null;
  const kind = at instanceof z.ZodNumberFormat ? "an integer" : "a number";
  const [least, most] = [at.minValue, at.maxValue].map((bound) =>
    bound === null || Math.abs(bound) >= Number.MAX_SAFE_INTEGER ? null : bound,
  );
  if (least !== null && most !== null) return `${kind} from ${least} to ${most}`;
  return least === null ? kind : `${kind}, at least ${least}`;
}

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return withArticle(issue.expected === "record" ? "object" : issue.expected);
    case "too_small":
      return `at least ${issue.minimum}${issue.origin === "string" ? " characters" : issue.origin === "array" ? " entries" : ""}`;
    case "too_big":
      return `at most ${issue.maximum}${issue.origin === "string" ? " characters" : issue.origin === "array" ? " entries" : ""}`;
    case "invalid_value":
      return issue.values.length === 1 ? String(issue.values[0]) : `one of ${issue.values.map(String).join(", ")}`;
    case "invalid_key":
      return "as key a name of a-z, 0-9 and -, starting with a letter, at most 63 long";
    default:
      return issue.message;
  }
}

function withArticle(noun: string): string {
  return /^[aeiou]/.test(noun) ? `an ${noun}` : `a ${noun}`;
}

function valueAt(document: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, step) => (typeof value === "object" && value !== null ? (value as Record<string | number, unknown>)[step] : undefined),
    document,
  );
}

function show(value: unknown): string {
  if (value === undefined) return "missing";
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}

/** The keys that the object at `path` may have. */
function keysAt(schema: z.ZodType, path: Path): string[] {
  const at = schemaAt(schema, path);
  return at instanceof z.ZodObject ? Object.keys(at.shape) : [];
}

/** The schema of what `path` names, without its defaults; undefined where a union has several. */
function schemaAt(schema: z.ZodType, path: Path): unknown {
  let at = unwrap(schema);
  for (const step of path) {
    if (at instanceof z.ZodObject) at = unwrap(at.shape[String(step)]);
    else if (at instanceof z.ZodRecord) at = unwrap(at.valueType);
    else if (at instanceof z.ZodArray) at = unwrap(at.element);
    else return undefined;
  }
  return at;
}

function unwrap(schema: unknown): unknown {
  let at = schema;
  while (at instanceof z.ZodDefault || at instanceof z.ZodPrefault || at instanceof z.ZodOptional) at = at.unwrap();
  return at;
}
