// Everything but the tests: npm run check [-- --only lint,types].
import { parseArgs } from "node:util";
import { EXIT_CODE_SKIPPED, runCommand, type Command } from "./run-command.ts";

interface Step {
  readonly name: string;
  /** All of them run, so that one check shows every fault. */
  readonly commands: readonly Command[];
}

type Outcome = "passed" | "failed" | "skipped";

const STEPS: readonly Step[] = [
  { name: "format", commands: [["oxfmt", "--check", "."]] },
  { name: "lint", commands: [["oxlint"]] },
  {
    name: "types",
    commands: [
      ["tsc", "-p", "tsconfig.worker.json"],
      ["tsc", "-p", "tsconfig.node.json"],
      ["tsc", "-p", "tsconfig.client.json"],
    ],
  },
  { name: "build", commands: [["node", "scripts/build.ts"]] },
  // What would be deployed, without deploying it.
  { name: "deploy", commands: [["wrangler", "deploy", "--dry-run", "--outdir", "dist/wrangler"]] },
  { name: "sizes", commands: [["node", "scripts/sizes.ts"]] },
  { name: "dead-code", commands: [["knip", "--no-progress"]] },
  { name: "schema", commands: [["node", "scripts/schema.ts", "--check"]] },
  { name: "canaries", commands: [["node", "scripts/canaries.ts"]] },
];

/** The steps that `only` names, in their own order; throws for a name that is none. */
export function selectSteps<T extends { readonly name: string }>(steps: readonly T[], only: string | undefined): readonly T[] {
  if (only === undefined) return steps;
  const names = only.split(",");
  const known = steps.map(({ name }) => name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new Error(`Cannot run step ${JSON.stringify(unknown)}: it is unknown, expected one of ${known.join(", ")}`);
  return steps.filter(({ name }) => names.includes(name));
}

/** "2 passed, 1 failed", and how many were skipped where any was. */
export function summarize(outcomes: readonly Outcome[]): string {
  const count = (wanted: Outcome): number => outcomes.filter((outcome) => outcome === wanted).length;
  const skipped = count("skipped");
  return `${count("passed")} passed, ${count("failed")} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

async function runStep({ name, commands }: Step): Promise<Outcome> {
  const startedAtMs = performance.now();
  const results = [];
  for (const command of commands) results.push(await runCommand(command));
  const seconds = ((performance.now() - startedAtMs) / 1_000).toFixed(1);
  const failed = results.some(({ exitCode }) => exitCode !== 0 && exitCode !== EXIT_CODE_SKIPPED);
  const skipped = results.some(({ exitCode }) => exitCode === EXIT_CODE_SKIPPED);
  const outcome = failed ? "failed" : skipped ? "skipped" : "passed";
  console.log(`${{ passed: "ok  ", failed: "FAIL", skipped: "SKIP" }[outcome]}  ${name.padEnd(10)} ${seconds.padStart(6)} s`);
  // What passed may speak where its figures matter.
  if (outcome !== "passed" || name === "sizes") process.stdout.write(indent(results.map(({ output }) => output).join("")));
  return outcome;
}

function indent(output: string): string {
  return output.trimEnd().replaceAll(/^/gm, "      ") + "\n";
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { only: { type: "string" } } });
  const outcomes: Outcome[] = [];
  for (const step of selectSteps(STEPS, values.only)) outcomes.push(await runStep(step));
  console.log(summarize(outcomes));
  if (outcomes.includes("failed")) process.exitCode = 1;
}

if (import.meta.main) {
  await main().catch((error: unknown) => {
    // A wrong flag: the sentence, not where in here it was noticed.
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  });
}
