// `npm start` as a newcomer runs it: what it prints works, and nothing it started outlives it.
import { execFile, execFileSync, spawn, spawnSync, type ChildProcess } from "node:child_process";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { ROOT } from "#scripts/root.ts";
import { freePort } from "../support/free-port.ts";
import { sumOf } from "../support/gateway.ts";

const README = join(ROOT, "README.md");

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tidegate-start-"));
  await cp(join(ROOT, "config"), join(folder, "config"), { recursive: true });
  // The embedded default's own ports may be taken by a gateway that somebody runs.
  for (const [service, port] of [
    ["echo", 9101],
    ["telemetry", 9102],
  ] as const) {
    const file = join(folder, `config/services/${service}.yaml`);
    await writeFile(file, (await readFile(file, "utf8")).replace(String(port), String(await freePort())));
  }
});
afterEach(() => {
  // What a failed test left running.
  for (const { pid, exitCode, signalCode } of started.splice(0))
    if (pid !== undefined && exitCode === null && signalCode === null) process.kill(-pid, "SIGTERM");
});
afterAll(async () => rm(folder, { recursive: true, force: true }));

const started: ChildProcess[] = [];

interface Started {
  readonly child: ChildProcess;
  readonly text: () => string;
  readonly url: string;
}

/** Starts in a process group of its own, and waits for the greeting. */
async function start(
  state: string,
  args: readonly string[] = ["--config", join(folder, "config")],
  inside = (command: string[]): string[] => command,
): Promise<Started> {
  const [program = "", ...rest] = inside(["npm", "start", "--", "--port", "0", "--state", join(folder, state), ...args]);
  const child = spawn(program, rest, { cwd: ROOT, detached: true, stdio: ["pipe", "pipe", "pipe"] });
  started.push(child);
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (text += String(chunk)));
  await expect.poll(() => text, { timeout: 60_000 }).toContain("Ctrl-C stops everything.");
  return { child, text: () => text, url: /listens on (http:\S+)/.exec(text)?.[1] ?? "" };
}

/** Processes that have the state folder, or a port of the demo backend, on their command line. */
function processesOf(state: string): string[] {
  const ports = ["echo", "telemetry"].map(
    (service) =>
      /127\.0\.0\.1:(\d+)/.exec(execFileSync("cat", [join(folder, `config/services/${service}.yaml`)], { encoding: "utf8" }))?.[1] ?? "?",
  );
  const lines = execFileSync("ps", ["-eo", "pid,args"], { encoding: "utf8" }).split("\n");
  return lines.filter((line) => line.includes(join(folder, state)) || ports.some((port) => line.includes(`--port ${port}`)));
}

async function expectAllGone(state: string): Promise<void> {
  await expect.poll(() => processesOf(state), { timeout: 25_000 }).toEqual([]);
}

