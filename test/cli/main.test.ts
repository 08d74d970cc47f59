import { execFile, execFileSync, spawn, spawnSync } from "node:child_process";
import { closeSync, existsSync, openSync } from "node:fs";
import { once } from "node:events";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { CONFIGURATION, startFakeGateway } from "./fake-gateway.ts";
import { runCli, temporaryFolder } from "./run-cli.ts";
import { openState } from "#cli/state.ts";
import { writeFile } from "node:fs/promises";

const BIN = join(import.meta.dirname, "../../cli/tidegate.mjs");
const COMMANDS = ["apply", "status", "token", "socket", "trace", "load"];

it("lists every command with one line", async () => {
  const { exitCode, stdout } = await runCli(["--help"]);
  expect(exitCode).toBe(0);
  for (const command of COMMANDS) expect(stdout).toMatch(new RegExp(`^  ${command} +[A-Z].+\\.$`, "m"));
});

it.for(COMMANDS)("%s explains itself and takes --json", async (command) => {
  const { exitCode, stdout, stderr } = await runCli([command, "--help"]);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  expect(stdout).toContain(`Usage: tidegate ${command}`);
  expect(stdout).toMatch(/^ {2}--json /m);
  expect(await runCli(["help", command])).toMatchObject({ stdout });
});

it.for([
  { argv: ["tokne"], says: "Cannot run tidegate tokne: it is not a command, expected perhaps token" },
  { argv: ["frobnicate"], says: "expected one of apply, explain, status" },
  { argv: ["constructor"], says: "is not a command" },
  { argv: ["token", "--tenat", "acme"], says: "--tenat is not an option, expected perhaps --tenant" },
  { argv: ["token", "--zzz"], says: "--zzz is not an option, expected one of --tenant" },
  { argv: ["token", "--tenant", "a"], says: "--device is missing, expected --device ID" },
  { argv: ["token", "--tenant", "--device", "d"], says: "--tenant has no value, expected --tenant NAME" },
  { argv: ["token", "--tenant"], says: "--tenant has no value" },
  { argv: ["token", "--tenant", "a", "--tenant", "b"], says: "--tenant is given again, expected at most one" },
  { argv: ["token", "--json=yes"], says: '--json has the value "yes", expected --json alone' },
  { argv: ["apply"], says: "DIR is missing, expected DIR" },
  { argv: ["apply", "a", "b"], says: 'the arguments are ["a","b"], expected DIR' },
  { argv: ["status", "now"], says: 'the arguments are ["now"], expected options only' },
])("answers $argv with what was expected, on stderr, exit 2", async ({ argv, says }) => {
  const { exitCode, stdout, stderr } = await runCli(argv);
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: "" });
  expect(stderr).toContain(says);
});

it("shows the commands on stderr when none is named", async () => {
  const { exitCode, stdout, stderr } = await runCli([]);
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: "" });
  expect(stderr).toContain("Usage: tidegate COMMAND");
});

it("tells an error as one JSON object with --json", async () => {
  const { stderr } = await runCli(["trace", "--days", "none", "--json"]);
  expect(JSON.parse(stderr)).toEqual({ error: 'Cannot read --days: is "none", expected an integer from 1 to 3660' });
});

/** What the machine has where the project's own Node is not first. */
function findOlderNode(): string | null {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    if (folder.includes("node_modules")) continue;
    try {
      const node = join(folder, "node");
      if (Number.parseInt(execFileSync(node, ["-p", "process.versions.node"]).toString(), 10) < 24) return node;
    } catch {
      // No node there.
    }
  }
  return null;
}

const olderNode = findOlderNode();
const NODES = [
  { name: "the project's Node", node: process.execPath },
  ...(olderNode === null ? [] : [{ name: "an older Node", node: olderNode }]),
];

it.for(NODES)("the bin runs under $name, with its exit code", async ({ node }) => {
  const run = promisify(execFile);
  expect((await run(node, [BIN, "--help"])).stdout).toContain("Usage: tidegate COMMAND");
  await expect(run(node, [BIN, "tokne"])).rejects.toMatchObject({ code: 2, stdout: "" });
});

it.skipIf(!existsSync("/dev/full"))("says in a line that its output cannot be written, and fails", () => {
  const full = openSync("/dev/full", "w");
  try {
    for (const args of [["--help"], ["trace", "--days", "1"]]) {
      const { status, stderr } = spawnSync(process.execPath, [BIN, ...args], { stdio: ["ignore", full, "pipe"], encoding: "utf8" });
      expect(status).toBe(1);
      expect(stderr).toBe("Cannot write to the standard output: ENOSPC, expected what can be written to\n");
    }
  } finally {
    closeSync(full);
  }
});

it.for(NODES)("an interrupt of the bin under $name ends a load early and still reports", async ({ node }) => {
  const folder = await temporaryFolder();
  const state = openState(folder);
  await state.ensureOperatorKey();
  for (const tenant of Object.keys(CONFIGURATION.tenants)) await state.ensureTenantKeys(tenant);
  const trace = join(folder, "trace.csv");
  // One arrival at once or so, the next ones in years.
  await writeFile(trace, "2026-01-01 00:00:00,1\n2026-01-01 00:00:01,1\n2036-01-01 00:00:01,1\n");
  const arrived = Promise.withResolvers<void>();
  const { url } = await startFakeGateway({ answer: (_, response) => void response.end("ok", () => arrived.resolve()) });
  const child = spawn(node, [BIN, "load", "--trace", trace, "--url", url, "--state", folder, "--sockets-share", "0", "--json"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  let stdout = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  await arrived.promise;
  child.kill("SIGINT");
  const [exitCode] = (await once(child, "close")) as [number | null];
  const report = JSON.parse(stdout) as { sent: number; outcomes: Record<string, number> };
  expect(exitCode).toBe(0);
  expect(report.sent).toBeGreaterThanOrEqual(1);
  expect(Object.values(report.outcomes).reduce((sum, count) => sum + count, 0)).toBe(report.sent);
});
