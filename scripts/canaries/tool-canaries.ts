// One fault per check that is no layer rule.
import { randomBytes } from "node:crypto";
import { SIZE_BUDGETS } from "../sizes.ts";
import type { Canary } from "./canary.ts";

/** An un-awaited call of an object: what it answers, and that it failed, is lost. */
const FLOATING_CALL = `import { DurableObject } from "cloudflare:workers";

export class Planted extends DurableObject {
  ping(): number {
    return 1;
  }
}

export function ask(objects: DurableObjectNamespace<Planted>): void {
  objects.getByName("canary").ping();
}
`;

const CLOCK = `export const planted = (): number => Date.now();\n`;
const RANDOM = `export const planted = (): number => Math.random();\n`;
const FETCH = `export const planted = async (): Promise<Response> => fetch("https://example.com");\n`;

const lines = (count: number, line: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => line(index)).join("\n");
const LONG_FILE = lines(301, (index) => `export const planted${index} = ${index};`);
const LONG_FUNCTION = `export function planted(count: number): number {\n${lines(60, () => "  count += 1;")}\n  return count;\n}\n`;
const DEEP = `export function planted(a: boolean): void {
  if (a) for (const b of [a]) if (b) while (b) if (a) planted(b);
}
`;
const UNHANDLED_CASE = `export function planted(answer: "yes" | "no"): number {
  switch (answer) {
    case "yes":
      return 1;
  }
  return 0;
}
`;

const LINT: readonly (readonly [name: string, file: string, rule: string, content: string])[] = [
  ["an object's call is not awaited", "durable/pool/canary-floating.ts", "no-floating-promises", FLOATING_CALL],
  [
    "a promise is taken for a condition",
    "gateway/canary-misused.ts",
    "no-misused-promises",
    `export const planted = (a: Promise<boolean>): number => (a ? 1 : 0);\n`,
  ],
  ["a case is not handled", "cli/canary-case.ts", "switch-exhaustiveness-check", UNHANDLED_CASE],
  ["a value is any", "cli/canary-any.ts", "no-explicit-any", `export const planted = (a: any): unknown => a;\n`],
  [
    "a type is imported as a value",
    "cli/canary-type.ts",
    "consistent-type-imports",
    `import { Writable } from "node:stream";\nexport type Planted = Writable;\n`,
  ],
  ["a module exports a default", "cli/canary-default.ts", "no-default-export", "export default 1;\n"],
  [
    "two modules import each other",
    "cli/canary-cycle-a.ts",
    "no-cycle",
    `import { b } from "#cli/canary-cycle-b.ts";\nexport const a = (): number => b();\n`,
  ],
  ["… and back", "cli/canary-cycle-b.ts", "no-cycle", `import { a } from "./canary-cycle-a.ts";\nexport const b = (): number => a();\n`],
  ["a file's name is not kebab-case", "cli/canaryName.ts", "filename-case", "export const planted = 1;\n"],
  ["a file is too long", "cli/canary-long-file.ts", "max-lines", LONG_FILE],
  ["a function is too long", "cli/canary-long-function.ts", "max-lines-per-function", LONG_FUNCTION],
  ["a function nests too deep", "cli/canary-deep.ts", "max-depth", DEEP],
  [
    "a function takes too much",
    "cli/canary-params.ts",
    "max-params",
    "export const planted = (a: 1, b: 2, c: 3, d: 4): number => a + b + c + d;\n",
  ],
  ["shared reads the clock", "shared/canary-clock.ts", "no-restricted-properties", CLOCK],
  ["the lease draws a random number", "durable/lease/canary-random.ts", "no-restricted-properties", RANDOM],
  ["shared talks to the network", "shared/canary-fetch.ts", "no-restricted-globals", FETCH],
];

const TYPES: readonly (readonly [name: string, file: string, error: string, content: string])[] = [
  ["a type is wrong in the Worker", "gateway/canary-type.ts", "TS2322", `export const planted: number = "canary";\n`],
  ["a type is wrong in a command", "cli/canary-wrong-type.ts", "TS2322", `export const planted: number = "canary";\n`],
  ["an enum needs a compiler", "cli/canary-enum.ts", "TS1294", "export enum Planted {\n  Canary,\n}\n"],
  ["an index is taken for present", "shared/canary-index.ts", "TS2322", "export const planted = (a: readonly number[]): number => a[0];\n"],
];

export const TOOL_CANARIES: readonly Canary[] = [
  ...LINT.map(([name, file, expect, content]): Canary => ({ name, file, judge: "lint", plant: () => content, expect })),
  ...TYPES.map(([name, file, expect, content]): Canary => ({ name, file, judge: "types", plant: () => content, expect })),
  {
    name: "a file is not formatted",
    judge: "format",
    file: "shared/canary-format.ts",
    plant: () => "export const planted  =  1",
    expect: "canary-format",
  },
  {
    name: "nobody imports a file",
    judge: "dead-code",
    file: "shared/canary-unused.ts",
    plant: () => "export const planted = 1;\n",
    expect: "Unused files",
  },
  {
    name: "nobody imports an export",
    judge: "dead-code",
    file: "shared/units.ts",
    plant: (before) => `${before}export const planted = 1;\n`,
    expect: "Unused exports",
  },
  {
    name: "a package is not declared",
    judge: "dead-code",
    file: "scripts/canary-package.ts",
    plant: () => `import "canary-package";\n`,
    expect: "Unlisted dependencies",
  },
  ...SIZE_BUDGETS.map(({ file, bytesMax }): Canary => ({
    name: `${file} is too large`,
    judge: "sizes",
    file,
    plant: () => randomBytes(bytesMax + 1),
    expect: "over its budget",
  })),
  {
    name: "a published schema is outdated",
    judge: "schema",
    file: "config/schema/service.schema.json",
    plant: (before) => `${before}\n`,
    expect: "is outdated",
  },
];
