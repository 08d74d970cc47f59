// The Worker checks documents and writes no JSON Schema of them (scripts/schema.ts does, with zod as it is). Every schema of zod's names the
// code that would, so a bundler keeps it, and every key has its description: 7.5 KiB gzip of the 200 that a Worker may have.
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import type { Plugin } from "esbuild";

const WRITERS = /[\\/]zod[\\/]v4[\\/]core[\\/](json-schema-processors|to-json-schema)\.js$/;
const EXPORTED = /^export (?:const|function) (\w+)/gm;
const SCHEMAS = /[\\/]shared[\\/]config[\\/][\w-]+\.ts$/;
const DESCRIPTION = /\s*\.describe\(\s*"(?:[^"\\]|\\.)*",?\s*\)/g;

/** Leaves out of a bundle what writes JSON Schema: whoever calls it there is told so. And what only a JSON Schema would say. */
export const zodWithoutJsonSchema: Plugin = {
  name: "zod-without-json-schema",
  setup({ onLoad }) {
    onLoad({ filter: WRITERS }, async ({ path }) => {
      const names = [...(await readFile(path, "utf8")).matchAll(EXPORTED)].map(([, name]) => name);
      if (names.length === 0)
        throw new Error(`Cannot leave JSON Schema out of the bundle: ${basename(path)} exports nothing that is known`);
      const stub = `const absent = () => () => { throw new Error("zod writes no JSON Schema in this bundle"); };`;
      return { contents: `${stub}\nexport { ${names.map((name) => `absent as ${name}`).join(", ")} };`, loader: "js" };
    });
    onLoad({ filter: SCHEMAS }, async ({ path }) => {
      // As many lines as before, for the source map.
      const contents = (await readFile(path, "utf8")).replaceAll(DESCRIPTION, (text) => text.replaceAll(/[^\n]/g, ""));
      if (contents.includes(".describe("))
        throw new Error(
          `Cannot leave descriptions out of the bundle: one in ${basename(path)} is no plain string, expected one in double quotes`,
        );
      return { contents, loader: "ts" };
    });
  },
};
