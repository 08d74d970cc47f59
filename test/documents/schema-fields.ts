// The keys of a published JSON Schema, as docs/configuration.md has them: a path, and what may stand there.
export interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  readonly default?: unknown;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly propertyNames?: Schema;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
}

/** Zod says of every integer that it is a safe one. */
const BOUND_MAX = Number.MAX_SAFE_INTEGER;

/** `path` → what may stand there. Of records the key is `*`; what only groups other keys is left out. */
export function schemaFields(schema: Schema, path = ""): Map<string, string> {
  const fields = new Map<string, string>();
  const add = (of: Schema, at: string): void => {
    for (const [key, value] of schemaFields(of, at)) fields.set(key, value);
  };
  for (const branch of schema.anyOf ?? []) add(branch, path);
  for (const [key, of] of Object.entries(schema.properties ?? {})) {
    const at = path === "" ? key : `${path}.${key}`;
    if (!isGroup(of))
      fields.set(at, [kindOf(of), noteOf(of, schema.required?.includes(key) === true)].filter((part) => part !== "").join("; "));
    add(of, at);
  }
  if (typeof schema.additionalProperties === "object") add(schema.additionalProperties, `${path}.*`);
  if (schema.items !== undefined) add(schema.items, `${path}[]`);
  return fields;
}

/** Keys, at any depth, of which an editor could say nothing; those of public keys are JWK's own (RFC 7517). */
export function undescribedKeys(schema: Schema, path = ""): string[] {
  const { properties = {}, anyOf = [], items, additionalProperties } = schema;
  return [
    ...anyOf.flatMap((branch) => undescribedKeys(branch, path)),
    ...Object.entries(properties).flatMap(([key, of]) => [
      ...(of.description === undefined ? [`${path}.${key}`] : []),
      ...undescribedKeys(of, `${path}.${key}`),
    ]),
    ...(items === undefined ? [] : undescribedKeys(items, `${path}[]`)),
    ...(typeof additionalProperties === "object" ? undescribedKeys(additionalProperties, `${path}.*`) : []),
  ];
}

function isGroup({ type, properties, additionalProperties, anyOf, items }: Schema): boolean {
  if (anyOf !== undefined) return true;
  return type === "array" ? items?.properties !== undefined : properties !== undefined || typeof additionalProperties === "object";
}

function kindOf({ type, const: only, enum: values, minimum, exclusiveMinimum, maximum, items }: Schema): string {
  if (only !== undefined) return JSON.stringify(only);
  if (values !== undefined) return values.join(", ");
  if (type === "array") return `list of ${items?.type === undefined && items?.enum === undefined ? "keys" : kindOf(items)}`;
  if (type !== "integer" && type !== "number") return type === "boolean" ? "true or false" : "text";
  const noun = type === "integer" ? "whole number" : "number";
  const least = exclusiveMinimum === undefined ? (minimum ?? -BOUND_MAX) : `above ${exclusiveMinimum}`;
  if (maximum === undefined || maximum >= BOUND_MAX) return `${noun}, at least ${least}`;
  return `${noun}, ${least} to ${maximum}`;
}

function noteOf({ default: value }: Schema, isRequired: boolean): string {
  if (isRequired) return "required";
  return value === undefined ? "" : `default ${typeof value === "string" ? value : JSON.stringify(value)}`;
}
