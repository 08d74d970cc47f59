// Proves that the checks can fail: plants one fault per rule in a copy of the tree and demands that the tool
// names rule and file. The copy without faults must pass first, or a tool that refuses everything would do.
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Canary, Judge } from "./canaries/canary.ts";
import { LAYER_CANARIES } from "./canaries/layer-canaries.ts";
import { TOOL_CANARIES } from "./canaries/tool-canaries.ts";
import { ROOT } from "./root.ts";
import { EXIT_CODE_SKIPPED, runCommand, type Command } from "./run-command.ts";

const CANARIES = [...LAYER_CANARIES, ...TOOL_CANARIES];

/** As in check.ts, but with a report of one line per fault. */
const JUDGES: Readonly<Record<Judge, readonly Command[]>> = {
  lint: [["oxlint", "--format", "unix"]],
  format: [["oxfmt", "--check", "."]],
  // The copy shares node_modules with the tree, where the tree's own build information is.
  types: ["worker", "node"].map((name): Command => [
    "tsc",
    "-p",
    `tsconfig.${name}.json`,
    "--tsBuildInfoFile",
    `.canary-${name}.tsbuildinfo`,
  ]),
  "dead-code": [["knip", "--no-progress", "--reporter", "github-actions"]],
  sizes: [["node", "scripts/sizes.ts"]],
  schema: [["node", "scripts/schema.ts", "--check"]],
};

/** The first line of a report that is about the file and names the rule. */
export function findVerdict(report: string, { file, expect }: Pick<Canary, "file" | "expect">): string | undefined {
  // A line starts with its file, or is an annotation of GitHub's (knip's only report of one line per fault).
  const isAbout = (line: string): boolean => line.startsWith(file) || line.includes(`file=${file},`);
  return report.split("\n").find((line) => isAbout(line) && line.includes(expect ?? ""));
}

/** What git would commit, with the build's results; no other process looks at it. */
async function copyTree(folder: string): Promise<void> {
  const { output } = await runCommand(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
  const built = ["wasm/build", "dist"];
  for (const file of [...output.split("\0").filter(Boolean), ...built]) {
    // A file may be listed and gone: deleted, and not yet committed.
    await cp(join(ROOT, file), join(folder, file), { recursive: true }).catch(ignoreMissing);
  }
  await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
}

async function judge(name: Judge, folder: string): Promise<{ ok: boolean; report: string }> {
  const results = [];
  for (const command of JUDGES[name]) results.push(await runCommand(command, folder));
  return { ok: results.every(({ exitCode }) => exitCode === 0), report: results.map(({ output }) => output).join("\n") };
}

async function plant({ file, plant: contentOf }: Canary, folder: string): Promise<void> {
  const path = join(folder, file);
  const before = await readFile(path, "utf8").catch(ignoreMissing);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, contentOf(before ?? ""));
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}

/** Prints a line per canary; true: all were found. */
async function proveIn(folder: string): Promise<boolean> {
  await copyTree(folder);
  const judges = Object.keys(JUDGES) as Judge[];
  for (const name of judges) {
    const { ok, report } = await judge(name, folder);
    if (ok) continue;
    console.log(`Cannot prove anything: ${name} refuses the tree without a canary\n${report}`);
    return false;
  }
  for (const canary of CANARIES) await plant(canary, folder);
  const reports = new Map<Judge, { ok: boolean; report: string }>();
  for (const name of judges) reports.set(name, await judge(name, folder));
  const silent = CANARIES.filter((canary) => {
    const { ok, report } = reports.get(canary.judge) ?? { ok: true, report: "" };
    const found = !ok && findVerdict(report, canary) !== undefined;
    const proven = found === (canary.expect !== null);
    console.log(`${proven ? "ok  " : "FAIL"}  ${canary.judge.padEnd(9)}  ${canary.name} (${canary.file}: ${canary.expect ?? "nothing"})`);
    return !proven;
  });
  console.log(`${CANARIES.length - silent.length} canaries found, ${silent.length} not`);
  return silent.length === 0;
}

async function main(): Promise<void> {
  const git = await runCommand(["git", "rev-parse"]).catch(() => null);
  if (git?.exitCode !== 0) {
    console.log(
      `Cannot plant canaries: ${git?.output.trim() ?? "git is not installed"}, expected a git checkout, which says what belongs to the tree`,
    );
    process.exitCode = EXIT_CODE_SKIPPED;
    return;
  }
  const folder = await mkdtemp(join(tmpdir(), "tidegate-canaries-"));
  try {
    if (!(await proveIn(folder))) process.exitCode = 1;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

if (import.meta.main) await main();
