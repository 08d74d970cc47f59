// What the documents list is what there is: metrics, problem types, configuration, commands and their options, links, files.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { gatewayFamilies } from "#gateway/metrics/gateway-families.ts";
import { ROOT } from "#scripts/root.ts";
import { ADMITTED, REFUSALS } from "#shared/errors/outcomes.ts";
import { runCli } from "#test/cli/run-cli.ts";
import { decisionNames, documentNames, documentText, tableRows } from "./document.ts";
import { schemaFields, undescribedKeys, type Schema } from "./schema-fields.ts";

it("docs/metrics.md has every family of /metrics, with its type and its help, and no other", () => {
  const families = gatewayFamilies({ pools: [], tenants: [], configurationVersion: 1, verifiedTokenCount: 0 });
  const rows = tableRows(documentText("docs/metrics.md"), 4).filter(([family]) => family?.startsWith("`tidegate_") === true);
  expect(rows.map(([family, type, , help]) => [family, type, help].join(" ")).toSorted()).toEqual(
    families.map(({ name, type, help }) => [`\`${name}\``, type, help].join(" ")).toSorted(),
  );
});

it("no document names a metric that there is not", () => {
  const known = gatewayFamilies({ pools: [], tenants: [], configurationVersion: 1, verifiedTokenCount: 0 }).map(({ name }) => name);
  const isKnown = (name: string): boolean => known.some((family) => (name.endsWith("_") ? family.startsWith(name) : family === name));
  const named = documentNames().flatMap((file) =>
    [...documentText(file).matchAll(/tidegate_[a-z0-9_]+/g)].map(([name]) => ({ file, name })),
  );
  expect(named.filter(({ name }) => !isKnown(name))).toEqual([]);
});

it("docs/protocol.md has every outcome with its status, and no other", () => {
  const rows = tableRows(documentText("docs/protocol.md").split("| outcome | status | |")[1] ?? "", 3);
  const end = rows.findIndex(([outcome]) => outcome === "cancelled");
  const told = rows
    .slice(0, end + 1)
    .flatMap(([outcomes = "", status = ""]) => outcomes.split(", ").map((outcome) => `${outcome} ${status}`));
  const statuses = Object.entries(REFUSALS).map(([outcome, { status }]) => `${outcome} ${outcome === "cancelled" ? "–" : status}`);
  expect(told.toSorted()).toEqual([...ADMITTED.map((outcome) => `${outcome} the endpoint's`), ...statuses].toSorted());
});

describe("docs/configuration.md", () => {
  it.for([
    { kind: "classes", heading: "classes.yaml" },
    { kind: "service", heading: "services/*.yaml" },
    { kind: "tenant", heading: "tenants/*.yaml" },
  ])("has every key of $heading with what may stand there, and no other", ({ kind, heading }) => {
    const section = documentText("docs/configuration.md").split(`## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
    const told = tableRows(section, 3).map(([key, value]) => `${key} ${value}`);
    const fields = schemaFields(JSON.parse(readFileSync(join(ROOT, `config/schema/${kind}.schema.json`), "utf8")));
    const expected: string[] = [];
    let ofClasses = 0;
    for (const [path, value] of fields) {
      const general = path.replace("sockets.classes.*", "sockets");
      if (general === path) expected.push(`\`${path}\` ${value}`);
      else if (fields.get(general) !== value) expected.push(`\`${path}\` ${value}`);
      else ofClasses += 1;
    }
    if (ofClasses > 0) expected.push("`sockets.classes.*` the limits above");
    expect(told.toSorted()).toEqual(expected.toSorted());
  });
});

it("editors have a word for every key of the published schemas", () => {
  const schemas = ["classes", "service", "tenant"].map((kind) => readFileSync(join(ROOT, `config/schema/${kind}.schema.json`), "utf8"));
  expect(schemas.flatMap((text) => undescribedKeys(JSON.parse(text) as Schema))).toEqual([]);
});

describe("commands", () => {
  const optionsIn = (text: string): string[] => [...text.matchAll(/(?<![\w-])--([a-z][a-z-]*)/g)].map(([, name = ""]) => name);
  const helpOf = async (command: string): Promise<string> => (await runCli([command, "--help"])).stdout;

  it("every command of tidegate is in README or in a document that it leads to", async () => {
    const { stdout } = await runCli(["--help"]);
    const names = [...stdout.matchAll(/^ {2}([a-z]+) {2}/gm)].map(([, name = ""]) => name);
    expect(names.length).toBeGreaterThan(10);
    const told = documentNames().map(documentText).join("\n");
    expect(names.filter((name) => !told.includes(`tidegate ${name}`))).toEqual([]);
  });

  it("what documents show of tidegate exists: commands, and their options", async () => {
    const shown = documentNames().flatMap((file) =>
      [...documentText(file).matchAll(/(?:npx |`|^)tidegate ([a-z]+)\b([^`\n|;]*)/gm)].map(([, command = "", rest = ""]) => ({
        file,
        command,
        // Beyond -- it is another program's; after # it is a comment.
        options: optionsIn(rest.split(/ -- | # /)[0] ?? ""),
      })),
    );
    expect(shown.length).toBeGreaterThan(20);
    const wrong: object[] = [];
    for (const { file, command, options } of shown) {
      const known = optionsIn(await helpOf(command));
      if (known.length === 0) wrong.push({ file, command });
      for (const option of options) if (!known.includes(option)) wrong.push({ file, command, option });
    }
    expect(wrong).toEqual([]);
  });

  it("README has every option of npm start, and no other", () => {
    const help = /const HELP = `(.*?)`;/s.exec(readFileSync(join(ROOT, "scripts/start.ts"), "utf8"))?.[1] ?? "";
    const line = /`npm start -- --help` lists the options: (.*)/.exec(documentText("README.md"))?.[1] ?? "";
    const all = [...help.matchAll(/^ {2}--([a-z-]+)/gm)].map(([, name = ""]) => name).filter((name) => name !== "help");
    expect(optionsIn(line).toSorted()).toEqual(all.toSorted());
  });
});

it("links between documents lead somewhere, to the heading that they name", () => {
  const slugOf = (heading: string): string =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-");
  const headings = (file: string): string[] => [...documentText(file).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) => slugOf(heading));
  const links = [...documentNames(), ...decisionNames()].flatMap((file) =>
    [...documentText(file).matchAll(/\]\((?!https?:)([^)\s#]*)#?([^)\s]*)\)/g)].map(([, path = "", anchor = ""]) => ({
      file,
      target: path === "" ? file : join(dirname(file), path),
      anchor,
    })),
  );
  expect(links.length).toBeGreaterThan(100);
  expect(links.filter(({ target }) => !existsSync(join(ROOT, target)))).toEqual([]);
  expect(links.filter(({ target, anchor }) => anchor !== "" && !headings(target).includes(anchor))).toEqual([]);
});

it("files that documents name are there", () => {
  const named = documentNames().flatMap((file) =>
    [
      ...documentText(file).matchAll(
        /`((?:bench|cli|client|config|durable|end-to-end|gateway|scripts|shared|simulation|test|wasm)\/[\w./-]*)`/g,
      ),
    ].map(([, path = ""]) => ({ file, path })),
  );
  expect(named.length).toBeGreaterThan(50);
  // The table of what quotas cover names tests as `end-to-end/quotas`.
  const isThere = (path: string): boolean =>
    ["", "test/"].some((folder) => ["", ".test.ts", ".worker.test.ts"].some((end) => existsSync(join(ROOT, `${folder}${path}${end}`))));
  expect(named.filter(({ path }) => !isThere(path))).toEqual([]);
});