describe("npm start", { timeout: 180_000 }, () => {
  it("prints three lines to paste, and they work", async () => {
    const { child, text, url } = await start("lines");
    const lines = text()
      .split("\n")
      .filter((line) => /^ {2}(T=|curl|npx)/.test(line))
      .map((line) => line.trim().replace("npx tidegate", "cli/tidegate.mjs"));
    expect(lines).toHaveLength(3);
    const { stdout } = await promisify(execFile)("sh", ["-c", lines.join("\n")], { cwd: ROOT });
    expect(stdout).toContain('"path":"/hello"');
    expect(stdout.trimEnd().split("\n").at(-1)).toBe("hello");
    await expect.poll(async () => sumOf(await (await fetch(`${url}/metrics`)).text(), "tidegate_slots_in_use")).toBe(0);
    process.kill(child.pid ?? 0, "SIGTERM");
    await expectAllGone("lines");
  });

  it.for(["SIGTERM", "SIGKILL", "SIGHUP"] as const)("stops everything when npm gets %s", async (signal) => {
    const { child } = await start(signal);
    expect(processesOf(signal).length).toBeGreaterThanOrEqual(4);
    process.kill(child.pid ?? 0, signal);
    await expectAllGone(signal);
  });

  it("stops everything on Ctrl-C, which a terminal sends to the whole group", async () => {
    const { child } = await start("ctrl-c");
    process.kill(-(child.pid ?? 0), "SIGINT");
    await expectAllGone("ctrl-c");
  });

  const hasScript = spawnSync("script", ["--version"]).status === 0;
  it.skipIf(!hasScript)(
    `stops everything when its terminal goes${hasScript ? "" : " (SKIPPED: there is no script command to make one)"}`,
    async () => {
      const { child } = await start("terminal", undefined, (command) => ["script", "-qefc", command.join(" "), "/dev/null"]);
      process.kill(child.pid ?? 0, "SIGKILL");
      await expectAllGone("terminal");
    },
  );

  it("keeps what was applied over a restart, and forgets it with --fresh", async () => {
    const stop = async ({ child }: Started): Promise<void> => {
      process.kill(child.pid ?? 0, "SIGTERM");
      await expectAllGone("kept");
    };
    await stop(await start("kept"));
    const kept = await start("kept", []);
    expect(kept.text()).toContain("Version 1 from the state folder is in force");
    await stop(kept);
    const fresh = await start("kept", ["--fresh", "--no-backend", "--config", join(folder, "config")]);
    expect(fresh.text()).toContain("configuration version 1");
    expect(fresh.text()).not.toContain("demo backend");
    await stop(fresh);
  });

  it("lets one gateway have a state folder, and the other say so", async () => {
    const { child } = await start("shared");
    const args = ["--port", "0", "--no-backend", "--state", join(folder, "shared")];
    const second = await promisify(execFile)("node", ["scripts/bootstrap.mjs", "scripts/start.ts", ...args], { cwd: ROOT }).catch(
      (error: unknown) => error,
    );
    expect(second).toMatchObject({ code: 1, stderr: expect.stringMatching(/Cannot use state folder/) as string });
    process.kill(child.pid ?? 0, "SIGTERM");
    await expectAllGone("shared");
  });

  it("throws nothing away with --fresh where it cannot start", async () => {
    const first = await start("precious");
    process.kill(first.child.pid ?? 0, "SIGTERM");
    await expectAllGone("precious");
    const key = await readFile(join(folder, "precious/operator.key"), "utf8");
    const args = ["--fresh", "--state", join(folder, "precious"), "--config", join(folder, "nowhere")];
    expect(spawnSync("node", ["scripts/bootstrap.mjs", "scripts/start.ts", ...args], { cwd: ROOT }).status).toBe(1);
    expect(await readFile(join(folder, "precious/operator.key"), "utf8")).toBe(key);
  });

  it.for([300, 600, 900, 1_200])("stops when it is told to %i ms into its start", async (afterMs) => {
    const args = [
      "scripts/bootstrap.mjs",
      "scripts/start.ts",
      "--port",
      "0",
      "--state",
      join(folder, `early-${afterMs}`),
      "--config",
      join(folder, "config"),
    ];
    const child = spawn("node", args, { cwd: ROOT, detached: true, stdio: "ignore" });
    started.push(child);
    // Not a wait for something to happen: the moment is what is tested.
    await setTimeout(afterMs);
    child.kill("SIGTERM");
    await expectAllGone(`early-${afterMs}`);
  });

  it.for([
    { name: "an unknown option", args: ["--prot", "1"], want: /Unknown option '--prot'/ },
    { name: "a port that is none", args: ["--port", "99999"], want: /--port is "99999", expected an integer/ },
    {
      name: "a state folder that is a file",
      args: ["--port", "0", "--state", README],
      want: /^Cannot use state folder .+README\.md: EEXIST, expected .+\n$/,
    },
    {
      name: "a state folder below a file",
      args: ["--port", "0", "--state", join(README, "x")],
      want: /^Cannot use state folder .+x: ENOTDIR, expected .+\n$/,
    },
    { name: "a folder that is not there", args: ["--config", "/nowhere"], want: /\/nowhere/ },
  ])("says what is wrong with $name, and exits with 1", ({ args, want }) => {
    const { status, stderr } = spawnSync("node", ["scripts/bootstrap.mjs", "scripts/start.ts", "--state", join(folder, "wrong"), ...args], {
      cwd: ROOT,
      encoding: "utf8",
    });
    expect(stderr).toMatch(want);
    expect(status).toBe(1);
  });

  it("names file, line and key of a configuration with a fault", async () => {
    const broken = join(folder, "broken");
    await cp(join(folder, "config"), broken, { recursive: true });
    await writeFile(join(broken, "services/echo.yaml"), "service: echo\nendpoints: []\ncapcity: 3\n");
    const { status, stderr } = spawnSync(
      "node",
      ["scripts/bootstrap.mjs", "scripts/start.ts", "--config", broken, "--state", join(folder, "wrong")],
      { cwd: ROOT, encoding: "utf8" },
    );
    expect(stderr).toMatch(/services\/echo\.yaml:3: capcity: is not a known key, expected one of service, endpoints/);
    expect(status).toBe(1);
  });
});
