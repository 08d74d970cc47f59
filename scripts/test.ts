// `npm test`: builds, runs every test, and closes with one line that says how many passed and failed.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { build } from "./build.ts";
import { ROOT } from "./root.ts";

const REPORT_FILE = join(ROOT, "node_modules/.cache/test-report.json");

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
}

await build();
await rm(REPORT_FILE, { force: true });
const vitest = join(ROOT, "node_modules/vitest/vitest.mjs");
const args = [vitest, "run", "--reporter=default", "--reporter=json", `--outputFile.json=${REPORT_FILE}`, ...process.argv.slice(2)];
const child = spawn(process.execPath, args, { cwd: ROOT, stdio: "inherit" });
const [code] = (await once(child, "exit")) as [number | null];
const report = await readFile(REPORT_FILE, "utf8").then(
  (text) => JSON.parse(text) as Report,
  () => null,
);
if (report === null) {
  console.error("Cannot count the tests: vitest wrote no report (see above)");
  console.log("0 passed, 1 failed");
  process.exitCode = 1;
} else {
  const { numPassedTests, numFailedTests, numPendingTests } = report;
  // A file that cannot be loaded fails without a failed test in it.
  const failed = code !== 0 && numFailedTests === 0 ? 1 : numFailedTests;
  console.log(`${numPassedTests} passed, ${failed} failed${numPendingTests > 0 ? `, ${numPendingTests} skipped` : ""}`);
  process.exitCode = code ?? 1;
}
