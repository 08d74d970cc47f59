import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ROOT } from "#scripts/root.ts";

/** As on a fresh clone: what is built is not there. */
const UNBUILT = `data:text/javascript,${encodeURIComponent(`
  import fs from "node:fs";
  import { syncBuiltinESMExports } from "node:module";
  const { readFileSync } = fs;
  fs.readFileSync = (file, ...options) => {
    if (String(file).endsWith(".wasm")) throw new Error("read before it was built: " + file);
    return readFileSync(file, ...options);
  };
  syncBuiltinESMExports();
`)}`;

it("reads nothing that is built before it has built it, and says which benches there are", { timeout: 30_000 }, () => {
  const { status, stderr } = spawnSync(process.execPath, ["--import", UNBUILT, join(ROOT, "bench/main.ts"), "none"], { encoding: "utf8" });
  expect(stderr).toContain('Cannot run bench "none": expected one of kernels, forecast,');
  expect(status).toBe(2);
});

it.for([
  { args: ["kernels", "--bogus"], status: 2, stdout: /^$/, stderr: /^Cannot run a bench: Unknown option '--bogus'.+\n$/ },
  { args: ["--help"], status: 0, stdout: /^Usage: npm run bench -- NAME/, stderr: /^$/ },
])("says in a line what is wrong, and what there is: $args", { timeout: 30_000 }, ({ args, ...want }) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, "bench/main.ts"), ...args], { encoding: "utf8" });
  expect(status).toBe(want.status);
  expect(stdout).toMatch(want.stdout);
  expect(stderr).toMatch(want.stderr);
});
