// Publishes the shape of the operator's YAML as JSON Schema, so that editors complete and check it. A YAML
// file opts in with its first line: # yaml-language-server: $schema=../schema/service.schema.json
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { z } from "zod";
import { classesFileSchema, serviceFileSchema, tenantFileSchema } from "#shared/config/schema.ts";
import { ROOT } from "./root.ts";

export interface SchemaFile {
  /** Relative to the project's folder. */
  readonly file: string;
  readonly text: string;
}

const PUBLISHED = [
  { kind: "classes", schema: classesFileSchema, title: "Tidegate: classes", description: "config/classes.yaml: the operator's classes." },
  {
    kind: "service",
    schema: serviceFileSchema,
    title: "Tidegate: a service",
    description: "config/services/<service>.yaml: one service and its endpoints.",
  },
  {
    kind: "tenant",
    schema: tenantFileSchema,
    title: "Tidegate: a tenant",
    description: "config/tenants/<tenant>.yaml: one tenant, its keys and its quotas.",
  },
] as const;

/** Every published schema as it should be on disk. */
export function renderSchemas(): SchemaFile[] {
  return PUBLISHED.map(({ kind, schema, title, description }) => {
    // What the operator writes, not what the gateway reads from it: keys with a default are optional.
    const { $schema, ...shape } = z.toJSONSchema(schema, { io: "input", target: "draft-2020-12" });
    return { file: `config/schema/${kind}.schema.json`, text: `${JSON.stringify({ $schema, title, description, ...shape }, null, 2)}\n` };
  });
}

/** Those whose file is not what it should be. `textOf` answers null for a file that is missing. */
export async function findOutdated(
  schemas: readonly SchemaFile[],
  textOf: (file: string) => Promise<string | null>,
): Promise<SchemaFile[]> {
  const texts = await Promise.all(schemas.map(({ file }) => textOf(file)));
  return schemas.filter(({ text }, index) => texts[index] !== text);
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { check: { type: "boolean", default: false } } });
  const outdated = await findOutdated(renderSchemas(), (file) => readFile(join(ROOT, file), "utf8").catch(() => null));
  for (const { file, text } of outdated) {
    if (!values.check) await writeFile(join(ROOT, file), text);
    console.log(values.check ? `${file} is outdated, expected what shared/config/schema.ts says: npm run schema` : `wrote ${file}`);
  }
  if (values.check && outdated.length > 0) process.exitCode = 1;
}

if (import.meta.main) await main();
