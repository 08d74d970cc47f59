import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "vitest";
import { parse } from "yaml";
import { findVerdict } from "#scripts/canaries.ts";
import { selectSteps, summarize } from "#scripts/check.ts";
import { ROOT } from "#scripts/root.ts";
import { findOutdated, renderSchemas } from "#scripts/schema.ts";
import { judgeSize } from "#scripts/sizes.ts";

const KIB = new Uint8Array(1_024);
const utf8 = (of: string): Uint8Array => new TextEncoder().encode(of);

describe("a size", () => {
  const raw = { file: "a.wasm", weigh: "raw" } as const;
  const gzip = { file: "a.js", weigh: "gzip" } as const;
  it.for([
    { name: "passes at its budget", budget: { ...raw, bytesMax: 1_024 }, content: KIB, want: true },
    { name: "fails one byte over it", budget: { ...raw, bytesMax: 1_023 }, content: KIB, want: false },
    { name: "is weighed as it travels", budget: { ...gzip, bytesMax: 100 }, content: KIB, want: true },
    { name: "fails over its compressed budget", budget: { ...gzip, bytesMax: 10 }, content: KIB, want: false },
    { name: "passes as ASCII", budget: { ...raw, bytesMax: 9, isAscii: true }, content: utf8("a ~ b"), want: true },
    { name: "fails for one character beyond ASCII", budget: { ...raw, bytesMax: 9, isAscii: true }, content: utf8("a → b"), want: false },
    { name: "fails where nothing was built", budget: { ...raw, bytesMax: 1_024 }, content: null, want: false },
  ])("$name", ({ budget, content, want }, { expect }) => {
    const { ok, line } = judgeSize(budget, content);
    expect(ok).toBe(want);
    expect(line).toContain(budget.file);
  });
});

describe("a published schema", () => {
  const published = [{ file: "a.json", text: "{}\n" }];
  it.for([
    { name: "is fresh where the file says the same", onDisk: "{}\n", want: 0 },
    { name: "is outdated where the file says something else", onDisk: "{ }\n", want: 1 },
    { name: "is outdated where the file is missing", onDisk: null, want: 1 },
  ])("$name", async ({ onDisk, want }, { expect }) => {
    await expect(findOutdated(published, async () => onDisk)).resolves.toHaveLength(want);
  });
});

describe("the embedded configuration", () => {
  it.for([
    { schema: "classes", folder: "config", pattern: /^classes\.yaml$/ },
    { schema: "service", folder: "config/services", pattern: /\.yaml$/ },
    { schema: "tenant", folder: "config/tenants", pattern: /\.yaml$/ },
  ])("has the keys that the published $schema schema requires, and no others", async ({ schema, folder, pattern }, { expect }) => {
    const text = renderSchemas().find(({ file }) => file.includes(`/${schema}.`))?.text ?? "{}";
    const { required, properties } = JSON.parse(text) as { required: string[]; properties: Record<string, unknown> };
    const files = (await readdir(join(ROOT, folder))).filter((file) => pattern.test(file));
    expect(files).not.toEqual([]);
    for (const file of files) {
      const document = parse(await readFile(join(ROOT, folder, file), "utf8")) as Record<string, unknown>;
      expect(Object.keys(document)).toEqual(expect.arrayContaining(required));
      expect(Object.keys(properties)).toEqual(expect.arrayContaining(Object.keys(document)));
    }
  });
});

describe("a check", () => {
  const steps = [{ name: "format" }, { name: "lint" }, { name: "types" }];

  it("runs the steps that are asked for, in their own order", ({ expect }) => {
    expect(selectSteps(steps, "types,lint")).toEqual([{ name: "lint" }, { name: "types" }]);
    expect(selectSteps(steps, undefined)).toEqual(steps);
  });

  it("says which steps there are when it is asked for another", ({ expect }) => {
    expect(() => selectSteps(steps, "lint,tests")).toThrow('Cannot run step "tests": it is unknown, expected one of format, lint, types');
  });

  it.for([
    { outcomes: ["passed", "passed", "failed"] as const, want: "2 passed, 1 failed" },
    { outcomes: ["passed", "skipped"] as const, want: "1 passed, 0 failed, 1 skipped" },
  ])("ends with $want", ({ outcomes, want }, { expect }) => {
    expect(summarize(outcomes)).toBe(want);
  });
});

describe("a canary", () => {
  it.for([
    { name: "is found by file and rule", line: "gateway/a.ts:1:1: No. [Error/eslint(no-cycle)]", want: true },
    {
      name: "is not found by its rule in another file",
      line: "cli/b.ts:1:1: gateway/a.ts is the other. [Error/eslint(no-cycle)]",
      want: false,
    },
    { name: "is not found by another rule in its file", line: "gateway/a.ts:1:1: No. [Error/eslint(eqeqeq)]", want: false },
  ])("$name", ({ line, want }, { expect }) => {
    expect(findVerdict(`first\n${line}\n`, { file: "gateway/a.ts", expect: "no-cycle" }) !== undefined).toBe(want);
  });
});
